// SPDX-License-Identifier: Apache-2.0
//
// Timespan and Timestamp, in nanoseconds. Arithmetic that 64 bits cannot hold
// raises OverflowError; division rounds towards zero.

#include "native.h"

static PyObject *not_implemented(void)
{
	Py_INCREF(Py_NotImplemented);
	return Py_NotImplemented;
}

static int64_t ns_of(PyObject *self)
{
	return ((time_object *)self)->ns;
}

static int is_span(PyObject *v)
{
	return PyObject_TypeCheck(v, native.timespan);
}

PyObject *time_new(PyTypeObject *type, int64_t ns)
{
	PyObject *self = PyType_GenericAlloc(type, 0);

	if (self != NULL)
		((time_object *)self)->ns = ns;
	return self;
}

// nanoseconds reads an int of 64 bits.
static int nanoseconds(PyObject *v, int64_t *ns)
{
	long long n = PyLong_AsLongLong(v);

	*ns = n;
	return n == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *timespan_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"value", NULL};
	PyObject *v = NULL;
	int64_t ns = 0;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:Timespan", names, &v))
		return NULL;
	if (v != NULL && PyLong_Check(v)) {
		if (nanoseconds(v, &ns) < 0)
			return NULL;
	} else if (v != NULL && PyObject_TypeCheck(v, &PyFloat_Type)) {
		if (ns_of_seconds(PyFloat_AsDouble(v), &ns) < 0)
			return NULL;
	} else if (v != NULL) {
		PyErr_Format(PyExc_TypeError, "Timespan needs nanoseconds as int or seconds as float, not %R", (PyObject *)Py_TYPE(v));
		return NULL;
	}
	return time_new(type, ns);
}

static PyObject *timestamp_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"value", NULL};
	PyObject *v = NULL;
	int64_t ns = 0;
	double seconds;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:Timestamp", names, &v))
		return NULL;
	if (v != NULL && is_span(v)) {
		ns = ns_of(v);
	} else if (v != NULL && (PyLong_Check(v) || PyObject_TypeCheck(v, &PyFloat_Type))) {
		seconds = PyFloat_AsDouble(v);
		if ((seconds == -1 && PyErr_Occurred()) || ns_of_seconds(seconds, &ns) < 0)
			return NULL;
	} else if (v != NULL) {
		PyErr_Format(PyExc_TypeError, "Timestamp needs a Timespan or seconds as float, not %R", (PyObject *)Py_TYPE(v));
		return NULL;
	}
	return time_new(type, ns);
}

static PyObject *overflow(void)
{
	PyErr_SetString(PyExc_OverflowError, "time does not fit 64 bits of nanoseconds");
	return NULL;
}

static PyObject *timespan_add(PyObject *a, PyObject *b)
{
	int64_t ns;

	if (!is_span(a) || !is_span(b))
		return not_implemented();
	return __builtin_add_overflow(ns_of(a), ns_of(b), &ns) ? overflow() : time_new(native.timespan, ns);
}

static PyObject *timespan_subtract(PyObject *a, PyObject *b)
{
	int64_t ns;

	if (!is_span(a) || !is_span(b))
		return not_implemented();
	return __builtin_sub_overflow(ns_of(a), ns_of(b), &ns) ? overflow() : time_new(native.timespan, ns);
}

static PyObject *timespan_multiply(PyObject *a, PyObject *b)
{
	PyObject *span = is_span(a) ? a : b, *number = is_span(a) ? b : a;
	int64_t n, ns;

	if (!PyLong_Check(number))
		return not_implemented();
	if (nanoseconds(number, &n) < 0)
		return NULL;
	return __builtin_mul_overflow(ns_of(span), n, &ns) ? overflow() : time_new(native.timespan, ns);
}

// divisor reads what a Timespan is divided by: 1 if it can be done, 0 if it is
// of a wrong type, -1 with an exception.
static int divisor(PyObject *a, PyObject *b, int64_t *n)
{
	if (!is_span(a) || (!is_span(b) && !PyLong_Check(b)))
		return 0;
	*n = is_span(b) ? ns_of(b) : 0;
	if (!is_span(b) && nanoseconds(b, n) < 0)
		return -1;
	if (*n == 0) {
		PyErr_SetString(PyExc_ZeroDivisionError, "division of a Timespan by zero");
		return -1;
	}
	return 1;
}

