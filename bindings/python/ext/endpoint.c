// SPDX-License-Identifier: Apache-2.0
//
// Endpoint: publishing, and the operations of the library by name.

#include "library.h"

static int endpoint_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"options", NULL};
	handle_object *h = (handle_object *)self;
	PyObject *options = NULL;
	bm_bytes err = {NULL, 0};
	buf b = {NULL, 0, 0};
	int code = -1;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:Endpoint", names, &options) || handle_new_usable() < 0)
		return -1;
	if (options != NULL && options != Py_None && encode_into(&b, options) < 0)
		goto done;
	handle_close(h);
	code = lib.endpoint_new(b.p, b.len, &h->h, &err);
	if (code != 0)
		fail_code(code, &err);
done:
	buf_free(&b);
	return PyErr_Occurred() ? -1 : 0;
}

static PyObject *endpoint_node_id(PyObject *self, PyObject *unused)
{
	char id[36];
	int code;

	(void)unused;
	if (handle_usable(self) < 0)
		return NULL;
	code = lib.endpoint_id(((handle_object *)self)->h, id);
	return code == 0 ? PyUnicode_DecodeUTF8(id, sizeof id, "replace") : fail_code(code, NULL);
}

static PyObject *endpoint_listen(PyObject *self, PyObject *args)
{
	PyObject *host, *hold;
	const char *address;
	Py_ssize_t n;
	long port;
	int code, bound = 0;
	bm_bytes err = {NULL, 0};
	bm_handle h = ((handle_object *)self)->h;

	if (!PyArg_ParseTuple(args, "Ul:listen", &host, &port) || handle_usable(self) < 0)
		return NULL;
	if (port < 0 || port > 65535) {
		PyErr_SetString(PyExc_TypeError, "a port is an int from 0 to 65535");
		return NULL;
	}
	if (utf8(host, &address, &n, &hold) < 0)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	code = lib.listen(h, address, (size_t)n, (int)port, &bound, &err);
	Py_END_ALLOW_THREADS
	Py_XDECREF(hold);
	lib.free(err.data);
	return PyLong_FromLong(code == 0 ? bound : 0);
}

// published turns the last result of a publish into what Python gets: what is
// published by an endpoint that has ended goes nowhere, without a word.
static PyObject *published(int code, bm_bytes *err)
{
	if (code != 0 && code != BM_CLOSED)
		return PyErr_Occurred() ? NULL : fail_code(code, err);
	lib.free(err->data);
	return none();
}

// send publishes frames, as long as it takes. The first attempt is made with
// the interpreter's lock, which pays when there is room, as mostly.
static PyObject *send(bm_handle h, const buf *b)
{
	bm_bytes err = {NULL, 0};
	size_t sent = 0, done = 0;
	int code = lib.publish_batch(h, b->p, b->len, 0, &done, &err);

	while (code == BM_AGAIN) {
		lib.free(err.data);
		err.data = NULL;
		err.len = 0;
		sent += done;
		done = 0;
		if (PyErr_CheckSignals() < 0)
			return NULL;
		Py_BEGIN_ALLOW_THREADS
		code = lib.publish_batch(h, b->p + sent, b->len - sent, SLICE_NS, &done, &err);
		Py_END_ALLOW_THREADS
	}
	return published(code, &err);
}

static PyObject *send_one(bm_handle h, const char *topic, size_t n, const buf *b)
{
	bm_bytes err = {NULL, 0};
	int code = lib.publish(h, topic, n, b->p, b->len, 0, &err);

	while (code == BM_AGAIN) {
		lib.free(err.data);
		err.data = NULL;
		err.len = 0;
		if (PyErr_CheckSignals() < 0)
			return NULL;
		Py_BEGIN_ALLOW_THREADS
		code = lib.publish(h, topic, n, b->p, b->len, SLICE_NS, &err);
		Py_END_ALLOW_THREADS
	}
	return published(code, &err);
}

// publish_to is the raw form with a receiver first: its ID, or an object with
// node_id().
static PyObject *publish_to(handle_object *self, PyObject *to, const char *topic, size_t n, const buf *b)
{
	PyObject *id = PyUnicode_Check(to) ? NULL : PyObject_CallMethod(to, "node_id", NULL), *hold = NULL, *result = NULL;
	const char *text;
	Py_ssize_t len;
	bm_bytes err = {NULL, 0};

	if (id == NULL && PyErr_Occurred())
		return NULL;
	if (id != NULL && !PyUnicode_Check(id)) {
		PyErr_SetString(PyExc_TypeError, "node_id() answered no str");
	} else if (utf8(id != NULL ? id : to, &text, &len, &hold) == 0) {
		if (len == 36)
			result = published(lib.publish_to(self->h, text, topic, n, b->p, b->len, &err), &err);
		else
			PyErr_SetString(PyExc_ValueError, "an endpoint's ID has 36 characters");
	}
	Py_XDECREF(hold);
	Py_XDECREF(id);
	return result;
}

