// SPDX-License-Identifier: Apache-2.0
//
// Python objects to encoded values.
//
// A failure deep inside of a value becomes an exception at the top, which says
// where: the leaf leaves what is wrong, and each container on the way out adds
// a step of the path.

#include "native.h"

#include <stdlib.h>

// encoder is one value under way. After a -1 either wrong is set, or a Python
// exception.
typedef struct {
	buf *out;
	PyObject *wrong;   // what is wrong, a str
	PyObject *kind;    // the exception for it, borrowed
	PyObject *path;    // a str, or NULL
} encoder;

static int encode(encoder *e, PyObject *v, int depth);

static int fail(encoder *e, PyObject *kind, PyObject *wrong)
{
	e->kind = kind;
	e->wrong = wrong;
	return -1;
}

// within adds a step to the path of what is wrong, and drops it.
static int within(encoder *e, PyObject *step)
{
	PyObject *path;

	if (e->wrong == NULL || step == NULL) {
		Py_XDECREF(step);
		if (e->wrong != NULL)
			PyErr_Clear();
		return -1;
	}
	if (e->path == NULL) {
		e->path = step;
		return -1;
	}
	path = PyUnicode_Concat(step, e->path);
	Py_DECREF(step);
	if (path == NULL) {
		PyErr_Clear();
		return -1;
	}
	Py_DECREF(e->path);
	e->path = path;
	return -1;
}

static int within_key(encoder *e, const char *format, PyObject *key)
{
	PyObject *text, *cut, *step;

	if (e->wrong == NULL)
		return -1;
	if (PyUnicode_Check(key)) {
		text = PyUnicode_FromFormat("\"%U\"", key);
	} else {
		text = PyObject_Repr(key);
	}
	cut = text != NULL ? PyUnicode_Substring(text, 0, 60) : NULL;
	step = cut != NULL ? PyUnicode_FromFormat(format, cut) : NULL;
	Py_XDECREF(text);
	Py_XDECREF(cut);
	return within(e, step);
}

static int put_text(buf *out, int tag, const void *p, size_t n)
{
	if (n < 0x80 && buf_room(out, n + 2) == 0) {
		out->p[out->len] = (uint8_t)tag;
		out->p[out->len + 1] = (uint8_t)n;
		memcpy(out->p + out->len + 2, p, n);
		out->len += n + 2;
		return 0;
	}
	if (PyErr_Occurred() || buf_tagged(out, tag, NULL, 0) < 0 || buf_size(out, n) < 0)
		return -1;
	return buf_put(out, p, n);
}

static int encode_str(encoder *e, PyObject *v)
{
	const char *p;
	Py_ssize_t n;
	PyObject *hold;
	int result;

	if (utf8(v, &p, &n, &hold) < 0) {
		if (!PyErr_ExceptionMatches(PyExc_TypeError))
			return -1;
		PyErr_Clear();
		return fail(e, PyExc_TypeError, PyUnicode_FromString("text with a lone surrogate cannot be encoded in UTF-8"));
	}
	result = put_text(e->out, TAG_STRING, p, (size_t)n);
	Py_XDECREF(hold);
	return result;
}

static int encode_bytes_object(encoder *e, PyObject *v)
{
	char *p;
	Py_ssize_t n;

	if (PyBytes_AsStringAndSize(v, &p, &n) < 0)
		return -1;
	return put_text(e->out, TAG_STRING, p, (size_t)n);
}

static int encode_int(encoder *e, PyObject *v)
{
	int overflow;
	long long i = PyLong_AsLongLongAndOverflow(v, &overflow);

	if (overflow != 0)
		return fail(e, PyExc_OverflowError, PyUnicode_FromFormat("%R does not fit an integer of 64 bits", v));
	if (i == -1 && PyErr_Occurred())
		return -1;
	return buf_word(e->out, TAG_INTEGER, (uint64_t)i);
}

static int encode_float(encoder *e, PyObject *v)
{
	double f = PyFloat_AsDouble(v);

	if (f == -1 && PyErr_Occurred())
		return -1;
	return buf_word(e->out, TAG_REAL, real_to_wire(f));
}

