// SPDX-License-Identifier: Apache-2.0
//
// Encoded values to Python objects.

#include "native.h"

PyObject *text_or_bytes(const uint8_t *p, size_t n)
{
	PyObject *text = PyUnicode_DecodeUTF8((const char *)p, (Py_ssize_t)n, NULL);

	if (text != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
		return text;
	PyErr_Clear();
	return PyBytes_FromStringAndSize((const char *)p, (Py_ssize_t)n);
}

static PyObject *decode_vector(reader *r, uint32_t n, int immutable, int depth)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)n), *item;
	uint32_t i;

	for (i = 0; tuple != NULL && i < n; i++) {
		item = decode_value(r, immutable, depth);
		if (item == NULL) {
			Py_CLEAR(tuple);
			break;
		}
		PyTuple_SetItem(tuple, (Py_ssize_t)i, item);
	}
	return tuple;
}

static PyObject *decode_set(reader *r, uint32_t n, int immutable, int depth)
{
	PyObject *set = immutable ? PyFrozenSet_New(NULL) : PySet_New(NULL), *item;
	int result;

	for (; set != NULL && n > 0; n--) {
		item = decode_value(r, immutable, depth);
		result = item != NULL ? PySet_Add(set, item) : -1;
		Py_XDECREF(item);
		if (result < 0)
			Py_CLEAR(set);
	}
	return set;
}

static PyObject *decode_table(reader *r, uint32_t n, int immutable, int depth)
{
	PyObject *dict, *key, *value;
	int result;

	if (immutable && native.hook.frozen_dict != NULL) {
		dict = PyObject_CallFunctionObjArgs(native.hook.frozen_dict, NULL);
		if (dict != NULL && !PyDict_Check(dict)) {
			PyErr_SetString(PyExc_TypeError, "the class for immutable tables is no subclass of dict");
			Py_CLEAR(dict);
		}
	} else {
		dict = PyDict_New();
	}
	for (; dict != NULL && n > 0; n--) {
		key = decode_value(r, immutable, depth);
		value = key != NULL ? decode_value(r, immutable, depth) : NULL;
		result = value != NULL ? PyDict_SetItem(dict, key, value) : -1;
		Py_XDECREF(key);
		Py_XDECREF(value);
		if (result < 0)
			Py_CLEAR(dict);
	}
	return dict;
}

static PyObject *decode_container(reader *r, int tag, int immutable, int depth)
{
	uint32_t n;
	size_t left;

	if (depth >= MAX_DEPTH) {
		bad_value(r, "nested too deeply");
		return NULL;
	}
	if (read_size(r, &n) < 0) {
		bad_value(r, "no size");
		return NULL;
	}
	left = (size_t)(r->end - r->p);
	if (n > left || (tag == TAG_TABLE && n > left / 2)) {
		bad_value(r, "a container that does not end");
		return NULL;
	}
	switch (tag) {
	case TAG_SET:
		return decode_set(r, n, immutable, depth + 1);
	case TAG_TABLE:
		return decode_table(r, n, immutable, depth + 1);
	default:
		return decode_vector(r, n, immutable, depth + 1);
	}
}

static PyObject *decode_text(reader *r, int tag)
{
	const uint8_t *p;
	uint32_t n;

	if (read_size(r, &n) < 0 || n > (size_t)(r->end - r->p)) {
		bad_value(r, "a string that does not end");
		return NULL;
	}
	p = r->p;
	r->p += n;
	return tag == TAG_STRING ? text_or_bytes(p, n) : enum_new(native.enumv, p, n);
}

static PyObject *decode_fixed(int tag, const uint8_t *p)
{
	switch (tag) {
	case TAG_NONE:
		Py_INCREF(Py_None);
		return Py_None;
	case TAG_BOOLEAN:
		return PyBool_FromLong(*p != 0);
	case TAG_COUNT:
		return count_new(native.count, load64(p));
	case TAG_INTEGER:
		return PyLong_FromLongLong((int64_t)load64(p));
	case TAG_REAL:
		return PyFloat_FromDouble(real_from_wire(load64(p)));
	case TAG_ADDRESS:
		return ip_of(p);
	case TAG_SUBNET:
		return network_of(p, p[16]);
	case TAG_PORT:
		return port_new(native.port, (unsigned)p[0] << 8 | p[1], p[2]);
	case TAG_TIMESTAMP:
		return datetime_of((int64_t)load64(p));
	default:
		return timedelta_of((int64_t)load64(p));
	}
}

PyObject *decode_value(reader *r, int immutable, int depth)
{
	const uint8_t *p = r->p;
	int tag, width;

	if (p >= r->end || *p >= TAG_END) {
		bad_value(r, p >= r->end ? "bytes missing" : "an unknown tag");
		return NULL;
	}
	tag = *p++;
	r->p = p;
	width = fixed_width(tag);
	if (width < 0)
		return tag >= TAG_SET ? decode_container(r, tag, immutable, depth) : decode_text(r, tag);
	if (width > r->end - p || (tag == TAG_PORT && p[2] > 3)) {
		bad_value(r, tag == TAG_PORT && width <= r->end - p ? "an unknown protocol" : "bytes missing");
		return NULL;
	}
	r->p += width;
	return decode_fixed(tag, p);
}

PyObject *decode_whole(const void *p, size_t n, int immutable)
{
	reader r = {p, (const uint8_t *)p + n, p};
	PyObject *value = decode_value(&r, immutable, 0);

	if (value != NULL && r.p != r.end) {
		bad_value(&r, "bytes left over");
		Py_CLEAR(value);
	}
	return value;
}