static PyObject *endpoint_publish(PyObject *self, PyObject *args)
{
	Py_ssize_t n = PyTuple_Size(args), len;
	handle_object *h = (handle_object *)self;
	PyObject *hold = NULL, *result = NULL;
	const char *topic;
	buf *b;

	if (n != 2 && n != 3) {
		PyErr_SetString(PyExc_TypeError, "publish() takes a topic and data, or an EndpointInfo, a topic and data");
		return NULL;
	}
	if (lib.forked && handle_usable(self) < 0)
		return NULL;
	if (topic_text(PyTuple_GetItem(args, n - 2), &topic, &len, &hold) < 0)
		return NULL;
	b = scratch_take();
	if (b != NULL && encode_into(b, PyTuple_GetItem(args, n - 1)) == 0) {
		if (lib.dl == NULL)
			fail_code(BM_CLOSED, NULL);
		else if (n == 2)
			result = send_one(h->h, topic, (size_t)len, b);
		else
			result = publish_to(h, PyTuple_GetItem(args, 0), topic, (size_t)len, b);
	}
	if (b != NULL)
		scratch_give(b);
	Py_XDECREF(hold);
	return result;
}

// pair reads (topic, data).
static int pair(buf *b, PyObject *item)
{
	PyObject *two = PySequence_Tuple(item);
	int result = -1;

	if (two == NULL)
		return -1;
	if (PyTuple_Size(two) != 2)
		PyErr_SetString(PyExc_TypeError, "publish_batch() takes pairs of topic and data");
	else
		result = put_frame(b, PyTuple_GetItem(two, 0), PyTuple_GetItem(two, 1));
	Py_DECREF(two);
	return result;
}

static PyObject *endpoint_publish_batch(PyObject *self, PyObject *args)
{
	Py_ssize_t n = PyTuple_Size(args), i;
	PyObject *result = NULL;
	buf *b;

	if ((lib.forked || lib.dl == NULL) && handle_usable(self) < 0)
		return NULL;
	b = scratch_take();
	if (b == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (pair(b, PyTuple_GetItem(args, i)) < 0)
			break;
	}
	if (i == n)
		result = send(((handle_object *)self)->h, b);
	scratch_give(b);
	return result;
}

static PyObject *endpoint_repr(PyObject *self)
{
	if (((handle_object *)self)->h == 0 || lib.forked)
		return PyUnicode_FromString("<Endpoint, closed>");
	return endpoint_node_id(self, NULL);
}

static PyMethodDef endpoint_methods[] = {
	{"node_id", endpoint_node_id, METH_NOARGS, "node_id($self)\n--\n\nThe endpoint's ID, a UUID as str."},
	{"listen", endpoint_listen, METH_VARARGS, "listen($self, address, port, /)\n--\n\nListen for peers. The port, or 0 if that failed."},
	{"publish", endpoint_publish, METH_VARARGS,
	 "publish($self, topic, data, /)\n--\n\nPublish data. With an EndpointInfo before the topic, send it to that endpoint only."},
	{"publish_batch", endpoint_publish_batch, METH_VARARGS,
	 "publish_batch($self, /, *pairs)\n--\n\nPublish a message for each pair of topic and data, in order."},
	{"start", handle_start, METH_VARARGS, "start($self, operation, /, *args)\n--\n\nBegin an operation of the library; answers a Call."},
	{"call", (PyCFunction)(void (*)(void))handle_call, METH_VARARGS | METH_KEYWORDS,
	 "call($self, operation, /, *args, timeout=None)\n--\n\nCarry an operation of the library out and answer its outcome."},
	{"query", handle_query, METH_VARARGS, "query($self, operation, /, *args)\n--\n\nAsk what the library knows at once."},
	{"close", handle_end, METH_NOARGS, "close($self)\n--\n\nEnd the endpoint without waiting for anything."},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot endpoint_slots[] = {
	{Py_tp_doc, "Endpoint(options=None)\n--\n\nA node of a Broker mesh. options is a dict as the C library documents it."},
	{Py_tp_init, endpoint_init},
	{Py_tp_dealloc, handle_dealloc},
	{Py_tp_traverse, handle_traverse},
	{Py_tp_clear, handle_clear},
	{Py_tp_repr, endpoint_repr},
	{Py_tp_methods, endpoint_methods},
	{0, NULL},
};

PyType_Spec endpoint_spec = {"broker._native.Endpoint", sizeof(handle_object), 0,
	Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, endpoint_slots};
