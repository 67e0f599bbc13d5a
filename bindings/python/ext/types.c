// SPDX-License-Identifier: Apache-2.0
//
// What the module's types have in common: how instances end, compare, hash and
// are pickled. The types are heap types that Python classes may derive from;
// none but Data and Enum refers to other objects, and those refer to bytes and
// text only, so none can be part of a cycle by itself.

#include "native.h"

void plain_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	freefunc end = (freefunc)PyType_GetSlot(type, Py_tp_free);

	end(self);
	Py_DECREF(type);
}

PyObject *rich_result(int c, int op)
{
	int yes;

	switch (op) {
	case Py_LT:
		yes = c < 0;
		break;
	case Py_LE:
		yes = c <= 0;
		break;
	case Py_EQ:
		yes = c == 0;
		break;
	case Py_NE:
		yes = c != 0;
		break;
	case Py_GT:
		yes = c > 0;
		break;
	default:
		yes = c >= 0;
	}
	return PyBool_FromLong(yes);
}

// hash_of is Python's own hash of bytes, with the seed of the process.
Py_hash_t hash_of(const void *p, size_t n)
{
	PyObject *bytes = PyBytes_FromStringAndSize(p, (Py_ssize_t)n);
	Py_hash_t h;

	if (bytes == NULL)
		return -1;
	h = PyObject_Hash(bytes);
	Py_DECREF(bytes);
	return h;
}

// bm_reduce is __reduce__ of all types: the class, the encoded value, and what
// a subclass keeps in its dictionary.
PyObject *bm_reduce(PyObject *self, PyObject *ignored)
{
	PyObject *bytes = encode_bytes(self), *state, *result;

	(void)ignored;
	if (bytes == NULL)
		return NULL;
	state = PyObject_GetAttrString(self, "__dict__");
	if (state == NULL) {
		PyErr_Clear();
		result = Py_BuildValue("O(ON)", native.restore, (PyObject *)Py_TYPE(self), bytes);
		return result;
	}
	return Py_BuildValue("O(ON)N", native.restore, (PyObject *)Py_TYPE(self), bytes, state);
}

// restored makes the instance from a value's content; NULL without an
// exception if the value is of another type.
static PyObject *restored(PyTypeObject *class, int tag, reader *r)
{
	const uint8_t *p = r->p + 1;
	uint32_t n;

	if (tag == TAG_COUNT && PyType_IsSubtype(class, native.count))
		return count_new(class, load64(p));
	if (tag == TAG_PORT && PyType_IsSubtype(class, native.port))
		return port_new(class, (unsigned)p[0] << 8 | p[1], p[2]);
	if (tag == TAG_ADDRESS && PyType_IsSubtype(class, native.address))
		return address_new(class, p);
	if (tag == TAG_SUBNET && PyType_IsSubtype(class, native.subnet))
		return subnet_new(class, p, p[16]);
	if (tag == TAG_TIMESPAN && PyType_IsSubtype(class, native.timespan))
		return time_new(class, (int64_t)load64(p));
	if (tag == TAG_TIMESTAMP && PyType_IsSubtype(class, native.timestamp))
		return time_new(class, (int64_t)load64(p));
	if (tag == TAG_ENUM && PyType_IsSubtype(class, native.enumv)) {
		r->p = p;
		if (read_size(r, &n) == 0)
			return enum_new(class, r->p, n);
	}
	return NULL;
}

PyObject *bm_restore(PyObject *module, PyObject *args)
{
	PyObject *class, *bytes, *result = NULL;
	char *p;
	Py_ssize_t n;
	buf out = {NULL, 0, 0};
	reader r;

	(void)module;
	if (!PyArg_ParseTuple(args, "OS:_restore", &class, &bytes) || PyBytes_AsStringAndSize(bytes, &p, &n) < 0)
		return NULL;
	if (!PyType_Check(class)) {
		PyErr_SetString(PyExc_TypeError, "_restore() needs a class");
		return NULL;
	}
	r.p = r.start = (const uint8_t *)p;
	r.end = r.p + n;
	if (canonical(&r, &out, 0) < 0)
		goto done;
	if (r.p != r.end) {
		bad_value(&r, "bytes left over");
		goto done;
	}
	r.p = r.start = out.p;
	r.end = out.p + out.len;
	if (PyType_IsSubtype((PyTypeObject *)class, native.data))
		result = data_new((PyTypeObject *)class, PyBytes_FromStringAndSize((char *)out.p, (Py_ssize_t)out.len));
	else
		result = restored((PyTypeObject *)class, *r.p, &r);
	if (result == NULL && !PyErr_Occurred())
		PyErr_Format(PyExc_TypeError, "cannot make %R of such a value", class);
done:
	buf_free(&out);
	return result;
}

int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **out)
{
	const char *name = strrchr(spec->name, '.') + 1;
	PyObject *type = PyType_FromSpec(spec);

	if (type == NULL)
		return -1;
	*out = (PyTypeObject *)type;
	Py_INCREF(type);   // one for the module, one for *out
	if (PyModule_AddObject(module, name, type) < 0) {
		Py_DECREF(type);
		return -1;
	}
	return 0;
}
