// SPDX-License-Identifier: Apache-2.0
//
// get(), poll() and iteration, for everything that delivers items.

#include "library.h"

#include <stdlib.h>

#define FETCH 512

// request is what the arguments of get() ask for.
typedef struct {
	Py_ssize_t count;    // -1: one item, not a list
	int64_t deadline;
	int timed;
} request;

// An int is a count, a float is a timeout.
static int arguments(PyObject *args, request *r)
{
	Py_ssize_t n = PyTuple_Size(args), i = 0;
	PyObject *v;

	r->count = -1;
	r->deadline = FOREVER;
	r->timed = 0;
	if (n > 0 && PyLong_Check(v = PyTuple_GetItem(args, 0))) {
		r->count = PyLong_AsSsize_t(v);
		if (r->count < 0) {
			if (!PyErr_Occurred())
				PyErr_SetString(PyExc_ValueError, "get() takes a count of 0 or more");
			return -1;
		}
		i = 1;
	}
	if (i < n) {
		v = PyTuple_GetItem(args, i++);
		if (v != Py_None && !PyObject_TypeCheck(v, &PyFloat_Type) && !PyLong_Check(v))
			n = -1;
		else if (deadline_of(v, &r->deadline) < 0)
			return -1;
		r->timed = v != Py_None;
	}
	if (i < n || n < 0) {
		PyErr_SetString(PyExc_TypeError, "get() takes nothing, a count (int), a timeout (float), or a count and a timeout");
		return -1;
	}
	return 0;
}

static PyObject *queue_closed(void)
{
	PyErr_SetString(PyExc_RuntimeError, "subscriber queue closed");
	return NULL;
}

// await_more waits until there may be something to look for: 1, 0 the deadline
// has passed, -1 exception. No wait is longer than a slice, for another thread
// may take what comes from the library and leave some of it in this stream, or
// release the stream, and then the descriptor tells nothing.
static int await_more(stream_object *s, int64_t deadline)
{
	int64_t slice = monotonic() + SLICE_NS;
	int some;

	s->waiters++;
	some = wait_fd(s->base.fd, slice < deadline ? slice : deadline);
	s->waiters--;
	return some == 0 && slice < deadline ? 1 : some;
}

// next_item waits for one: 1 *out is it (NULL: it could not be converted), 0
// none in time, 2 the end, -1 exception.
static int next_item(stream_object *s, int64_t deadline, PyObject **out)
{
	frame f;
	int some;

	*out = NULL;
	for (;;) {
		if (stream_usable(s) < 0)
			return -1;
		if (stream_pop(s, &f)) {
			stream_event(s);
			*out = s->item(s, &f);
			frame_release(&f);
			return 1;
		}
		// Where others wait too, one is left to each: they cannot see what is fetched.
		some = stream_fill(s, s->waiters > 0 ? 1 : FETCH);
		if (some < 0)
			return -1;
		if (some > 0)
			continue;
		if (s->ended)
			return 2;
		some = await_more(s, deadline);
		if (some <= 0)
			return some;
	}
}

// lost puts frames back of which one could not be converted; that one is lost.
static PyObject *lost(stream_object *s, PyObject *list, const frame *frames, Py_ssize_t n, Py_ssize_t without)
{
	PyObject *type, *value, *trace;

	PyErr_Fetch(&type, &value, &trace);
	Py_XDECREF(list);
	stream_unpop(s, frames, n, without);
	stream_event(s);
	PyErr_Restore(type, value, trace);
	return NULL;
}

// take_list converts the first n of what waits. They are taken before any
// Python code can run, so that other threads find the stream as it is then.
static PyObject *take_list(stream_object *s, Py_ssize_t n)
{
	frame *frames = calloc((size_t)n + 1, sizeof *frames);
	PyObject *list, *item;
	Py_ssize_t i, taken = 0;

	if (frames == NULL)
		return PyErr_NoMemory();
	while (taken < n && stream_pop(s, &frames[taken]))
		taken++;
	stream_event(s);
	list = PyList_New(taken);
	if (list == NULL)
		lost(s, NULL, frames, taken, -1);
	for (i = 0; list != NULL && i < taken; i++) {
		item = s->item(s, &frames[i]);
		if (item != NULL)
			PyList_SetItem(list, i, item);
		else
			list = lost(s, list, frames, taken, i);
	}
	for (i = 0; i < taken; i++)
		frame_release(&frames[i]);
	free(frames);
	return list;
}

static PyObject *get_list(stream_object *s, const request *r)
{
	int some;

	while (s->waiting < r->count) {
		some = stream_fill(s, (unsigned)(r->count - s->waiting < FETCH ? r->count - s->waiting : FETCH));
		if (some < 0)
			return NULL;
		if (some > 0)
			continue;
		if (s->ended) {
			if (r->timed)
				break;
			return queue_closed();
		}
		stream_event(s);
		some = await_more(s, r->deadline);
		if (some < 0 || stream_usable(s) < 0)
			return NULL;
		if (some == 0)
			break;
	}
	return take_list(s, s->waiting < r->count ? s->waiting : r->count);
}

PyObject *stream_get(PyObject *self, PyObject *args)
{
	stream_object *s = (stream_object *)self;
	PyObject *item;
	request r;

	if (arguments(args, &r) < 0 || stream_usable(s) < 0)
		return NULL;
	if (r.count >= 0)
		return get_list(s, &r);
	switch (next_item(s, r.deadline, &item)) {
	case -1:
		return NULL;
	case 1:
		return item;
	case 2:
		if (!r.timed)
			return queue_closed();
	}
	return none();
}

PyObject *stream_poll(PyObject *self, PyObject *unused)
{
	stream_object *s = (stream_object *)self;
	int64_t n;
	int some = 1;

	(void)unused;
	if (stream_usable(s) < 0)
		return NULL;
	n = stream_waiting(s);
	if (n < 0)
		return NULL;
	while (some > 0 && s->waiting < n)
		some = stream_fill(s, FETCH);
	return some < 0 ? NULL : take_list(s, s->waiting);
}

// stream_next is __next__: the end of the stream ends the iteration.
PyObject *stream_next(PyObject *self)
{
	PyObject *item;

	next_item((stream_object *)self, FOREVER, &item);
	return item;
}
