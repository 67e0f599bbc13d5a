// SPDX-License-Identifier: Apache-2.0
//
// Waiting: for a descriptor, in slices, without the interpreter's lock, and
// with an eye on signals.

#include "library.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t deadline_after(double seconds)
{
	if (!(seconds > 0))
		return monotonic();
	return seconds > 9e9 ? FOREVER : monotonic() + (int64_t)(seconds * 1e9);
}

int deadline_of(PyObject *timeout, int64_t *deadline)
{
	double seconds;

	*deadline = FOREVER;
	if (timeout == NULL || timeout == Py_None)
		return 0;
	seconds = PyFloat_AsDouble(timeout);
	if (seconds == -1 && PyErr_Occurred())
		return -1;
	*deadline = deadline_after(seconds);
	return 0;
}

int wait_fd(int fd, int64_t deadline)
{
	struct pollfd p = {fd, POLLIN, 0};
	int64_t left;
	int n, ms, failure;

	for (;;) {
		left = deadline == FOREVER ? SLICE_NS : deadline - monotonic();
		ms = left <= 0 ? 0 : left >= SLICE_NS ? SLICE_MS : (int)((left + 999999) / 1000000);
		Py_BEGIN_ALLOW_THREADS
		n = poll(&p, 1, ms);
		failure = errno;
		Py_END_ALLOW_THREADS
		if (PyErr_CheckSignals() < 0)
			return -1;
		if (n > 0)
			return 1;
		if (n < 0 && failure != EINTR && failure != EAGAIN) {
			errno = failure;
			PyErr_SetFromErrno(PyExc_OSError);
			return -1;
		}
		if (left <= 0)
			return 0;
	}
}
