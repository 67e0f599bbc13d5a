// SPDX-License-Identifier: Apache-2.0
//
// What all objects have in common that stand for something in the library.

#include "library.h"

struct handle_types handles;

static int forked(void)
{
	PyErr_SetString(PyExc_RuntimeError,
		"this process was forked after broker's first Endpoint was made: broker cannot be used in it "
		"(fork before, or start new processes, as multiprocessing's method spawn does)");
	return -1;
}

int handle_usable(const void *self)
{
	if (lib.forked)
		return forked();
	if (((const handle_object *)self)->h == 0) {
		fail_code(BM_CLOSED, NULL);
		return -1;
	}
	return 0;
}

int handle_new_usable(void)
{
	if (lib.forked)
		return forked();
	return library_open();
}

void handle_close(handle_object *self)
{
	bm_handle h = self->h;

	self->h = 0;
	self->fd = -1;
	if (h != 0 && !lib.forked)
		lib.close(h);
}

int handle_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT((PyObject *)Py_TYPE(self));
	Py_VISIT(((handle_object *)self)->owner);
	return 0;
}

// An owner may be needed until the end: the handle is closed first.
int handle_clear(PyObject *self)
{
	handle_close((handle_object *)self);
	Py_CLEAR(((handle_object *)self)->owner);
	return 0;
}

void handle_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	handle_clear(self);
	plain_dealloc(self);
}

handle_object *endpoint_arg(PyObject *v)
{
	if (!PyObject_TypeCheck(v, handles.endpoint)) {
		PyErr_Format(PyExc_TypeError, "an Endpoint is needed, not %R", (PyObject *)Py_TYPE(v));
		return NULL;
	}
	return handle_usable(v) < 0 ? NULL : (handle_object *)v;
}
