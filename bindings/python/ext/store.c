// SPDX-License-Identifier: Apache-2.0
//
// Store: reads, writes and the operations of a data store.

#include "library.h"

typedef struct {
	handle_object base;
	PyObject *name;
} store_object;

static int store_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"endpoint", "master", "name", "options", NULL};
	handle_object *ep;
	store_object *s = (store_object *)self;
	PyObject *endpoint, *name, *options = NULL, *hold = NULL, *old;
	const char *text;
	Py_ssize_t n;
	bm_bytes err = {NULL, 0};
	bm_handle h, owner;
	buf b = {NULL, 0, 0};
	int master, code = -1;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "OpU|O:Store", names, &endpoint, &master, &name, &options) ||
	    (ep = endpoint_arg(endpoint)) == NULL || utf8(name, &text, &n, &hold) < 0)
		return -1;
	if (options == NULL || options == Py_None || encode_into(&b, options) == 0) {
		owner = ep->h;
		Py_BEGIN_ALLOW_THREADS
		code = lib.store(owner, master, text, (size_t)n, b.p, b.len, &h, &err);
		Py_END_ALLOW_THREADS
		if (code != 0)
			fail_code(code, &err);
	}
	buf_free(&b);
	Py_XDECREF(hold);
	if (code != 0)
		return -1;
	handle_clear(self);
	s->base.h = h;
	Py_INCREF(endpoint);
	s->base.owner = endpoint;
	old = s->name;
	Py_INCREF(name);
	s->name = name;
	Py_XDECREF(old);
	return 0;
}

static PyObject *read_now(handle_object *st, const char *op, const buf *b, int64_t deadline)
{
	bm_bytes out = {NULL, 0}, err = {NULL, 0};
	bm_handle h = st->h;
	int code = lib.store_read(h, op, b->p, b->len, 0, &out, &err);

	while (code == BM_AGAIN && monotonic() < deadline) {
		lib.free(err.data);
		err.data = NULL;
		err.len = 0;
		Py_BEGIN_ALLOW_THREADS
		code = lib.store_read(h, op, b->p, b->len, SLICE_NS, &out, &err);
		Py_END_ALLOW_THREADS
		if (PyErr_CheckSignals() < 0) {
			lib.free(out.data);
			lib.free(err.data);
			return NULL;
		}
	}
	return code == 0 ? decode_result(&out) : fail_code(code, &err);
}

static PyObject *store_read(PyObject *self, PyObject *args, PyObject *keywords)
{
	PyObject *timeout = keywords != NULL ? PyDict_GetItemString(keywords, "timeout") : NULL, *hold = NULL, *result = NULL;
	const char *op;
	int64_t deadline;
	buf *b;

	if (keywords != NULL && PyDict_Size(keywords) != (timeout != NULL)) {
		PyErr_SetString(PyExc_TypeError, "read() takes no keyword argument but timeout");
		return NULL;
	}
	if (handle_usable(self) < 0 || deadline_of(timeout, &deadline) < 0 || operation(args, &op, &hold) < 0)
		return NULL;
	b = scratch_take();
	if (b != NULL && put_arguments(b, args, 1, -1) == 0)
		result = read_now((handle_object *)self, op, b, deadline);
	if (b != NULL)
		scratch_give(b);
	Py_XDECREF(hold);
	return result;
}

static int write_now(handle_object *st, const char *op, const buf *b)
{
	bm_bytes err = {NULL, 0};
	bm_handle h = st->h;
	int code = lib.store_write(h, op, b->p, b->len, 0, &err);

	while (code == BM_AGAIN) {
		lib.free(err.data);
		err.data = NULL;
		err.len = 0;
		if (PyErr_CheckSignals() < 0)
			return -1;
		Py_BEGIN_ALLOW_THREADS
		code = lib.store_write(h, op, b->p, b->len, SLICE_NS, &err);
		Py_END_ALLOW_THREADS
	}
	if (code != 0)
		return fail_code(code, &err), -1;
	return 0;
}

