// SPDX-License-Identifier: Apache-2.0
//
// Publisher: a queue of messages to one topic.

#include "library.h"

static int publisher_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"endpoint", "topic", NULL};
	handle_object *p = (handle_object *)self, *ep;
	PyObject *endpoint, *topic, *hold = NULL;
	const char *text;
	Py_ssize_t n;
	bm_bytes err = {NULL, 0};
	int code;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:Publisher", names, &endpoint, &topic) || (ep = endpoint_arg(endpoint)) == NULL)
		return -1;
	if (topic_text(topic, &text, &n, &hold) < 0)
		return -1;
	handle_clear(self);
	code = lib.publisher(ep->h, text, (size_t)n, &p->h, &p->fd, &err);
	Py_XDECREF(hold);
	if (code != 0)
		return fail_code(code, &err), -1;
	Py_INCREF(endpoint);
	p->owner = endpoint;
	return 0;
}

static int usable(const handle_object *p)
{
	if (p->h == 0 && !lib.forked) {
		PyErr_SetString(PyExc_AttributeError, "this has been released, with reset() or by leaving its with statement");
		return -1;
	}
	return handle_usable(p);
}

// send waits until all is in the queue. What comes after the endpoint's end
// goes nowhere.
static int send(handle_object *p, const buf *b)
{
	bm_bytes err = {NULL, 0};
	size_t sent = 0, done;
	int code;

	for (;;) {
		if (usable(p) < 0)
			return -1;
		done = 0;
		code = lib.publisher_send(p->h, b->p + sent, b->len - sent, &done, &err);
		sent += done;
		if (code == 0 || code == BM_CLOSED) {
			lib.free(err.data);
			return 0;
		}
		if (code != BM_AGAIN)
			return fail_code(code, &err), -1;
		lib.free(err.data);
		err.data = NULL;
		err.len = 0;
		// Room may be announced for a moment only: asked again after each slice at the latest.
		if (wait_fd(p->fd, monotonic() + SLICE_NS) < 0)
			return -1;
	}
}

static PyObject *publisher_publish_batch(PyObject *self, PyObject *args)
{
	Py_ssize_t n = PyTuple_Size(args), i;
	buf *b;
	int failed = 0;

	if (usable((handle_object *)self) < 0 || (b = scratch_take()) == NULL)
		return NULL;
	for (i = 0; i < n && !failed; i++)
		failed = put_frame(b, NULL, PyTuple_GetItem(args, i)) < 0;
	failed = failed || send((handle_object *)self, b) < 0;
	scratch_give(b);
	if (failed)
		return NULL;
	return none();
}

static PyObject *publisher_publish(PyObject *self, PyObject *value)
{
	PyObject *args = PyTuple_Pack(1, value), *result;

	if (args == NULL)
		return NULL;
	result = publisher_publish_batch(self, args);
	Py_DECREF(args);
	return result;
}

static PyObject *state(PyObject *self, int which)
{
	unsigned numbers[2] = {0, 0};
	int code;

	if (usable((handle_object *)self) < 0)
		return NULL;
	code = lib.publisher_state(((handle_object *)self)->h, &numbers[0], &numbers[1]);
	return code == 0 || code == BM_CLOSED ? PyLong_FromUnsignedLong(numbers[which]) : fail_code(code, NULL);
}

static PyObject *publisher_buffered(PyObject *self, PyObject *unused)
{
	(void)unused;
	return state(self, 0);
}

static PyObject *publisher_capacity(PyObject *self, PyObject *unused)
{
	(void)unused;
	return state(self, 1);
}

static PyObject *publisher_fd(PyObject *self, PyObject *unused)
{
	(void)unused;
	return usable((handle_object *)self) < 0 ? NULL : PyLong_FromLong(((handle_object *)self)->fd);
}

static PyObject *publisher_reset(PyObject *self, PyObject *unused)
{
	(void)unused;
	if (lib.forked && handle_usable(self) < 0)
		return NULL;
	handle_clear(self);
	return none();
}

static PyMethodDef publisher_methods[] = {
	{"publish", publisher_publish, METH_O, "publish($self, data, /)\n--\n\nPublish data; waits while the queue is full."},
	{"publish_batch", publisher_publish_batch, METH_VARARGS, "publish_batch($self, /, *data)\n--\n\nPublish a message for each argument, in order."},
	{"buffered", publisher_buffered, METH_NOARGS, "buffered($self)\n--\n\nHow many messages wait in the queue."},
	{"capacity", publisher_capacity, METH_NOARGS, "capacity($self)\n--\n\nHow many messages the queue holds."},
	{"fd", publisher_fd, METH_NOARGS, "fd($self)\n--\n\nA descriptor that is readable while there is room in the queue."},
	{"fileno", publisher_fd, METH_NOARGS, "fileno($self)\n--\n\nThe same as fd()."},
	{"reset", publisher_reset, METH_NOARGS, "reset($self)\n--\n\nRelease it; what is in the queue is still sent."},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot publisher_slots[] = {
	{Py_tp_doc, "Publisher(endpoint, topic)\n--\n\nPublishes to one topic through a queue of its own."},
	{Py_tp_init, publisher_init},
	{Py_tp_dealloc, handle_dealloc},
	{Py_tp_traverse, handle_traverse},
	{Py_tp_clear, handle_clear},
	{Py_tp_methods, publisher_methods},
	{0, NULL},
};

PyType_Spec publisher_spec = {"broker._native.Publisher", sizeof(handle_object), 0,
	Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, publisher_slots};
