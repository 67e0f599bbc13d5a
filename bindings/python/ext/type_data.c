// SPDX-License-Identifier: Apache-2.0
//
// Data: any value, kept as its canonical encoding.

#include "native.h"

PyObject *data_new(PyTypeObject *type, PyObject *bytes)
{
	PyObject *self;

	if (bytes == NULL)
		return NULL;
	self = PyType_GenericAlloc(type, 0);
	if (self == NULL)
		Py_DECREF(bytes);
	else
		((data_object *)self)->bytes = bytes;
	return self;
}

static PyObject *data_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"value", NULL};
	PyObject *v = Py_None;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:Data", names, &v))
		return NULL;
	return data_new(type, encode_bytes(v));
}

static void data_dealloc(PyObject *self)
{
	Py_CLEAR(((data_object *)self)->bytes);
	plain_dealloc(self);
}

static reader open_data(PyObject *self)
{
	PyObject *bytes = ((data_object *)self)->bytes;
	const uint8_t *p = (const uint8_t *)PyBytes_AsString(bytes);
	reader r = {p, p + PyBytes_Size(bytes), p};

	return r;
}

static PyObject *data_type(PyObject *self, PyObject *unused)
{
	(void)unused;
	return hooked(native.hook.data_type, PyLong_FromLong(*open_data(self).p));
}

// content answers where the content of a value of that type is, or NULL with
// the reference's exception.
static const uint8_t *content(PyObject *self, int tag)
{
	reader r = open_data(self);

	if (*r.p == tag)
		return r.p + 1;
	PyErr_SetString(PyExc_RuntimeError, "bad variant access");
	return NULL;
}

#define ACCESSOR(name, tag, result)                                     \
	static PyObject *name(PyObject *self, PyObject *unused)         \
	{                                                               \
		const uint8_t *p = content(self, tag);                  \
                                                                        \
		(void)unused;                                           \
		return p == NULL ? NULL : (result);                     \
	}

ACCESSOR(as_boolean, TAG_BOOLEAN, PyBool_FromLong(*p))
ACCESSOR(as_count, TAG_COUNT, PyLong_FromUnsignedLongLong(load64(p)))
ACCESSOR(as_integer, TAG_INTEGER, PyLong_FromLongLong((int64_t)load64(p)))
ACCESSOR(as_real, TAG_REAL, PyFloat_FromDouble(real_from_wire(load64(p))))
ACCESSOR(as_address, TAG_ADDRESS, address_new(native.address, p))
ACCESSOR(as_subnet, TAG_SUBNET, subnet_new(native.subnet, p, p[16]))
ACCESSOR(as_port, TAG_PORT, port_new(native.port, (unsigned)p[0] << 8 | p[1], p[2]))
ACCESSOR(as_timestamp, TAG_TIMESTAMP, PyFloat_FromDouble((double)(int64_t)load64(p) / 1e9))
ACCESSOR(as_timespan, TAG_TIMESPAN, PyFloat_FromDouble((double)(int64_t)load64(p) / 1e9))

static PyObject *as_none(PyObject *self, PyObject *unused)
{
	(void)unused;
	if (content(self, TAG_NONE) == NULL)
		return NULL;
	return none();
}

static PyObject *text_of(PyObject *self, int tag)
{
	reader r = open_data(self);
	uint32_t n = 0;

	r.p = content(self, tag);
	if (r.p == NULL)
		return NULL;
	read_size(&r, &n);
	return tag == TAG_ENUM ? enum_new(native.enumv, r.p, n) : PyBytes_FromStringAndSize((const char *)r.p, (Py_ssize_t)n);
}

static PyObject *as_string(PyObject *self, PyObject *unused)
{
	(void)unused;
	return text_of(self, TAG_STRING);
}

static PyObject *as_enum_value(PyObject *self, PyObject *unused)
{
	(void)unused;
	return text_of(self, TAG_ENUM);
}

// next_data cuts the value at r.
static PyObject *next_data(reader *r)
{
	const uint8_t *begin = r->p;

	if (skip_value(r, 0) < 0)
		return NULL;
	return data_new(native.data, PyBytes_FromStringAndSize((const char *)begin, (Py_ssize_t)(r->p - begin)));
}

// items is a list of what a container holds: Data, or pairs of Data.
static PyObject *items(PyObject *self, int tag)
{
	reader r = open_data(self);
	uint32_t n = 0;
	PyObject *list = NULL, *item, *value;
	int result;

	r.p = content(self, tag);
	if (r.p != NULL && read_size(&r, &n) == 0)
		list = PyList_New(0);
	for (; list != NULL && n > 0; n--) {
		item = next_data(&r);
		if (item != NULL && tag == TAG_TABLE) {
			value = next_data(&r);
			item = value != NULL ? Py_BuildValue("(NN)", item, value) : (Py_DECREF(item), NULL);
		}
		result = item != NULL ? PyList_Append(list, item) : -1;
		Py_XDECREF(item);
		if (result < 0)
			Py_CLEAR(list);
	}
	return list;
}

static PyObject *as_set(PyObject *self, PyObject *unused)
{
	(void)unused;
	return hooked(native.hook.as_set, items(self, TAG_SET));
}

static PyObject *as_table(PyObject *self, PyObject *unused)
{
	(void)unused;
	return hooked(native.hook.as_table, items(self, TAG_TABLE));
}

static PyObject *as_vector(PyObject *self, PyObject *unused)
{
	(void)unused;
	return hooked(native.hook.as_vector, items(self, TAG_VECTOR));
}

static PyObject *from_py(PyObject *class, PyObject *value)
{
	return data_new((PyTypeObject *)class, encode_bytes(value));
}

