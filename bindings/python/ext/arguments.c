// SPDX-License-Identifier: Apache-2.0
//
// Arguments of Python calls in the form in which the library takes them.

#include "library.h"

int topic_text(PyObject *topic, const char **p, Py_ssize_t *n, PyObject **hold)
{
	PyObject *text, *bytes;

	if (PyUnicode_Check(topic))
		return utf8(topic, p, n, hold);
	text = PyObject_HasAttrString(topic, "string") ? PyObject_CallMethod(topic, "string", NULL) : NULL;
	if (text == NULL || !PyUnicode_Check(text)) {
		Py_XDECREF(text);
		if (!PyErr_Occurred())
			PyErr_Format(PyExc_TypeError, "a topic is a str or a Topic, not %R", (PyObject *)Py_TYPE(topic));
		return -1;
	}
	bytes = PyUnicode_AsUTF8String(text);
	Py_DECREF(text);
	if (bytes == NULL)
		return -1;
	*hold = bytes;
	*p = PyBytes_AsString(bytes);
	*n = PyBytes_Size(bytes);
	return 0;
}

static int put_string(buf *b, PyObject *topic)
{
	const char *p;
	Py_ssize_t n;
	PyObject *hold;
	int result = -1;

	if (topic_text(topic, &p, &n, &hold) < 0)
		return -1;
	if (buf_tagged(b, TAG_STRING, NULL, 0) == 0 && buf_size(b, (uint64_t)n) == 0)
		result = buf_put(b, p, (size_t)n);
	Py_XDECREF(hold);
	return result;
}

int put_topic_vector(buf *b, PyObject *topics)
{
	PyObject *list, *topic;
	Py_ssize_t n, i;
	int result;

	if (PyUnicode_Check(topics) || PyObject_HasAttrString(topics, "string")) {
		if (buf_tagged(b, TAG_VECTOR, NULL, 0) < 0 || buf_size(b, 1) < 0)
			return -1;
		return put_string(b, topics);
	}
	list = PySequence_Tuple(topics);
	if (list == NULL)
		return -1;
	n = PyTuple_Size(list);
	result = buf_tagged(b, TAG_VECTOR, NULL, 0) < 0 ? -1 : buf_size(b, (uint64_t)n);
	for (i = 0; result == 0 && i < n; i++) {
		topic = PyTuple_GetItem(list, i);
		result = put_string(b, topic);
	}
	Py_DECREF(list);
	return result;
}

int put_frame(buf *b, PyObject *topic, PyObject *value)
{
	const char *p = NULL;
	Py_ssize_t n = 0;
	PyObject *hold = NULL;
	uint32_t lengths[2];
	size_t start = b->len;
	int result = -1;

	if (topic != NULL && topic_text(topic, &p, &n, &hold) < 0)
		return -1;
	if (n > UINT16_MAX) {
		PyErr_SetString(PyExc_ValueError, "a topic has 65535 bytes at most");
		goto done;
	}
	if (buf_room(b, sizeof lengths + (size_t)n) < 0)
		goto done;
	b->len += sizeof lengths;
	if (buf_put(b, p, (size_t)n) < 0 || encode_into(b, value) < 0)
		goto done;
	if (b->len - start > UINT32_MAX) {
		PyErr_SetString(PyExc_OverflowError, "value too large for a message");
		goto done;
	}
	lengths[0] = (uint32_t)n;
	lengths[1] = (uint32_t)(b->len - start - sizeof lengths - (size_t)n);
	memcpy(b->p + start, lengths, sizeof lengths);
	result = 0;
done:
	Py_XDECREF(hold);
	return result;
}

int expiry_position(const char *op)
{
	static const struct {
		const char *op;
		int position;
	} known[] = {
		{"put", 2}, {"increment", 2}, {"decrement", 2}, {"append", 2}, {"insert_into", 2}, {"insert_into_table", 3},
		{"remove_from", 2}, {"push", 2}, {"pop", 1}, {"put_unique", 2}, {"compare_and_set", 4},
	};
	size_t i;

	for (i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(op, known[i].op) == 0)
			return known[i].position;
	}
	return -1;
}

// put_expiry takes seconds, or what is a value already.
static int put_expiry(buf *b, PyObject *v)
{
	double seconds;
	int64_t ns;

	if (!PyLong_Check(v) && !PyObject_TypeCheck(v, &PyFloat_Type))
		return encode_into(b, v);
	seconds = PyFloat_AsDouble(v);
	if ((seconds == -1 && PyErr_Occurred()) || ns_of_seconds(seconds, &ns) < 0)
		return -1;
	return buf_word(b, TAG_TIMESPAN, (uint64_t)ns);
}

int put_arguments(buf *b, PyObject *args, Py_ssize_t from, int expiry)
{
	Py_ssize_t n = PyTuple_Size(args), i;
	PyObject *v;

	if (buf_tagged(b, TAG_VECTOR, NULL, 0) < 0 || buf_size(b, (uint64_t)(n > from ? n - from : 0)) < 0)
		return -1;
	for (i = from; i < n; i++) {
		v = PyTuple_GetItem(args, i);
		if ((i - from == expiry ? put_expiry(b, v) : encode_into(b, v)) < 0)
			return -1;
	}
	return 0;
}

int operation(PyObject *args, const char **op, PyObject **hold)
{
	PyObject *name = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : NULL;
	Py_ssize_t n;

	if (name == NULL || !PyUnicode_Check(name)) {
		PyErr_SetString(PyExc_TypeError, "the first argument is the name of an operation");
		return -1;
	}
	return utf8(name, op, &n, hold);
}
