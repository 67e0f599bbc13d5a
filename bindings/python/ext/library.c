// SPDX-License-Identifier: Apache-2.0
//
// Opening libbrokermesh, and what its results mean in Python.

#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

struct library lib;

static const struct {
	const char *name;
	void *at;
} symbols[] = {
	{"bm_abi", &lib.abi},
	{"bm_free", &lib.free},
	{"bm_close", &lib.close},
	{"bm_endpoint_new", &lib.endpoint_new},
	{"bm_endpoint_id", &lib.endpoint_id},
	{"bm_listen", &lib.listen},
	{"bm_publish", &lib.publish},
	{"bm_publish_batch", &lib.publish_batch},
	{"bm_publish_to", &lib.publish_to},
	{"bm_query", &lib.query},
	{"bm_subscribe", &lib.subscribe},
	{"bm_status_subscribe", &lib.status_subscribe},
	{"bm_sub_take", &lib.sub_take},
	{"bm_sub_available", &lib.sub_available},
	{"bm_sub_change", &lib.sub_change},
	{"bm_publisher", &lib.publisher},
	{"bm_publisher_send", &lib.publisher_send},
	{"bm_publisher_state", &lib.publisher_state},
	{"bm_store", &lib.store},
	{"bm_store_read", &lib.store_read},
	{"bm_store_write", &lib.store_write},
	{"bm_start", &lib.start},
	{"bm_fd", &lib.fd},
	{"bm_result", &lib.result},
	{"bm_cancel", &lib.cancel},
};

static void in_child(void)
{
	if (lib.dl != NULL)
		lib.forked = 1;
}

// beside is the path of the library, in the folder of this file.
static int beside(char *path, size_t size)
{
	Dl_info info;
	const char *slash;

	if (dladdr(symbols, &info) == 0 || info.dli_fname == NULL)
		return -1;
	slash = strrchr(info.dli_fname, '/');
	return snprintf(path, size, "%.*slibbrokermesh.so", slash != NULL ? (int)(slash - info.dli_fname + 1) : 0, info.dli_fname) < (int)size ? 0 : -1;
}

static int no_library(const char *why)
{
	PyErr_Format(PyExc_ImportError, "broker's library cannot be used: %s", why != NULL ? why : "unknown reason");
	return -1;
}

int library_open(void)
{
	char path[4096];
	void *dl, *at;
	size_t i;

	if (lib.dl != NULL)
		return 0;
	if (beside(path, sizeof path) < 0)
		return no_library("its folder is unknown");
	dl = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (dl == NULL)
		return no_library(dlerror());
	for (i = 0; i < sizeof symbols / sizeof *symbols; i++) {
		at = dlsym(dl, symbols[i].name);
		if (at == NULL)
			return no_library(dlerror());
		memcpy(symbols[i].at, &at, sizeof at);
	}
	if (lib.abi() != BM_ABI)
		return no_library("it is of another version");
	if (pthread_atfork(NULL, NULL, in_child) != 0)
		return no_library("pthread_atfork failed");
	lib.dl = dl;
	return 0;
}

static const char *meaning(int code)
{
	switch (code) {
	case BM_CLOSED:
		return "closed";
	case BM_AGAIN:
		return "timed out";
	case BM_BADARG:
		return "wrong argument";
	case BM_UNKNOWN:
		return "the outcome of the write is unknown";
	default:
		return "failed";
	}
}

PyObject *fail_code(int code, bm_bytes *err)
{
	const char *text = meaning(code);
	size_t n = strlen(text);
	PyObject *message, *exception;

	if (err != NULL && err->len > 0) {
		text = (const char *)err->data;
		n = err->len;
	}
	message = PyUnicode_DecodeUTF8(text, (Py_ssize_t)n, "replace");
	if (err != NULL) {
		lib.free(err->data);
		err->data = NULL;
		err->len = 0;
	}
	if (message == NULL)
		return NULL;
	if (native.hook.error == NULL) {
		PyErr_SetObject(PyExc_RuntimeError, message);
	} else {
		exception = PyObject_CallFunction(native.hook.error, "iO", code, message);
		if (exception != NULL && PyObject_IsInstance(exception, PyExc_BaseException) == 1)
			PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
		else if (exception != NULL)
			PyErr_SetString(PyExc_TypeError, "the hook for errors answered no exception");
		Py_XDECREF(exception);
	}
	Py_DECREF(message);
	return NULL;
}
