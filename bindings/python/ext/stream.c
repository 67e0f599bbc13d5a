// SPDX-License-Identifier: Apache-2.0
//
// What waits in a subscriber: blocks of frames, as the library hands them over,
// and the descriptor that tells of them.
//
// All of this happens under the interpreter's lock, and no Python code runs
// between taking a frame out and counting it as lent. So threads may share a
// subscriber, and the one that decodes a frame keeps its block alive.

#include "library.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

// The most that is fetched at a time.
#define FETCH_FRAMES 512
#define FETCH_BYTES (256 * 1024)

static void block_free(block *b)
{
	if (b->left > 0 || b->lent > 0)
		return;
	if (b->own)
		free(b->data);
	else
		lib.free(b->data);
	free(b);
}

static block *block_new(unsigned char *data, size_t len, unsigned frames, int own)
{
	block *b = calloc(1, sizeof *b);

	if (b == NULL) {
		PyErr_NoMemory();
		return NULL;
	}
	b->data = data;
	b->len = len;
	b->left = frames;
	b->own = own;
	return b;
}

int stream_fill(stream_object *s, unsigned want)
{
	bm_bytes frames = {NULL, 0}, err = {NULL, 0};
	unsigned count = 0;
	block *b;
	int code;

	if (s->ended)
		return 0;
	code = lib.sub_take(s->base.h, want < FETCH_FRAMES ? want : FETCH_FRAMES, FETCH_BYTES, &frames, &count, &err);
	if (code == BM_CLOSED) {
		s->ended = 1;
		if (s->strict && err.len > 0)
			return fail_code(BM_FAILED, &err), -1;
		lib.free(err.data);
		return 0;
	}
	if (code != 0)
		return fail_code(code, &err), -1;
	if (count == 0)
		return 0;
	b = block_new(frames.data, frames.len, count, 0);
	if (b == NULL) {
		lib.free(frames.data);
		return -1;
	}
	if (s->tail != NULL)
		s->tail->next = b;
	else
		s->head = b;
	s->tail = b;
	s->waiting += count;
	return 1;
}

int stream_pop(stream_object *s, frame *f)
{
	block *b = s->head;
	uint32_t lengths[2];

	if (b == NULL)
		return 0;
	memcpy(lengths, b->data + b->off, sizeof lengths);
	f->topic = b->data + b->off + sizeof lengths;
	f->topic_len = lengths[0];
	f->value = f->topic + lengths[0];
	f->value_len = lengths[1];
	f->in = b;
	b->off += sizeof lengths + (size_t)lengths[0] + lengths[1];
	b->lent++;
	s->waiting--;
	if (--b->left == 0) {
		s->head = b->next;
		if (s->head == NULL)
			s->tail = NULL;
	}
	return 1;
}

void frame_release(frame *f)
{
	f->in->lent--;
	block_free(f->in);
}

// stream_unpop puts frames back in front, all but one of them; without -1: all.
int stream_unpop(stream_object *s, const frame *frames, Py_ssize_t n, Py_ssize_t without)
{
	buf b = {NULL, 0, 0};
	block *front;
	Py_ssize_t i, back = n - (without >= 0);
	uint32_t lengths[2];

	if (back <= 0)
		return 0;
	for (i = 0; i < n; i++) {
		lengths[0] = frames[i].topic_len;
		lengths[1] = frames[i].value_len;
		if (i != without && (buf_put(&b, lengths, sizeof lengths) < 0 ||
		    buf_put(&b, frames[i].topic, (size_t)lengths[0] + lengths[1]) < 0))
			goto failed;
	}
	front = block_new(b.p, b.len, (unsigned)back, 1);
	if (front == NULL)
		goto failed;
	front->next = s->head;
	s->head = front;
	if (s->tail == NULL)
		s->tail = front;
	s->waiting += back;
	return 0;
failed:
	buf_free(&b);
	return -1;
}

void stream_event(stream_object *s)
{
	uint64_t one = 1;
	int want = s->waiting > 0;

	if (s->poll_fd < 0 || want == s->local_set)
		return;
	if ((want ? write(s->local_fd, &one, sizeof one) : read(s->local_fd, &one, sizeof one)) == sizeof one)
		s->local_set = want;
}

