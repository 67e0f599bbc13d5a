// SPDX-License-Identifier: Apache-2.0
//
// What the files of the extension share. The module is written against the
// limited API of Python 3.9, so that one binary serves every newer version.
//
// Values are kept and passed around in Broker's wire encoding: a tag, then the
// content. Python objects are made when somebody looks.

#ifndef BROKERMESH_NATIVE_H
#define BROKERMESH_NATIVE_H

// No formats with # anywhere: headers from 3.13 on would make a binary of them
// that older Pythons read in another way.
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x03090000
#endif
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// none is Py_RETURN_NONE, which headers from 3.12 on take for a plain return:
// older Pythons do count references to None.
static inline PyObject *none(void)
{
	Py_INCREF(Py_None);
	return Py_None;
}

// Shared by all files, but not visible to other libraries.
#pragma GCC visibility push(hidden)

enum tag {
	TAG_NONE, TAG_BOOLEAN, TAG_COUNT, TAG_INTEGER, TAG_REAL, TAG_STRING, TAG_ADDRESS, TAG_SUBNET,
	TAG_PORT, TAG_TIMESTAMP, TAG_TIMESPAN, TAG_ENUM, TAG_SET, TAG_TABLE, TAG_VECTOR, TAG_END
};

// The nesting that the engine accepts.
#define MAX_DEPTH 128

// ---- buffer.c

// buf grows. After a failure of a put, a Python exception is set and the
// content so far is still there.
typedef struct {
	uint8_t *p;
	size_t len, cap;
} buf;

int buf_room(buf *b, size_t n);                    // makes room for n more bytes; -1 with MemoryError
int buf_put(buf *b, const void *p, size_t n);
int buf_tagged(buf *b, int tag, const void *p, size_t n);   // a tag and n bytes
int buf_word(buf *b, int tag, uint64_t w);         // a tag and eight bytes, big endian
int buf_size(buf *b, uint64_t n);                  // a size as varbyte; -1 with OverflowError above 32 bits
void buf_free(buf *b);
buf *scratch_take(void);                           // an empty buffer, warm if possible; NULL with MemoryError
void scratch_give(buf *b);

// ---- wire.c

// reader walks over encoded bytes.
typedef struct {
	const uint8_t *p, *end, *start;
} reader;

uint64_t load64(const uint8_t *p);
void store64(uint8_t *p, uint64_t w);
uint64_t real_to_wire(double f);
double real_from_wire(uint64_t w);
int read_size(reader *r, uint32_t *n);             // -1: nothing is set
int skip_value(reader *r, int depth);              // -1 with ValueError
int fixed_width(int tag);                          // bytes after the tag; -1 if it depends
int bad_value(const reader *r, const char *what);  // ValueError with the offset; answers -1
int canonical(reader *r, buf *out, int depth);     // appends the value in the one form writers agree on; -1 with ValueError
int is_v4(const uint8_t address[16]);

// ---- compare.c

// The total order of values. Both sides are canonical; each reader is left
// behind its value only if they are equal.
int compare_values(reader *a, reader *b);
int compare_bytes(const uint8_t *a, size_t na, const uint8_t *b, size_t nb);

// part is an element of a set, or an entry of a table, as offsets in a buffer.
typedef struct {
	size_t start, end, index;
} part;

enum { KEEP_FIRST, KEEP_LAST, REFUSE };
// order_parts sorts the n parts of b, which follow each other to b's end after
// a size at mark, and leaves one of equal ones. It answers how many were left
// out, or -1 with an exception.
Py_ssize_t order_parts(buf *b, size_t mark, part *parts, size_t n, int keep);

// ---- render.c

int render_value(reader *r, buf *out, int depth);  // appends text; -1 with an exception
int render_address(buf *out, const uint8_t address[16]);
const char *protocol_name(int protocol);

// ---- encode.c

int encode_into(buf *b, PyObject *value);          // -1 with an exception that names the path
PyObject *encode_bytes(PyObject *value);           // a bytes object

