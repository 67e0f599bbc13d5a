// SPDX-License-Identifier: Apache-2.0
//
// Subscriber, StatusSubscriber and Stream: what is made of a frame, and how it
// is subscribed.

#include "library.h"

#define TOPIC_KEPT 128

typedef struct {
	stream_object stream;
	uint8_t topic[TOPIC_KEPT];   // the bytes of stream.last_topic
	uint32_t topic_len;
} subscriber_object;

void stream_init(stream_object *self, PyObject *owner, bm_handle h, int fd)
{
	stream_drop(self);
	handle_clear((PyObject *)self);
	Py_INCREF(owner);
	self->base.owner = owner;
	self->base.h = h;
	self->base.fd = fd;
	self->ended = 0;
}

static PyObject *stream_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	PyObject *self = PyType_GenericAlloc(type, 0);

	(void)args;
	(void)keywords;
	if (self != NULL) {
		((stream_object *)self)->poll_fd = ((stream_object *)self)->local_fd = -1;
		((stream_object *)self)->base.fd = -1;
	}
	return self;
}

static int stream_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(((stream_object *)self)->last_topic);
	return handle_traverse(self, visit, arg);
}

static int stream_clear(PyObject *self)
{
	stream_drop((stream_object *)self);
	Py_CLEAR(((stream_object *)self)->last_topic);
	return handle_clear(self);
}

static void stream_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	stream_clear(self);
	plain_dealloc(self);
}

static PyObject *itself(PyObject *self)
{
	Py_INCREF(self);
	return self;
}

// topic_of makes the str of a topic, or finds that the last one will do.
static PyObject *topic_of(subscriber_object *s, const frame *f)
{
	PyObject *topic = s->stream.last_topic, *old;

	if (topic != NULL && f->topic_len == s->topic_len && memcmp(f->topic, s->topic, s->topic_len) == 0) {
		Py_INCREF(topic);
		return topic;
	}
	topic = PyUnicode_DecodeUTF8((const char *)f->topic, (Py_ssize_t)f->topic_len, "surrogateescape");
	if (topic == NULL || f->topic_len > TOPIC_KEPT)
		return topic;
	memcpy(s->topic, f->topic, f->topic_len);
	s->topic_len = f->topic_len;
	old = s->stream.last_topic;
	Py_INCREF(topic);
	s->stream.last_topic = topic;
	Py_XDECREF(old);
	return topic;
}

static PyObject *message(stream_object *s, const frame *f)
{
	PyObject *topic = topic_of((subscriber_object *)s, f), *value, *pair;

	if (topic == NULL)
		return NULL;
	value = decode_whole(f->value, f->value_len, s->immutable);
	pair = value != NULL ? PyTuple_New(2) : NULL;
	if (pair == NULL) {
		Py_DECREF(topic);
		Py_XDECREF(value);
		return NULL;
	}
	PyTuple_SetItem(pair, 0, topic);
	PyTuple_SetItem(pair, 1, value);
	return pair;
}

static PyObject *value_only(stream_object *s, const frame *f)
{
	return decode_whole(f->value, f->value_len, s->immutable);
}

static PyObject *report(stream_object *s, const frame *f)
{
	PyObject *fields = value_only(s, f), *result;

	if (fields == NULL || native.hook.status == NULL)
		return fields;
	result = PyObject_CallObject(native.hook.status, fields);
	Py_DECREF(fields);
	return result;
}

static int subscriber_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"endpoint", "topics", NULL};
	PyObject *endpoint, *topics, *immutable;
	stream_object *s = (stream_object *)self;
	handle_object *ep;
	bm_bytes err = {NULL, 0};
	bm_handle h;
	buf b = {NULL, 0, 0};
	int code = -1, fd = -1;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:Subscriber", names, &endpoint, &topics) || (ep = endpoint_arg(endpoint)) == NULL)
		return -1;
	immutable = PyObject_GetAttrString(self, "_immutable");
	s->immutable = immutable != NULL ? PyObject_IsTrue(immutable) : -1;
	Py_XDECREF(immutable);
	if (s->immutable >= 0 && put_topic_vector(&b, topics) == 0) {
		code = lib.subscribe(ep->h, b.p, b.len, &h, &fd, &err);
		if (code != 0)
			fail_code(code, &err);
		else
			stream_init(s, endpoint, h, fd);
	}
	buf_free(&b);
	s->item = message;
	return code == 0 ? 0 : -1;
}