static void close_fds(stream_object *s)
{
	if (s->poll_fd >= 0)
		close(s->poll_fd);
	if (s->local_fd >= 0)
		close(s->local_fd);
	s->poll_fd = s->local_fd = -1;
	s->local_set = 0;
}

// open_fds makes the descriptor that Python gets: readable while the library's
// is, or while something waits here.
static int open_fds(stream_object *s)
{
	struct epoll_event event = {EPOLLIN, {0}};

	s->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->local_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->poll_fd < 0 || s->local_fd < 0 || epoll_ctl(s->poll_fd, EPOLL_CTL_ADD, s->base.fd, &event) < 0 ||
	    epoll_ctl(s->poll_fd, EPOLL_CTL_ADD, s->local_fd, &event) < 0) {
		PyErr_SetFromErrno(PyExc_OSError);
		close_fds(s);
		return -1;
	}
	stream_event(s);
	return 0;
}

void stream_drop(stream_object *s)
{
	block *b, *next;

	for (b = s->head; b != NULL; b = next) {
		next = b->next;
		b->left = 0;
		block_free(b);
	}
	s->head = s->tail = NULL;
	s->waiting = 0;
	close_fds(s);
}

int stream_usable(stream_object *s)
{
	if (s->base.h == 0 && !lib.forked) {
		PyErr_SetString(PyExc_AttributeError, "this has been released, with reset() or by leaving its with statement");
		return -1;
	}
	return handle_usable(s);
}

int64_t stream_waiting(stream_object *s)
{
	unsigned n = 0;
	int code = s->ended ? 0 : lib.sub_available(s->base.h, &n);

	if (code != 0 && code != BM_CLOSED)
		return fail_code(code, NULL), -1;
	return (int64_t)s->waiting + (code == 0 ? n : 0);
}

static PyObject *stream_available(PyObject *self, PyObject *unused)
{
	stream_object *s = (stream_object *)self;
	int64_t n;

	(void)unused;
	if (stream_usable(s) < 0)
		return NULL;
	n = stream_waiting(s);
	return n < 0 ? NULL : PyLong_FromLongLong(n);
}

static PyObject *stream_fd(PyObject *self, PyObject *unused)
{
	stream_object *s = (stream_object *)self;

	(void)unused;
	if (stream_usable(s) < 0 || (s->poll_fd < 0 && open_fds(s) < 0))
		return NULL;
	return PyLong_FromLong(s->poll_fd);
}

static PyObject *stream_closed(PyObject *self, PyObject *unused)
{
	stream_object *s = (stream_object *)self;

	(void)unused;
	if (lib.forked && handle_usable(s) < 0)
		return NULL;
	if (s->base.h == 0)
		return PyBool_FromLong(1);
	if (s->waiting == 0 && stream_fill(s, FETCH_FRAMES) < 0)
		return NULL;
	stream_event(s);
	return PyBool_FromLong(s->ended);
}

static PyObject *stream_reset(PyObject *self, PyObject *unused)
{
	stream_object *s = (stream_object *)self;

	(void)unused;
	if (lib.forked && handle_usable(s) < 0)
		return NULL;
	stream_drop(s);
	handle_clear(self);
	return none();
}

PyMethodDef stream_methods[] = {
	{"get", stream_get, METH_VARARGS,
	 "get($self, /, *args)\n--\n\nOne item; with an int that many, in a list; with a float within so many seconds, or None; with both up to that many."},
	{"poll", stream_poll, METH_NOARGS, "poll($self)\n--\n\nA list of all items that wait. Never blocks."},
	{"available", stream_available, METH_NOARGS, "available($self)\n--\n\nHow many items wait."},
	{"fd", stream_fd, METH_NOARGS, "fd($self)\n--\n\nA descriptor for select and the like: readable while something waits, and after the end."},
	{"fileno", stream_fd, METH_NOARGS, "fileno($self)\n--\n\nThe same as fd()."},
	{"closed", stream_closed, METH_NOARGS, "closed($self)\n--\n\nWhether nothing will come any more, but for what waits already."},
	{"reset", stream_reset, METH_NOARGS, "reset($self)\n--\n\nRelease it; what waits is lost."},
	{"close", stream_reset, METH_NOARGS, "close($self)\n--\n\nThe same as reset()."},
	{NULL, NULL, 0, NULL},
};
