// SPDX-License-Identifier: Apache-2.0
//
// What the files about handles share: the library, waiting, errors, arguments.

#ifndef BROKERMESH_LIBRARY_H
#define BROKERMESH_LIBRARY_H

#include "native.h"

#include "../capi/brokermesh.h"

#pragma GCC visibility push(hidden)

// ---- library.c

// lib is libbrokermesh, which is opened when the first endpoint is made. After
// a fork the child has a copy of its memory, but none of its threads.
extern struct library {
	void *dl;
	int forked;
	__typeof__(bm_abi) *abi;
	__typeof__(bm_free) *free;
	__typeof__(bm_close) *close;
	__typeof__(bm_endpoint_new) *endpoint_new;
	__typeof__(bm_endpoint_id) *endpoint_id;
	__typeof__(bm_listen) *listen;
	__typeof__(bm_publish) *publish;
	__typeof__(bm_publish_batch) *publish_batch;
	__typeof__(bm_publish_to) *publish_to;
	__typeof__(bm_query) *query;
	__typeof__(bm_subscribe) *subscribe;
	__typeof__(bm_status_subscribe) *status_subscribe;
	__typeof__(bm_sub_take) *sub_take;
	__typeof__(bm_sub_available) *sub_available;
	__typeof__(bm_sub_change) *sub_change;
	__typeof__(bm_publisher) *publisher;
	__typeof__(bm_publisher_send) *publisher_send;
	__typeof__(bm_publisher_state) *publisher_state;
	__typeof__(bm_store) *store;
	__typeof__(bm_store_read) *store_read;
	__typeof__(bm_store_write) *store_write;
	__typeof__(bm_start) *start;
	__typeof__(bm_fd) *fd;
	__typeof__(bm_result) *result;
	__typeof__(bm_cancel) *cancel;
} lib;

int library_open(void);   // -1 with an exception

// fail_code raises what the hook "error" makes of a result that is not 0, and
// frees err. It answers NULL.
PyObject *fail_code(int code, bm_bytes *err);

// ---- wait.c

#define SLICE_MS 50
#define SLICE_NS (SLICE_MS * INT64_C(1000000))
#define FOREVER INT64_MAX

int64_t monotonic(void);
int64_t deadline_after(double seconds);
// deadline_of reads a timeout in seconds, None for none. -1 with an exception.
int deadline_of(PyObject *timeout, int64_t *deadline);
// wait_fd waits until fd is readable: 1 it is, 0 the deadline is over, -1 a
// signal's handler has raised. The interpreter's lock is free meanwhile.
int wait_fd(int fd, int64_t deadline);

// ---- handle.c

// handle_object is the beginning of every object that stands for something in
// the library. owner is what it belongs to, kept alive.
typedef struct {
	PyObject_HEAD
	bm_handle h;
	PyObject *owner;
	int fd;
} handle_object;

int handle_usable(const void *self);     // -1 with an exception
int handle_new_usable(void);             // before the first use of the library; -1 with an exception
void handle_close(handle_object *self);  // also for NULL handles, also after a fork
int handle_traverse(PyObject *self, visitproc visit, void *arg);
int handle_clear(PyObject *self);
void handle_dealloc(PyObject *self);
handle_object *endpoint_arg(PyObject *v);   // NULL with TypeError

// ---- arguments.c

// topic_text lends the text of a str, or of an object with string().
int topic_text(PyObject *topic, const char **p, Py_ssize_t *n, PyObject **hold);
int put_topic_vector(buf *b, PyObject *topics);   // a str, a topic, or an iterable of them, as a vector
int put_frame(buf *b, PyObject *topic, PyObject *value);   // topic NULL: empty
// put_arguments appends args[from:] as a vector. The argument at the position
// expiry, counted from there, may be seconds; -1: no such argument.
int put_arguments(buf *b, PyObject *args, Py_ssize_t from, int expiry);
int expiry_position(const char *op);
// operation reads args[0], a str. -1 with TypeError.
int operation(PyObject *args, const char **op, PyObject **hold);

// ---- call.c

PyObject *call_start(handle_object *target, PyObject *args, int expiry);   // a Call
PyObject *call_run(handle_object *target, PyObject *args, PyObject *timeout, int expiry);
PyObject *handle_start(PyObject *self, PyObject *args);
PyObject *handle_call(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *handle_query(PyObject *self, PyObject *args);
PyObject *handle_end(PyObject *self, PyObject *unused);
PyObject *decode_result(bm_bytes *bytes);   // and frees them; {NULL, 0} is None

// ---- stream.c, stream_get.c

typedef struct block {
	struct block *next;
	unsigned char *data;
	size_t len, off;
	unsigned left;     // frames that were not popped
	unsigned lent;     // frames that are being looked at
	int own;           // malloc'ed here, not by the library
} block;

typedef struct {
	const uint8_t *topic, *value;
	uint32_t topic_len, value_len;
	block *in;
} frame;

// stream_object is a subscriber, a status subscriber, or what store operations
// answer: messages are fetched from the library many at a time, and wait here.
typedef struct stream_object {
	handle_object base;
	block *head, *tail;
	Py_ssize_t waiting;        // frames in the blocks
	int poll_fd, local_fd;     // epoll over the library's descriptor and an eventfd for what waits here; -1 before fd()
	int local_set, immutable, ended;
	int waiters;               // threads that wait for the library's descriptor
	int strict;                // an end that was not on purpose is an error
	PyObject *last_topic;      // the topic of the last message, as it tends to be the next one's too
	PyObject *(*item)(struct stream_object *, const frame *);
} stream_object;

PyObject *stream_new_from(PyObject *store, bm_handle h);   // a Stream of values; closes h if it fails
void stream_init(stream_object *self, PyObject *owner, bm_handle h, int fd);
int stream_fill(stream_object *s, unsigned want);          // more waiting frames if there are: -1 exception, 0 nothing new, 1 some
int stream_pop(stream_object *s, frame *f);                // 0: none waits
void frame_release(frame *f);
int stream_unpop(stream_object *s, const frame *frames, Py_ssize_t n, Py_ssize_t without);
void stream_event(stream_object *s);                       // brings the descriptor in line with what waits
void stream_drop(stream_object *s);
int stream_usable(stream_object *s);
int64_t stream_waiting(stream_object *s);                  // here and in the library; -1 with an exception
PyObject *stream_get(PyObject *self, PyObject *args);
PyObject *stream_poll(PyObject *self, PyObject *unused);
PyObject *stream_next(PyObject *self);
extern PyMethodDef stream_methods[];

// ---- module_handles.c

int handles_init(PyObject *module);

extern PyType_Spec endpoint_spec, call_spec, subscriber_spec, status_spec, stream_spec, publisher_spec, store_spec;
extern struct handle_types {
	PyTypeObject *endpoint, *call, *subscriber, *status, *stream, *publisher, *store;
} handles;

#pragma GCC visibility pop
#endif