static int encode_enum(encoder *e, enum_object *v)
{
	PyObject *raw = PyUnicode_AsEncodedString(v->name, "utf-8", "surrogateescape");
	char *p;
	Py_ssize_t n;
	int result;

	if (raw == NULL || PyBytes_AsStringAndSize(raw, &p, &n) < 0) {
		Py_XDECREF(raw);
		if (!PyErr_ExceptionMatches(PyExc_UnicodeError))
			return -1;
		PyErr_Clear();
		return fail(e, PyExc_TypeError, PyUnicode_FromString("an enum's name cannot be encoded in UTF-8"));
	}
	result = put_text(e->out, TAG_ENUM, p, (size_t)n);
	Py_DECREF(raw);
	return result;
}

// head begins a container; *mark is where its size stands.
static int head(encoder *e, int tag, Py_ssize_t n, int depth, size_t *mark)
{
	if (n < 0)
		return -1;
	if (depth >= MAX_DEPTH)
		return fail(e, PyExc_ValueError, PyUnicode_FromFormat("nested more than %d deep", MAX_DEPTH));
	if (buf_tagged(e->out, tag, NULL, 0) < 0)
		return -1;
	*mark = e->out->len;
	return buf_size(e->out, (uint64_t)n);
}

static int changed(void)
{
	PyErr_SetString(PyExc_RuntimeError, "container changed while it was converted");
	return -1;
}

static int encode_list(encoder *e, PyObject *v, int depth)
{
	Py_ssize_t n = PyList_Size(v), i;
	PyObject *item;
	size_t mark;
	int result;

	if (head(e, TAG_VECTOR, n, depth, &mark) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		item = PyList_GetItem(v, i);   // the list may shrink meanwhile
		if (item == NULL)
			return PyErr_Clear(), changed();
		Py_INCREF(item);
		result = encode(e, item, depth + 1);
		Py_DECREF(item);
		if (result < 0)
			return within(e, PyUnicode_FromFormat("[%zd]", i));
	}
	return PyList_Size(v) == n ? 0 : changed();
}

static int encode_tuple(encoder *e, PyObject *v, int depth)
{
	Py_ssize_t n = PyTuple_Size(v), i;
	size_t mark;

	if (head(e, TAG_VECTOR, n, depth, &mark) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		if (encode(e, PyTuple_GetItem(v, i), depth + 1) < 0)
			return within(e, PyUnicode_FromFormat("[%zd]", i));
	}
	return 0;
}

static part *new_parts(Py_ssize_t n)
{
	part *parts = n < 0 ? NULL : calloc((size_t)n + 1, sizeof *parts);

	if (parts == NULL && n >= 0)
		PyErr_NoMemory();
	return parts;
}

static int encode_set(encoder *e, PyObject *v, int depth)
{
	Py_ssize_t n = PyObject_Length(v), i = 0;
	part *parts;
	PyObject *iterator, *item;
	size_t mark;
	int result = -1;

	if (head(e, TAG_SET, n, depth, &mark) < 0 || (parts = new_parts(n)) == NULL)
		return -1;
	iterator = PyObject_GetIter(v);
	while (iterator != NULL && (item = PyIter_Next(iterator)) != NULL) {
		if (i >= n) {
			Py_DECREF(item);
			changed();
			break;
		}
		parts[i].start = e->out->len;
		parts[i].index = (size_t)i;
		if (encode(e, item, depth + 1) < 0) {
			within_key(e, ".member(%U)", item);
			Py_DECREF(item);
			goto done;
		}
		Py_DECREF(item);
		parts[i++].end = e->out->len;
	}
	if (PyErr_Occurred() || (i != n && changed() < 0))
		goto done;
	result = order_parts(e->out, mark, parts, (size_t)n, KEEP_FIRST) < 0 ? -1 : 0;
done:
	Py_XDECREF(iterator);
	free(parts);
	return result;
}

