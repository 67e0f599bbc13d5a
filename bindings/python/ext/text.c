// SPDX-License-Identifier: Apache-2.0
//
// The bytes of text.

#include "native.h"

#include <dlfcn.h>

// The text of a str without a copy. The limited API has this function from 3.10
// on; older Pythons have it all the same, so it is looked up at run time.
static const char *(*lend_utf8)(PyObject *, Py_ssize_t *);

void utf8_init(void)
{
	*(void **)&lend_utf8 = dlsym(RTLD_DEFAULT, "PyUnicode_AsUTF8AndSize");
}

int utf8(PyObject *s, const char **p, Py_ssize_t *n, PyObject **hold)
{
	char *text;

	*hold = NULL;
	if (lend_utf8 != NULL) {
		*p = lend_utf8(s, n);
		if (*p != NULL)
			return 0;
	} else if ((*hold = PyUnicode_AsUTF8String(s)) != NULL) {
		if (PyBytes_AsStringAndSize(*hold, &text, n) == 0) {
			*p = text;
			return 0;
		}
		Py_CLEAR(*hold);
	}
	if (PyErr_ExceptionMatches(PyExc_UnicodeError)) {
		PyErr_Clear();
		PyErr_SetString(PyExc_TypeError, "text with a lone surrogate cannot be encoded in UTF-8");
	}
	return -1;
}
