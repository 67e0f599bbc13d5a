// SPDX-License-Identifier: Apache-2.0
//
// Count, an unsigned number of 64 bits, and Enum, the name of an enum's value.

#include "native.h"

// Counts this small are made once.
#define SHARED 16
static PyObject *shared[SHARED];

PyObject *count_new(PyTypeObject *type, uint64_t v)
{
	PyObject *self;

	if (v < SHARED && type == native.count && shared[v] != NULL) {
		Py_INCREF(shared[v]);
		return shared[v];
	}
	self = PyType_GenericAlloc(type, 0);
	if (self == NULL)
		return NULL;
	((count_object *)self)->value = v;
	if (v < SHARED && type == native.count) {
		Py_INCREF(self);
		shared[v] = self;
	}
	return self;
}

static PyObject *count_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"value", NULL};
	PyObject *v;
	uint64_t n;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:Count", names, &v))
		return NULL;
	if (!PyLong_Check(v)) {
		PyErr_Format(PyExc_TypeError, "Count needs an int, not %R", (PyObject *)Py_TYPE(v));
		return NULL;
	}
	n = PyLong_AsUnsignedLongLong(v);
	if (n == (uint64_t)-1 && PyErr_Occurred()) {
		if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
			PyErr_Clear();
			PyErr_Format(PyExc_OverflowError, "%R does not fit a count: 0 to 2**64-1", v);
		}
		return NULL;
	}
	return count_new(type, n);
}

static PyObject *count_value(PyObject *self, void *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLongLong(((count_object *)self)->value);
}

static PyObject *count_str(PyObject *self)
{
	return PyUnicode_FromFormat("%llu", (unsigned long long)((count_object *)self)->value);
}

static PyObject *count_repr(PyObject *self)
{
	return PyUnicode_FromFormat("Count(%llu)", (unsigned long long)((count_object *)self)->value);
}

// The hash of the number itself.
static Py_hash_t count_hash(PyObject *self)
{
	return (Py_hash_t)(((count_object *)self)->value % ((UINT64_C(1) << 61) - 1));
}

static PyObject *count_compare(PyObject *a, PyObject *b, int op)
{
	uint64_t x, y;

	if (!PyObject_TypeCheck(a, native.count) || !PyObject_TypeCheck(b, native.count)) {
		Py_INCREF(Py_NotImplemented);
		return Py_NotImplemented;
	}
	x = ((count_object *)a)->value;
	y = ((count_object *)b)->value;
	return rich_result((x > y) - (x < y), op);
}

static PyMethodDef count_methods[] = {
	{"__reduce__", bm_reduce, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef count_members[] = {
	{"value", count_value, NULL, "The number, as an int.", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot count_slots[] = {
	{Py_tp_doc, "Count(value)\n--\n\nAn unsigned number of 64 bits. It equals Counts only, never an int."},
	{Py_tp_new, count_make},
	{Py_tp_dealloc, plain_dealloc},
	{Py_tp_str, count_str},
	{Py_tp_repr, count_repr},
	{Py_tp_hash, count_hash},
	{Py_tp_richcompare, count_compare},
	{Py_tp_methods, count_methods},
	{Py_tp_getset, count_members},
	{0, NULL},
};

PyType_Spec count_spec = {"broker._native.Count", sizeof(count_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, count_slots};

PyObject *enum_new(PyTypeObject *type, const uint8_t *p, size_t n)
{
	PyObject *name = PyUnicode_DecodeUTF8((const char *)p, (Py_ssize_t)n, "surrogateescape"), *self;

	if (name == NULL)
		return NULL;
	self = PyType_GenericAlloc(type, 0);
	if (self == NULL) {
		Py_DECREF(name);
		return NULL;
	}
	((enum_object *)self)->name = name;
	return self;
}

static int enum_set_name(PyObject *self, PyObject *name, void *unused)
{
	enum_object *e = (enum_object *)self;
	PyObject *old = e->name;

	(void)unused;
	if (name == NULL || !PyUnicode_Check(name)) {
		PyErr_SetString(PyExc_TypeError, "the name of an Enum is a str");
		return -1;
	}
	Py_INCREF(name);
	e->name = name;
	Py_XDECREF(old);
	return 0;
}

static PyObject *enum_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"name", NULL};
	PyObject *name, *self;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:Enum", names, &name))
		return NULL;
	self = PyType_GenericAlloc(type, 0);
	if (self != NULL && enum_set_name(self, name, NULL) < 0)
		Py_CLEAR(self);
	return self;
}

static void enum_dealloc(PyObject *self)
{
	Py_CLEAR(((enum_object *)self)->name);
	plain_dealloc(self);
}

static PyObject *enum_name(PyObject *self, void *unused)
{
	PyObject *name = ((enum_object *)self)->name;

	(void)unused;
	Py_INCREF(name);
	return name;
}

static PyObject *enum_repr(PyObject *self)
{
	return enum_name(self, NULL);
}

static Py_hash_t enum_hash(PyObject *self)
{
	return PyObject_Hash(((enum_object *)self)->name);
}

static PyObject *enum_compare(PyObject *a, PyObject *b, int op)
{
	if (!PyObject_TypeCheck(a, native.enumv) || !PyObject_TypeCheck(b, native.enumv)) {
		Py_INCREF(Py_NotImplemented);
		return Py_NotImplemented;
	}
	return PyObject_RichCompare(((enum_object *)a)->name, ((enum_object *)b)->name, op);
}

static PyGetSetDef enum_members[] = {
	{"name", enum_name, enum_set_name, "The name, which can be changed.", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot enum_slots[] = {
	{Py_tp_doc, "Enum(name)\n--\n\nThe value of an enumeration: a name, which never equals a str."},
	{Py_tp_new, enum_make},
	{Py_tp_dealloc, enum_dealloc},
	{Py_tp_repr, enum_repr},
	{Py_tp_hash, enum_hash},
	{Py_tp_richcompare, enum_compare},
	{Py_tp_methods, count_methods},
	{Py_tp_getset, enum_members},
	{0, NULL},
};

PyType_Spec enum_spec = {"broker._native.Enum", sizeof(enum_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, enum_slots};