// encode_entry appends a key and its value.
static int encode_entry(encoder *e, PyObject *key, PyObject *value, int depth)
{
	if (encode(e, key, depth) < 0)
		return within_key(e, ".key(%U)", key);
	if (encode(e, value, depth) < 0)
		return within_key(e, "[%U]", key);
	return 0;
}

static int encode_dict(encoder *e, PyObject *v, int depth)
{
	Py_ssize_t n = PyDict_Size(v), i = 0, position = 0;
	part *parts;
	PyObject *key, *value;
	size_t mark;
	int result = -1;

	if (head(e, TAG_TABLE, n, depth, &mark) < 0 || (parts = new_parts(n)) == NULL)
		return -1;
	while (PyDict_Next(v, &position, &key, &value)) {
		if (i >= n || PyDict_Size(v) != n) {
			changed();
			goto done;
		}
		parts[i].start = e->out->len;
		parts[i].index = (size_t)i;
		Py_INCREF(key);
		Py_INCREF(value);
		result = encode_entry(e, key, value, depth + 1);
		Py_DECREF(key);
		Py_DECREF(value);
		if (result < 0)
			goto done;
		parts[i++].end = e->out->len;
	}
	result = i == n ? 0 : changed();
	if (result == 0 && order_parts(e->out, mark, parts, (size_t)n, KEEP_LAST) < 0)
		result = -1;
done:
	free(parts);
	return PyErr_Occurred() ? -1 : result;
}

// encode_native takes the module's own types.
static int encode_native(encoder *e, PyObject *v)
{
	if (PyObject_TypeCheck(v, native.data)) {
		char *p;
		Py_ssize_t n;

		if (PyBytes_AsStringAndSize(((data_object *)v)->bytes, &p, &n) < 0)
			return -1;
		return buf_put(e->out, p, (size_t)n);
	}
	if (PyObject_TypeCheck(v, native.count))
		return buf_word(e->out, TAG_COUNT, ((count_object *)v)->value);
	if (PyObject_TypeCheck(v, native.enumv))
		return encode_enum(e, (enum_object *)v);
	if (PyObject_TypeCheck(v, native.port)) {
		port_object *p = (port_object *)v;
		uint8_t raw[3] = {(uint8_t)(p->number >> 8), (uint8_t)p->number, p->protocol};

		return buf_tagged(e->out, TAG_PORT, raw, sizeof raw);
	}
	if (PyObject_TypeCheck(v, native.address))
		return buf_tagged(e->out, TAG_ADDRESS, ((address_object *)v)->bytes, 16);
	if (PyObject_TypeCheck(v, native.subnet)) {
		subnet_object *s = (subnet_object *)v;

		if (buf_tagged(e->out, TAG_SUBNET, s->bytes, 16) < 0)
			return -1;
		return buf_put(e->out, &s->length, 1);
	}
	if (PyObject_TypeCheck(v, native.timespan))
		return buf_word(e->out, TAG_TIMESPAN, (uint64_t)((time_object *)v)->ns);
	if (PyObject_TypeCheck(v, native.timestamp))
		return buf_word(e->out, TAG_TIMESTAMP, (uint64_t)((time_object *)v)->ns);
	return 1;
}

// encode_method takes objects that say themselves what they are to Broker.
static int encode_method(encoder *e, PyObject *v, int depth)
{
	PyObject *method = PyObject_GetAttr((PyObject *)Py_TYPE(v), native.method), *plain;
	int result;

	if (method == NULL) {
		if (!PyErr_ExceptionMatches(PyExc_AttributeError))
			return -1;
		PyErr_Clear();
		return 1;
	}
	if (depth >= MAX_DEPTH) {
		Py_DECREF(method);
		return fail(e, PyExc_ValueError, PyUnicode_FromFormat("nested more than %d deep", MAX_DEPTH));
	}
	plain = PyObject_CallFunctionObjArgs(method, v, NULL);
	Py_DECREF(method);
	if (plain == NULL)
		return -1;
	result = encode(e, plain, depth + 1);
	Py_DECREF(plain);
	return result;
}

static int encode_mapping(encoder *e, PyObject *v, int depth)
{
	PyObject *copy = PyDict_New();
	int result = copy != NULL && PyDict_Update(copy, v) == 0 ? encode_dict(e, copy, depth) : -1;

	Py_XDECREF(copy);
	return result;
}