static PyObject *to_py(PyObject *ignored, PyObject *value)
{
	PyObject *bytes;

	(void)ignored;
	if (!PyObject_TypeCheck(value, native.data)) {
		PyErr_Format(PyExc_TypeError, "to_py() needs Data, not %R", (PyObject *)Py_TYPE(value));
		return NULL;
	}
	bytes = ((data_object *)value)->bytes;
	return decode_whole(PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes), 0);
}

static PyObject *to_bytes(PyObject *self, PyObject *unused)
{
	PyObject *bytes = ((data_object *)self)->bytes;

	(void)unused;
	Py_INCREF(bytes);
	return bytes;
}

static PyObject *from_bytes(PyObject *class, PyObject *bytes)
{
	PyObject *args = PyTuple_Pack(2, class, bytes), *result;

	if (args == NULL)
		return NULL;
	result = bm_restore(NULL, args);
	Py_DECREF(args);
	return result;
}

static PyObject *data_str(PyObject *self)
{
	reader r = open_data(self);
	buf text = {NULL, 0, 0};
	PyObject *result = NULL;

	if (render_value(&r, &text, 0) == 0)
		result = PyUnicode_DecodeUTF8((char *)text.p, (Py_ssize_t)text.len, NULL);
	buf_free(&text);
	return result;
}

static PyObject *data_repr(PyObject *self)
{
	static const char *names[] = {"none", "boolean", "count", "integer", "real", "string", "address", "subnet", "port",
		"timestamp", "timespan", "enum value", "set", "table", "vector"};
	reader r = open_data(self);
	const char *name = names[*r.p];
	buf text = {NULL, 0, 0};
	PyObject *shown = NULL, *result = NULL;

	if (render_value(&r, &text, 0) == 0)
		shown = PyUnicode_DecodeUTF8((char *)text.p, (Py_ssize_t)text.len, "backslashreplace");
	if (shown != NULL)
		result = PyUnicode_FromFormat("<Data %s: %U>", name, shown);
	Py_XDECREF(shown);
	buf_free(&text);
	return result;
}

// The hash of what equal values have in common: both zeros are equal.
static Py_hash_t data_hash(PyObject *self)
{
	static const uint8_t minus_zero[9] = {TAG_REAL, 0x80};
	reader r = open_data(self);
	size_t n = (size_t)(r.end - r.p), i;
	Py_hash_t h;
	buf copy = {NULL, 0, 0};

	for (i = 0; i + 9 <= n && memcmp(r.p + i, minus_zero, 9) != 0; i++)
		;
	if (i + 9 > n)
		return PyObject_Hash(((data_object *)self)->bytes);
	if (buf_put(&copy, r.p, n) < 0)
		return -1;
	// Where these bytes are no real, they are the same in all equal values.
	for (; i + 9 <= n; i++) {
		if (memcmp(copy.p + i, minus_zero, 9) == 0)
			copy.p[i + 1] = 0;
	}
	h = hash_of(copy.p, n);
	buf_free(&copy);
	return h;
}

static PyObject *data_compare(PyObject *a, PyObject *b, int op)
{
	reader x, y;

	if (!PyObject_TypeCheck(a, native.data) || !PyObject_TypeCheck(b, native.data)) {
		Py_INCREF(Py_NotImplemented);
		return Py_NotImplemented;
	}
	x = open_data(a);
	y = open_data(b);
	return rich_result(compare_values(&x, &y), op);
}

#define AS(name, doc) {#name, name, METH_NOARGS, #name "($self)\n--\n\n" doc "; RuntimeError if this is of another type."}

static PyMethodDef data_methods[] = {
	{"get_type", data_type, METH_NOARGS, "get_type($self)\n--\n\nThe type of the value."},
	AS(as_none, "None"),
	AS(as_boolean, "The boolean"),
	AS(as_count, "The count, as an int"),
	AS(as_integer, "The integer"),
	AS(as_real, "The real"),
	AS(as_string, "The bytes of the string"),
	AS(as_address, "The Address"),
	AS(as_subnet, "The Subnet"),
	AS(as_port, "The Port"),
	AS(as_timestamp, "The seconds since 1970, as a float"),
	AS(as_timespan, "The seconds, as a float"),
	AS(as_enum_value, "The Enum"),
	AS(as_set, "The Set"),
	AS(as_table, "The Table"),
	AS(as_vector, "The Vector"),
	{"from_py", from_py, METH_O | METH_CLASS, "from_py($type, value, /)\n--\n\nData of a Python object."},
	{"to_py", to_py, METH_O | METH_STATIC, "to_py(data, /)\n--\n\nThe Python object of Data."},
	{"to_bytes", to_bytes, METH_NOARGS, "to_bytes($self)\n--\n\nThe value in Broker's binary encoding."},
	{"from_bytes", from_bytes, METH_O | METH_CLASS, "from_bytes($type, encoded, /)\n--\n\nData of its binary encoding; ValueError if it is none."},
	{"__reduce__", bm_reduce, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot data_slots[] = {
	{Py_tp_doc, "Data(value=None)\n--\n\nAny value of Broker's data model. Values of all types have one order."},
	{Py_tp_new, data_make},
	{Py_tp_dealloc, data_dealloc},
	{Py_tp_str, data_str},
	{Py_tp_repr, data_repr},
	{Py_tp_hash, data_hash},
	{Py_tp_richcompare, data_compare},
	{Py_tp_methods, data_methods},
	{0, NULL},
};

PyType_Spec data_spec = {"broker._native.Data", sizeof(data_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, data_slots};
