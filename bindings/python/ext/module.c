// SPDX-License-Identifier: Apache-2.0
//
// The module broker._native: its functions, its hooks, its initialisation.

#include "library.h"

#include <time.h>

struct native native;

PyObject *hooked(PyObject *hook, PyObject *argument)
{
	PyObject *result;

	if (hook == NULL || argument == NULL)
		return argument;
	result = PyObject_CallFunctionObjArgs(hook, argument, NULL);
	Py_DECREF(argument);
	return result;
}

static PyObject *encode_object(PyObject *module, PyObject *value)
{
	(void)module;
	return encode_bytes(value);
}

static PyObject *decode_object(PyObject *module, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"encoded", "immutable", NULL};
	PyObject *bytes;
	char *p;
	Py_ssize_t n;
	int immutable = 0;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, keywords, "S|p:decode", names, &bytes, &immutable) || PyBytes_AsStringAndSize(bytes, &p, &n) < 0)
		return NULL;
	return decode_whole(p, (size_t)n, immutable);
}

static PyObject *render(PyObject *module, PyObject *bytes)
{
	PyObject *data = PyObject_CallMethod((PyObject *)native.data, "from_bytes", "O", bytes), *text;

	(void)module;
	if (data == NULL)
		return NULL;
	text = PyObject_Str(data);
	Py_DECREF(data);
	return text;
}

static PyObject *now(PyObject *module, PyObject *unused)
{
	struct timespec t;

	(void)module;
	(void)unused;
	clock_gettime(CLOCK_REALTIME, &t);
	return time_new(native.timestamp, (int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static const struct {
	const char *name;
	PyObject **hook;
} hook_names[] = {
	{"frozen_dict", &native.hook.frozen_dict},
	{"data_type", &native.hook.data_type},
	{"port_type", &native.hook.port_type},
	{"as_set", &native.hook.as_set},
	{"as_table", &native.hook.as_table},
	{"as_vector", &native.hook.as_vector},
	{"error", &native.hook.error},
	{"status", &native.hook.status},
};

static int set_hook(PyObject *name, PyObject *value)
{
	PyObject *old;
	size_t i;

	for (i = 0; i < sizeof hook_names / sizeof *hook_names; i++) {
		if (PyUnicode_CompareWithASCIIString(name, hook_names[i].name) != 0)
			continue;
		old = *hook_names[i].hook;
		if (value == Py_None)
			value = NULL;
		Py_XINCREF(value);
		*hook_names[i].hook = value;
		Py_XDECREF(old);
		return 0;
	}
	PyErr_Format(PyExc_TypeError, "set_hooks() knows no hook %R", name);
	return -1;
}

static PyObject *set_hooks(PyObject *module, PyObject *args, PyObject *keywords)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;

	(void)module;
	if (!PyArg_ParseTuple(args, ":set_hooks"))
		return NULL;
	while (keywords != NULL && PyDict_Next(keywords, &position, &name, &value)) {
		if (value != Py_None && !PyCallable_Check(value)) {
			PyErr_Format(PyExc_TypeError, "the hook %U is not callable", name);
			return NULL;
		}
		if (set_hook(name, value) < 0)
			return NULL;
	}
	return none();
}

static PyMethodDef functions[] = {
	{"encode", encode_object, METH_O, "encode(value, /)\n--\n\nThe encoding of a Python object as bytes."},
	{"decode", (PyCFunction)(void (*)(void))decode_object, METH_VARARGS | METH_KEYWORDS,
	 "decode(encoded, immutable=False)\n--\n\nThe Python object of an encoded value; ValueError if it is none."},
	{"render", render, METH_O, "render(encoded, /)\n--\n\nThe text of an encoded value."},
	{"now", now, METH_NOARGS, "now()\n--\n\nThe Timestamp of the wall clock."},
	{"set_hooks", (PyCFunction)(void (*)(void))set_hooks, METH_VARARGS | METH_KEYWORDS,
	 "set_hooks(**hooks)\n--\n\nHand over what the Python side of the package provides; None takes a hook away.\n\n"
	 "frozen_dict: the class of immutable tables, a subclass of dict.\n"
	 "data_type, port_type: called with the number that get_type() would answer.\n"
	 "as_set, as_vector: called with a list of Data. as_table: with a list of pairs of Data.\n"
	 "error: called with a code and a text, answers an exception.\n"
	 "status: called with kind, code, context, message and text, answers what status subscribers deliver."},
	{"_restore", bm_restore, METH_VARARGS, "_restore(cls, encoded, /)\n--\n\nWhat pickled values are made with."},
	{NULL, NULL, 0, NULL},
};

static int refuse(const char *why)
{
	PyErr_SetString(PyExc_ImportError, why);
	return -1;
}

static int fill(PyObject *module)
{
	if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0)
		return refuse("broker cannot be used in a sub-interpreter: its library serves one interpreter per process");
	if (native.data != NULL)
		return refuse("broker._native is loaded already and cannot be loaded twice");
	utf8_init();
	if (times_init() < 0 ||
	    add_type(module, &data_spec, &native.data) < 0 || add_type(module, &count_spec, &native.count) < 0 ||
	    add_type(module, &enum_spec, &native.enumv) < 0 || add_type(module, &port_spec, &native.port) < 0 ||
	    add_type(module, &address_spec, &native.address) < 0 || add_type(module, &subnet_spec, &native.subnet) < 0 ||
	    add_type(module, &timespan_spec, &native.timespan) < 0 || add_type(module, &timestamp_spec, &native.timestamp) < 0 ||
	    handles_init(module) < 0)
		return -1;
	native.restore = PyObject_GetAttrString(module, "_restore");
	native.method = PyUnicode_InternFromString("__broker_data__");
	return native.restore != NULL && native.method != NULL ? 0 : -1;
}

static PyModuleDef_Slot slots[] = {
	{Py_mod_exec, fill},
	{0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	"broker._native",
	"What of broker is written in C: the conversion of values, and endpoints, subscribers and stores.",
	0,
	functions,
	slots,
	NULL,
	NULL,
	NULL,
};

// A Python without the lock lays out objects in another way than this binary
// expects. So nothing is touched before that is ruled out.
static int has_lock(void)
{
	PyObject *flags = PySys_GetObject("abiflags");

	return flags == NULL || PyUnicode_FindChar(flags, 't', 0, PyUnicode_GetLength(flags), 1) < 0;
}

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
{
	if (!has_lock()) {
		refuse("broker does not support the free-threaded builds of Python; use one with the global interpreter lock");
		return NULL;
	}
	return PyModuleDef_Init(&definition);
}
