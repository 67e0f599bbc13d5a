// SPDX-License-Identifier: Apache-2.0
//
// Call: an operation of the library that takes time.

#include "library.h"

// call_object. After the end value is the outcome, or code and message say
// what failed.
typedef struct {
	handle_object base;
	PyObject *value, *failure;
} call_object;

PyObject *decode_result(bm_bytes *bytes)
{
	PyObject *value;

	if (bytes->data == NULL)
		return none();
	value = decode_whole(bytes->data, bytes->len, 0);
	lib.free(bytes->data);
	bytes->data = NULL;
	return value;
}

// start begins an operation and answers the library's result.
static int start(handle_object *target, PyObject *args, int with_expiry, bm_handle *call, int *fd)
{
	const char *op;
	PyObject *hold = NULL;
	bm_bytes err = {NULL, 0};
	buf *b;
	int code = -1;

	if (handle_usable(target) < 0 || operation(args, &op, &hold) < 0)
		return -1;
	b = scratch_take();
	if (b != NULL && put_arguments(b, args, 1, with_expiry ? expiry_position(op) : -1) == 0) {
		Py_BEGIN_ALLOW_THREADS
		code = lib.start(target->h, op, b->p, b->len, call, fd, &err);
		Py_END_ALLOW_THREADS
		if (code != 0)
			fail_code(code, &err);
	}
	if (b != NULL)
		scratch_give(b);
	Py_XDECREF(hold);
	return PyErr_Occurred() ? -1 : code;
}

PyObject *call_start(handle_object *target, PyObject *args, int with_expiry)
{
	call_object *self = (call_object *)PyType_GenericAlloc(handles.call, 0);

	if (self == NULL)
		return NULL;
	self->base.fd = -1;
	if (start(target, args, with_expiry, &self->base.h, &self->base.fd) < 0) {
		Py_DECREF(self);
		return NULL;
	}
	Py_INCREF(target);
	self->base.owner = (PyObject *)target;
	return (PyObject *)self;
}

// finish keeps the outcome if there is one: 1 over, 0 not yet, -1 exception.
static int finish(call_object *self)
{
	bm_bytes out = {NULL, 0}, err = {NULL, 0};
	int code;
	PyObject *type, *trace;

	if (self->value != NULL || self->failure != NULL)
		return 1;
	if (handle_usable(self) < 0)
		return -1;
	code = lib.result(self->base.h, &out, &err);
	if (code == BM_AGAIN) {
		lib.free(err.data);
		return 0;
	}
	self->base.h = 0;   // the library has ended it
	self->base.fd = -1;
	if (code == 0)
		self->value = decode_result(&out);
	else
		fail_code(code, &err);
	if (self->value == NULL) {
		PyErr_Fetch(&type, &self->failure, &trace);
		PyErr_NormalizeException(&type, &self->failure, &trace);
		Py_XDECREF(type);
		Py_XDECREF(trace);
	}
	return 1;
}

static PyObject *outcome(call_object *self)
{
	if (self->failure != NULL) {
		PyErr_SetObject((PyObject *)Py_TYPE(self->failure), self->failure);
		return NULL;
	}
	Py_INCREF(self->value);
	return self->value;
}

static PyObject *await_outcome(call_object *self, int64_t deadline)
{
	int over, ready;

	for (;;) {
		over = finish(self);
		if (over != 0)
			return over > 0 ? outcome(self) : NULL;
		ready = wait_fd(self->base.fd, deadline);
		if (ready < 0)
			return NULL;
		if (ready == 0)
			return fail_code(BM_AGAIN, NULL);
	}
}

static void give_up(call_object *self)
{
	bm_handle h = self->base.h;

	self->base.h = 0;
	self->base.fd = -1;
	if (h != 0 && !lib.forked)
		lib.cancel(h);
}

PyObject *call_run(handle_object *target, PyObject *args, PyObject *timeout, int with_expiry)
{
	int64_t deadline;
	call_object *call;
	PyObject *result;

	if (deadline_of(timeout, &deadline) < 0)
		return NULL;
	call = (call_object *)call_start(target, args, with_expiry);
	if (call == NULL)
		return NULL;
	result = await_outcome(call, deadline);
	give_up(call);
	Py_DECREF(call);
	return result;
}

static PyObject *call_fileno(PyObject *self, PyObject *unused)
{
	(void)unused;
	return handle_usable(self) < 0 ? NULL : PyLong_FromLong(((handle_object *)self)->fd);
}

static PyObject *call_done(PyObject *self, PyObject *unused)
{
	int over;

	(void)unused;
	if (((handle_object *)self)->h == 0)
		return PyBool_FromLong(1);
	over = finish((call_object *)self);
	return over < 0 ? NULL : PyBool_FromLong(over);
}

static PyObject *call_result(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"timeout", NULL};
	PyObject *timeout = NULL;
	int64_t deadline;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:result", names, &timeout) || deadline_of(timeout, &deadline) < 0)
		return NULL;
	return await_outcome((call_object *)self, deadline);
}