static PyObject *change(PyObject *self, PyObject *args, PyObject *keywords, int add)
{
	static char *names[] = {"topic", "block", NULL};
	PyObject *topic, *result = NULL;
	bm_bytes err = {NULL, 0};
	buf b = {NULL, 0, 0};
	int wait = 0, code;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|p", names, &topic, &wait) || stream_usable((stream_object *)self) < 0)
		return NULL;
	if (!PyUnicode_Check(topic) && !PyObject_HasAttrString(topic, "string")) {
		PyErr_Format(PyExc_TypeError, "a topic is a str or a Topic, not %R", (PyObject *)Py_TYPE(topic));
	} else if (put_topic_vector(&b, topic) == 0) {
		code = lib.sub_change(((handle_object *)self)->h, add ? b.p : NULL, add ? b.len : 0, add ? NULL : b.p, add ? 0 : b.len, &err);
		if (code == 0 || code == BM_CLOSED) {
			lib.free(err.data);
			Py_INCREF(Py_None);
			result = Py_None;
		} else {
			fail_code(code, &err);
		}
	}
	buf_free(&b);
	return result;
}

static PyObject *add_topic(PyObject *self, PyObject *args, PyObject *keywords)
{
	return change(self, args, keywords, 1);
}

static PyObject *remove_topic(PyObject *self, PyObject *args, PyObject *keywords)
{
	return change(self, args, keywords, 0);
}

static int status_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"endpoint", "receive_statuses", NULL};
	PyObject *endpoint;
	stream_object *s = (stream_object *)self;
	handle_object *ep;
	bm_bytes err = {NULL, 0};
	bm_handle h;
	int statuses = 0, code, fd = -1;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|p:StatusSubscriber", names, &endpoint, &statuses) || (ep = endpoint_arg(endpoint)) == NULL)
		return -1;
	code = lib.status_subscribe(ep->h, statuses, &h, &fd, &err);
	if (code != 0)
		return fail_code(code, &err), -1;
	stream_init(s, endpoint, h, fd);
	s->item = report;
	return 0;
}

PyObject *stream_new_from(PyObject *store, bm_handle h)
{
	stream_object *s = (stream_object *)stream_make(handles.stream, NULL, NULL);
	int fd = -1, code = s != NULL ? lib.fd(h, &fd) : -1;

	if (s == NULL || code != 0) {
		Py_XDECREF(s);
		lib.close(h);
		return s != NULL ? fail_code(code, NULL) : NULL;
	}
	stream_init(s, store, h, fd);
	s->item = value_only;
	s->strict = 1;
	return (PyObject *)s;
}

static PyObject *no_stream(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	(void)type;
	(void)args;
	(void)keywords;
	PyErr_SetString(PyExc_TypeError, "streams are made by methods of stores");
	return NULL;
}

#define KEYWORDS(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef subscriber_methods[] = {
	{"add_topic", KEYWORDS(add_topic), METH_VARARGS | METH_KEYWORDS, "add_topic($self, topic, block=False)\n--\n\nSubscribe to one more topic."},
	{"remove_topic", KEYWORDS(remove_topic), METH_VARARGS | METH_KEYWORDS, "remove_topic($self, topic, block=False)\n--\n\nTake a topic away."},
	{NULL, NULL, 0, NULL},
};

// Every type has these of its own: what PyType_FromSpec inherits of them differs from version to version.
#define STREAM_ENDS {Py_tp_dealloc, stream_dealloc}, {Py_tp_traverse, stream_traverse}, {Py_tp_clear, stream_clear}
#define STREAM_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC)

static PyType_Slot stream_slots[] = {
	{Py_tp_doc, "Items that come one after the other: entries or changes of a store."},
	{Py_tp_new, no_stream},
	STREAM_ENDS,
	{Py_tp_iter, itself},
	{Py_tp_iternext, stream_next},
	{Py_tp_methods, stream_methods},
	{0, NULL},
};

PyType_Spec stream_spec = {"broker._native.Stream", sizeof(subscriber_object), 0, STREAM_FLAGS, stream_slots};

static PyType_Slot subscriber_slots[] = {
	{Py_tp_doc, "Subscriber(endpoint, topics)\n--\n\nReceives messages on topics: pairs of topic and value."},
	{Py_tp_new, stream_make},
	{Py_tp_init, subscriber_init},
	STREAM_ENDS,
	{Py_tp_methods, subscriber_methods},
	{0, NULL},
};

PyType_Spec subscriber_spec = {"broker._native.Subscriber", sizeof(subscriber_object), 0, STREAM_FLAGS, subscriber_slots};

static PyType_Slot status_slots[] = {
	{Py_tp_doc, "StatusSubscriber(endpoint, receive_statuses=False)\n--\n\nReceives errors and, if asked for, statuses of peerings."},
	{Py_tp_new, stream_make},
	{Py_tp_init, status_init},
	STREAM_ENDS,
	{0, NULL},
};

PyType_Spec status_spec = {"broker._native.StatusSubscriber", sizeof(subscriber_object), 0, STREAM_FLAGS, status_slots};