// ---- text.c

// utf8 lends the text of a str. *hold is a new reference or NULL, to be
// dropped after use. -1 with TypeError for what UTF-8 cannot carry.
int utf8(PyObject *s, const char **p, Py_ssize_t *n, PyObject **hold);
void utf8_init(void);

// ---- foreign.c

// foreign takes objects of datetime and ipaddress: 0 done, 1 not one of those,
// -1 with an exception, or with *wrong set if the value is out of range.
int foreign(PyObject *v, buf *out, PyObject **wrong);

// ---- decode.c

PyObject *decode_value(reader *r, int immutable, int depth);
PyObject *decode_whole(const void *p, size_t n, int immutable);
PyObject *text_or_bytes(const uint8_t *p, size_t n);

// ---- the types

typedef struct { PyObject_HEAD PyObject *bytes; } data_object;
typedef struct { PyObject_HEAD uint64_t value; } count_object;
typedef struct { PyObject_HEAD PyObject *name; } enum_object;
typedef struct { PyObject_HEAD uint16_t number; uint8_t protocol; } port_object;
typedef struct { PyObject_HEAD uint8_t bytes[16]; } address_object;
typedef struct { PyObject_HEAD uint8_t bytes[16]; uint8_t length; } subnet_object;
typedef struct { PyObject_HEAD int64_t ns; } time_object;

// Makers of instances from what follows a tag on the wire.
PyObject *count_new(PyTypeObject *type, uint64_t v);
PyObject *enum_new(PyTypeObject *type, const uint8_t *p, size_t n);
PyObject *port_new(PyTypeObject *type, unsigned number, unsigned protocol);
PyObject *address_new(PyTypeObject *type, const uint8_t bytes[16]);
PyObject *subnet_new(PyTypeObject *type, const uint8_t bytes[16], unsigned length);
PyObject *time_new(PyTypeObject *type, int64_t ns);
PyObject *data_new(PyTypeObject *type, PyObject *bytes);   // takes over the reference
void mask_bits(uint8_t address[16], unsigned bits);

// The conversions of times and addresses that go through Python's own types.
int times_init(void);
PyObject *timedelta_of(int64_t ns);
PyObject *datetime_of(int64_t ns);
int ns_of_timedelta(PyObject *delta, int64_t *ns, int *overflow);
int ns_of_datetime(PyObject *when, int64_t *ns, int *overflow);
int ns_of_seconds(double seconds, int64_t *ns);    // -1 with OverflowError or ValueError
PyObject *ip_of(const uint8_t address[16]);
PyObject *network_of(const uint8_t address[16], unsigned length);

// For types: instances end alike, compare alike, and are pickled alike.
void plain_dealloc(PyObject *self);
PyObject *rich_result(int c, int op);
PyObject *bm_reduce(PyObject *self, PyObject *ignored);
PyObject *bm_restore(PyObject *module, PyObject *args);
Py_hash_t hash_of(const void *p, size_t n);
int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **out);

extern PyType_Spec data_spec, count_spec, enum_spec, port_spec, address_spec, subnet_spec, timespan_spec, timestamp_spec;

// ---- module.c

// hooks are what the Python package hands over with set_hooks; NULL if it did not.
typedef struct {
	PyObject *frozen_dict, *data_type, *port_type, *as_set, *as_table, *as_vector;
	PyObject *error, *status;
} hooks;

// native is the state of the module, of which a process has one.
extern struct native {
	PyTypeObject *data, *count, *enumv, *port, *address, *subnet, *timespan, *timestamp;
	PyObject *timedelta, *datetime, *epoch, *ip4, *ip6, *net4, *net6, *mappingproxy;
	PyObject *restore, *method;   // method: the name __broker_data__
	hooks hook;
} native;

// hooked calls a hook with one argument, whose reference it takes over. No
// such hook: it answers the argument.
PyObject *hooked(PyObject *hook, PyObject *argument);

#pragma GCC visibility pop
#endif