static PyObject *timespan_divide(PyObject *a, PyObject *b)
{
	int64_t n;
	int can = divisor(a, b, &n);

	if (can <= 0)
		return can == 0 ? not_implemented() : NULL;
	if (ns_of(a) == INT64_MIN && n == -1)
		return overflow();
	return is_span(b) ? PyLong_FromLongLong(ns_of(a) / n) : time_new(native.timespan, ns_of(a) / n);
}

static PyObject *timespan_remainder(PyObject *a, PyObject *b)
{
	int64_t n;
	int can = divisor(a, b, &n);

	if (can <= 0)
		return can == 0 ? not_implemented() : NULL;
	return time_new(native.timespan, n == -1 ? 0 : ns_of(a) % n);
}

static PyObject *timespan_count(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyLong_FromLongLong(ns_of(self));
}

static PyObject *timestamp_since_epoch(PyObject *self, PyObject *unused)
{
	(void)unused;
	return time_new(native.timespan, ns_of(self));
}

static PyObject *timespan_repr(PyObject *self)
{
	return PyUnicode_FromFormat("%lldns", (long long)ns_of(self));
}

static PyObject *timestamp_repr(PyObject *self)
{
	return PyUnicode_FromFormat("%lld", (long long)ns_of(self));
}

static Py_hash_t time_hash(PyObject *self)
{
	Py_hash_t h = (Py_hash_t)ns_of(self);

	return h == -1 ? -2 : h;
}

static PyObject *time_compare(PyTypeObject *type, PyObject *a, PyObject *b, int op)
{
	if (!PyObject_TypeCheck(a, type) || !PyObject_TypeCheck(b, type))
		return not_implemented();
	return rich_result((ns_of(a) > ns_of(b)) - (ns_of(a) < ns_of(b)), op);
}

static PyObject *timespan_compare(PyObject *a, PyObject *b, int op)
{
	return time_compare(native.timespan, a, b, op);
}

static PyObject *timestamp_compare(PyObject *a, PyObject *b, int op)
{
	return time_compare(native.timestamp, a, b, op);
}

static PyMethodDef timespan_methods[] = {
	{"count", timespan_count, METH_NOARGS, "count($self)\n--\n\nThe nanoseconds."},
	{"__reduce__", bm_reduce, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot timespan_slots[] = {
	{Py_tp_doc, "Timespan(value=0)\n--\n\nA length of time: nanoseconds as int, or seconds as float."},
	{Py_tp_new, timespan_make},
	{Py_tp_dealloc, plain_dealloc},
	{Py_tp_repr, timespan_repr},
	{Py_tp_hash, time_hash},
	{Py_tp_richcompare, timespan_compare},
	{Py_tp_methods, timespan_methods},
	{Py_nb_add, timespan_add},
	{Py_nb_subtract, timespan_subtract},
	{Py_nb_multiply, timespan_multiply},
	{Py_nb_true_divide, timespan_divide},
	{Py_nb_remainder, timespan_remainder},
	{0, NULL},
};

PyType_Spec timespan_spec = {"broker._native.Timespan", sizeof(time_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, timespan_slots};

static PyMethodDef timestamp_methods[] = {
	{"time_since_epoch", timestamp_since_epoch, METH_NOARGS, "time_since_epoch($self)\n--\n\nThe Timespan since 1970."},
	{"__reduce__", bm_reduce, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot timestamp_slots[] = {
	{Py_tp_doc, "Timestamp(value=0)\n--\n\nA point in time: a Timespan since 1970, or seconds as float."},
	{Py_tp_new, timestamp_make},
	{Py_tp_dealloc, plain_dealloc},
	{Py_tp_repr, timestamp_repr},
	{Py_tp_hash, time_hash},
	{Py_tp_richcompare, timestamp_compare},
	{Py_tp_methods, timestamp_methods},
	{0, NULL},
};

PyType_Spec timestamp_spec = {"broker._native.Timestamp", sizeof(time_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, timestamp_slots};