// Calls that go on without anybody who waits for them. The library ends what
// is given up, so they are kept until they are over, and looked through when
// the next one comes.
static PyObject *detached;

static PyObject *call_detach(PyObject *self, PyObject *unused)
{
	PyObject *kept = PyList_New(0), *old = detached, *call;
	Py_ssize_t i, n = old != NULL ? PyList_Size(old) : 0;
	int over;

	(void)unused;
	if (lib.forked && handle_usable(self) < 0)
		goto failed;
	for (i = 0; kept != NULL && i < n; i++) {
		call = PyList_GetItem(old, i);
		over = finish((call_object *)call);
		if (over < 0)
			PyErr_Clear();
		if (over == 0 && PyList_Append(kept, call) < 0)
			goto failed;
	}
	if (kept == NULL || PyList_Append(kept, self) < 0)
		goto failed;
	detached = kept;
	Py_XDECREF(old);
	return none();
failed:
	Py_XDECREF(kept);
	return NULL;
}

static PyObject *call_cancel(PyObject *self, PyObject *unused)
{
	(void)unused;
	if (lib.forked && handle_usable(self) < 0)
		return NULL;
	give_up((call_object *)self);
	return none();
}

static int call_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(((call_object *)self)->value);
	Py_VISIT(((call_object *)self)->failure);
	return handle_traverse(self, visit, arg);
}

static int call_clear(PyObject *self)
{
	give_up((call_object *)self);
	Py_CLEAR(((call_object *)self)->value);
	Py_CLEAR(((call_object *)self)->failure);
	return handle_clear(self);
}

static void call_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	call_clear(self);
	plain_dealloc(self);
}

static PyMethodDef call_methods[] = {
	{"fileno", call_fileno, METH_NOARGS, "fileno($self)\n--\n\nA descriptor that is readable once the operation is over, until its outcome was asked for."},
	{"done", call_done, METH_NOARGS, "done($self)\n--\n\nWhether the operation is over."},
	{"result", (PyCFunction)(void (*)(void))call_result, METH_VARARGS | METH_KEYWORDS,
	 "result($self, timeout=None)\n--\n\nWait for the outcome, timeout seconds at most."},
	{"detach", call_detach, METH_NOARGS, "detach($self)\n--\n\nLet the operation go on without anybody who waits for it."},
	{"cancel", call_cancel, METH_NOARGS, "cancel($self)\n--\n\nGive the operation up. What was begun may still be carried out."},
	{NULL, NULL, 0, NULL},
};

static PyObject *no_call(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	(void)type;
	(void)args;
	(void)keywords;
	PyErr_SetString(PyExc_TypeError, "calls are made by start()");
	return NULL;
}

static PyType_Slot call_slots[] = {
	{Py_tp_new, no_call},
	{Py_tp_doc, "An operation under way, as start() answers it."},
	{Py_tp_dealloc, call_dealloc},
	{Py_tp_traverse, call_traverse},
	{Py_tp_clear, call_clear},
	{Py_tp_methods, call_methods},
	{0, NULL},
};

PyType_Spec call_spec = {"broker._native.Call", sizeof(call_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, call_slots};

// Methods that endpoints and stores share.

PyObject *handle_start(PyObject *self, PyObject *args)
{
	return call_start((handle_object *)self, args, Py_TYPE(self) == handles.store || PyObject_TypeCheck(self, handles.store));
}

PyObject *handle_call(PyObject *self, PyObject *args, PyObject *keywords)
{
	PyObject *timeout = keywords != NULL ? PyDict_GetItemString(keywords, "timeout") : NULL;

	if (keywords != NULL && PyDict_Size(keywords) != (timeout != NULL)) {
		PyErr_SetString(PyExc_TypeError, "call() takes no keyword argument but timeout");
		return NULL;
	}
	return call_run((handle_object *)self, args, timeout, PyObject_TypeCheck(self, handles.store));
}

PyObject *handle_query(PyObject *self, PyObject *args)
{
	const char *op;
	PyObject *hold = NULL, *result = NULL;
	bm_bytes out = {NULL, 0}, err = {NULL, 0};
	buf *b;
	int code;

	if (handle_usable(self) < 0 || operation(args, &op, &hold) < 0)
		return NULL;
	b = scratch_take();
	if (b != NULL && put_arguments(b, args, 1, -1) == 0) {
		code = lib.query(((handle_object *)self)->h, op, b->p, b->len, &out, &err);
		result = code == 0 ? decode_result(&out) : fail_code(code, &err);
	}
	if (b != NULL)
		scratch_give(b);
	Py_XDECREF(hold);
	return result;
}

PyObject *handle_end(PyObject *self, PyObject *unused)
{
	(void)unused;
	if (lib.forked && handle_usable(self) < 0)
		return NULL;
	handle_close((handle_object *)self);
	return none();
}