static PyObject *store_write(PyObject *self, PyObject *args)
{
	PyObject *hold = NULL;
	const char *op;
	int result = -1;
	buf *b;

	if (handle_usable(self) < 0 || operation(args, &op, &hold) < 0)
		return NULL;
	b = scratch_take();
	if (b != NULL && put_arguments(b, args, 1, expiry_position(op)) == 0)
		result = write_now((handle_object *)self, op, b);
	if (b != NULL)
		scratch_give(b);
	Py_XDECREF(hold);
	if (result < 0)
		return NULL;
	return none();
}

// stream_of runs an operation that answers a handle to take items from.
static PyObject *stream_of(PyObject *self, PyObject *args)
{
	PyObject *answer = args != NULL ? call_run((handle_object *)self, args, NULL, 0) : NULL;
	bm_handle h = 0;

	Py_XDECREF(args);
	if (answer == NULL)
		return NULL;
	if (PyObject_TypeCheck(answer, native.count))
		h = ((count_object *)answer)->value;
	Py_DECREF(answer);
	return stream_new_from(self, h);
}

static PyObject *store_entries(PyObject *self, PyObject *unused)
{
	(void)unused;
	return stream_of(self, Py_BuildValue("(s)", "entries"));
}

static PyObject *store_watch(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"key", "after", NULL};
	PyObject *key = Py_None, *after = Py_None, *number;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:watch", names, &key, &after))
		return NULL;
	if (!PyLong_Check(after)) {
		Py_INCREF(after);
		number = after;
	} else {
		number = PyObject_CallFunctionObjArgs((PyObject *)native.count, after, NULL);
	}
	return number != NULL ? stream_of(self, Py_BuildValue("(sON)", "watch", key, number)) : NULL;
}

static PyObject *store_name(PyObject *self, PyObject *unused)
{
	PyObject *name = ((store_object *)self)->name;

	(void)unused;
	if (lib.forked && handle_usable(self) < 0)
		return NULL;
	if (name == NULL || ((handle_object *)self)->h == 0)
		return PyUnicode_FromString("");
	Py_INCREF(name);
	return name;
}

static int store_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(((store_object *)self)->name);
	return handle_traverse(self, visit, arg);
}

static int store_clear(PyObject *self)
{
	handle_clear(self);
	Py_CLEAR(((store_object *)self)->name);
	return 0;
}

static void store_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	store_clear(self);
	plain_dealloc(self);
}

#define KEYWORDS(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef store_methods[] = {
	{"read", KEYWORDS(store_read), METH_VARARGS | METH_KEYWORDS,
	 "read($self, operation, /, *args, timeout=None)\n--\n\nRead: get, exists, index, keys, size or status."},
	{"write", store_write, METH_VARARGS,
	 "write($self, operation, /, *args)\n--\n\nWrite without waiting until it is done: put, erase, clear, increment and so on. An expiry is in seconds."},
	{"start", handle_start, METH_VARARGS, "start($self, operation, /, *args)\n--\n\nBegin an operation of the library; answers a Call."},
	{"call", KEYWORDS(handle_call), METH_VARARGS | METH_KEYWORDS,
	 "call($self, operation, /, *args, timeout=None)\n--\n\nCarry an operation of the library out and answer its outcome."},
	{"query", handle_query, METH_VARARGS, "query($self, operation, /, *args)\n--\n\nAsk what the library knows at once."},
	{"entries", store_entries, METH_NOARGS, "entries($self)\n--\n\nA Stream of all entries: (key, value, time left or None)."},
	{"watch", KEYWORDS(store_watch), METH_VARARGS | METH_KEYWORDS,
	 "watch($self, key=None, after=None)\n--\n\nA Stream of changes: (kind, key, old, new, number), of one key or all, from now on or behind a number."},
	{"name", store_name, METH_NOARGS, "name($self)\n--\n\nThe store's name; empty after close()."},
	{"close", handle_end, METH_NOARGS, "close($self)\n--\n\nDrop the handle. The store goes on until its endpoint ends."},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot store_slots[] = {
	{Py_tp_doc, "Store(endpoint, master, name, options=None)\n--\n\nA handle of a data store's master or clone on an endpoint."},
	{Py_tp_init, store_init},
	{Py_tp_dealloc, store_dealloc},
	{Py_tp_traverse, store_traverse},
	{Py_tp_clear, store_clear},
	{Py_tp_methods, store_methods},
	{0, NULL},
};

PyType_Spec store_spec = {"broker._native.Store", sizeof(store_object), 0,
	Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, store_slots};