// common says which types are no subclass of anything and have no method, so
// that the others can be asked for the method first.
static int common(const PyTypeObject *t)
{
	const void *p = t;

	return t == native.data || t == native.enumv || t == native.port || t == native.address || t == native.subnet ||
	       t == native.timespan || t == native.timestamp || p == native.datetime || p == native.timedelta ||
	       p == native.ip4 || p == native.ip6 || p == native.net4 || p == native.net6;
}

// encode_rest takes what is of none of the most common types.
static int encode_rest(encoder *e, PyObject *v, int depth)
{
	PyObject *wrong = NULL;
	int result = common(Py_TYPE(v)) ? 1 : encode_method(e, v, depth);

	if (result > 0)
		result = encode_native(e, v);
	if (result > 0)
		result = foreign(v, e->out, &wrong);
	if (wrong != NULL)
		return fail(e, PyExc_OverflowError, wrong);
	if (result <= 0)
		return result;
	if (PyUnicode_Check(v))
		return encode_str(e, v);
	if (PyLong_Check(v))
		return encode_int(e, v);
	if (PyTuple_Check(v))
		return encode_tuple(e, v, depth);
	if (PyList_Check(v))
		return encode_list(e, v, depth);
	if (PyDict_Check(v))
		return encode_dict(e, v, depth);
	if (PyBytes_Check(v))
		return encode_bytes_object(e, v);
	if (PyObject_TypeCheck(v, &PyFloat_Type))
		return encode_float(e, v);
	if (PyAnySet_Check(v))
		return encode_set(e, v, depth);
	if ((PyObject *)Py_TYPE(v) == native.mappingproxy)
		return encode_mapping(e, v, depth);
	return fail(e, PyExc_TypeError, PyUnicode_FromFormat("unsupported data type: %R", (PyObject *)Py_TYPE(v)));
}

static int encode(encoder *e, PyObject *v, int depth)
{
	PyTypeObject *t = Py_TYPE(v);
	uint8_t flag;

	if (t == &PyUnicode_Type)
		return encode_str(e, v);
	if (t == &PyLong_Type)
		return encode_int(e, v);
	if (t == native.count)
		return buf_word(e->out, TAG_COUNT, ((count_object *)v)->value);
	if (t == &PyTuple_Type)
		return encode_tuple(e, v, depth);
	if (t == &PyList_Type)
		return encode_list(e, v, depth);
	if (v == Py_None)
		return buf_tagged(e->out, TAG_NONE, NULL, 0);
	if (t == &PyBool_Type) {
		flag = v == Py_True;
		return buf_tagged(e->out, TAG_BOOLEAN, &flag, 1);
	}
	if (t == &PyFloat_Type)
		return encode_float(e, v);
	if (t == &PyDict_Type)
		return encode_dict(e, v, depth);
	if (t == &PyBytes_Type)
		return encode_bytes_object(e, v);
	if (t == &PySet_Type || t == &PyFrozenSet_Type)
		return encode_set(e, v, depth);
	return encode_rest(e, v, depth);
}

int encode_into(buf *b, PyObject *value)
{
	encoder e = {b, NULL, NULL, NULL};
	size_t before = b->len;

	if (encode(&e, value, 0) == 0)
		return 0;
	b->len = before;
	if (e.wrong != NULL && e.path != NULL)
		PyErr_Format(e.kind, "value%U: %U", e.path, e.wrong);
	else if (e.wrong != NULL)
		PyErr_SetObject(e.kind, e.wrong);
	Py_XDECREF(e.wrong);
	Py_XDECREF(e.path);
	return -1;
}

PyObject *encode_bytes(PyObject *value)
{
	buf *b = scratch_take();
	PyObject *result = NULL;

	if (b == NULL)
		return NULL;
	if (encode_into(b, value) == 0)
		result = PyBytes_FromStringAndSize((const char *)b->p, (Py_ssize_t)b->len);
	scratch_give(b);
	return result;
}
