// SPDX-License-Identifier: Apache-2.0
//
// Port, Address and Subnet.

#include "native.h"

static PyObject *not_implemented(void)
{
	Py_INCREF(Py_NotImplemented);
	return Py_NotImplemented;
}

PyObject *port_new(PyTypeObject *type, unsigned number, unsigned protocol)
{
	PyObject *self = PyType_GenericAlloc(type, 0);

	if (self != NULL) {
		((port_object *)self)->number = (uint16_t)number;
		((port_object *)self)->protocol = (uint8_t)protocol;
	}
	return self;
}

// small_int reads an int, or a member of an enumeration, from 0 to max.
static int small_int(PyObject *v, long max, const char *what)
{
	PyObject *number = NULL;
	long n = -1;

	if (!PyUnicode_Check(v) && !PyBytes_Check(v) && !PyObject_TypeCheck(v, &PyFloat_Type))
		number = PyNumber_Long(v);
	if (number != NULL) {
		n = PyLong_AsLong(number);
		Py_DECREF(number);
	}
	if (n < 0 || n > max) {
		PyErr_Clear();
		PyErr_Format(PyExc_TypeError, "%s is an int from 0 to %ld, not %R", what, max, v);
		return -1;
	}
	return (int)n;
}

static PyObject *port_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"number", "protocol", NULL};
	PyObject *number = NULL, *protocol = NULL;
	int n = 0, p = 0;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:Port", names, &number, &protocol))
		return NULL;
	if ((number == NULL) != (protocol == NULL)) {
		PyErr_SetString(PyExc_TypeError, "Port needs a number and a protocol, or nothing");
		return NULL;
	}
	if (number != NULL && ((n = small_int(number, 65535, "a port's number")) < 0 || (p = small_int(protocol, 3, "a port's protocol")) < 0))
		return NULL;
	return port_new(type, (unsigned)n, (unsigned)p);
}

static PyObject *port_number(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyLong_FromLong(((port_object *)self)->number);
}

static PyObject *port_type(PyObject *self, PyObject *unused)
{
	(void)unused;
	return hooked(native.hook.port_type, PyLong_FromLong(((port_object *)self)->protocol));
}

static PyObject *port_repr(PyObject *self)
{
	port_object *p = (port_object *)self;

	return PyUnicode_FromFormat("%u/%s", (unsigned)p->number, protocol_name(p->protocol));
}

static long port_key(PyObject *self)
{
	port_object *p = (port_object *)self;

	return (long)p->number << 8 | p->protocol;
}

static Py_hash_t port_hash(PyObject *self)
{
	return (Py_hash_t)port_key(self);
}

static PyObject *port_compare(PyObject *a, PyObject *b, int op)
{
	if (!PyObject_TypeCheck(a, native.port) || !PyObject_TypeCheck(b, native.port))
		return not_implemented();
	return rich_result((port_key(a) > port_key(b)) - (port_key(a) < port_key(b)), op);
}

static PyMethodDef port_methods[] = {
	{"number", port_number, METH_NOARGS, "number($self)\n--\n\nThe number, 0 to 65535."},
	{"get_type", port_type, METH_NOARGS, "get_type($self)\n--\n\nThe protocol."},
	{"__reduce__", bm_reduce, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot port_slots[] = {
	{Py_tp_doc, "Port(number=0, protocol=Port.Unknown)\n--\n\nA port of a protocol, such as 80/tcp."},
	{Py_tp_new, port_make},
	{Py_tp_dealloc, plain_dealloc},
	{Py_tp_repr, port_repr},
	{Py_tp_hash, port_hash},
	{Py_tp_richcompare, port_compare},
	{Py_tp_methods, port_methods},
	{0, NULL},
};

PyType_Spec port_spec = {"broker._native.Port", sizeof(port_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, port_slots};

void mask_bits(uint8_t address[16], unsigned bits)
{
	unsigned i;

	for (i = 0; i < 16; i++, bits = bits > 8 ? bits - 8 : 0) {
		if (bits < 8)
			address[i] &= (uint8_t)(0xff00u >> bits);
	}
}

PyObject *address_new(PyTypeObject *type, const uint8_t bytes[16])
{
	PyObject *self = PyType_GenericAlloc(type, 0);

	if (self != NULL)
		memcpy(((address_object *)self)->bytes, bytes, 16);
	return self;
}

static PyObject *address_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"bytes", "family", NULL};
	uint8_t raw[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char *p;
	Py_ssize_t n = 0;
	PyObject *bytes = NULL, *family = NULL;
	int f;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|SO:Address", names, &bytes, &family))
		return NULL;
	if (bytes == NULL && family == NULL)
		return address_new(type, memset(raw, 0, 16));
	if (bytes == NULL || family == NULL) {
		PyErr_SetString(PyExc_TypeError, "Address needs bytes and a family (4 or 6), or nothing");
		return NULL;
	}
	f = small_int(family, 6, "an address's family");
	if (f < 0 || PyBytes_AsStringAndSize(bytes, &p, &n) < 0)
		return NULL;
	if (!(f == 4 && n == 4) && !(f == 6 && n == 16)) {
		PyErr_Format(PyExc_ValueError, "an address of family 4 has 4 bytes, one of family 6 has 16; got %zd bytes and family %d", n, f);
		return NULL;
	}
	memcpy(raw + 16 - n, p, (size_t)n);
	return address_new(type, raw);
}

static PyObject *address_mask(PyObject *self, PyObject *bits)
{
	long n = PyLong_AsLong(bits);

	if (n == -1 && PyErr_Occurred())
		return NULL;
	if (n < 0 || n > 128)
		return PyBool_FromLong(0);
	mask_bits(((address_object *)self)->bytes, (unsigned)n);
	return PyBool_FromLong(1);
}

static PyObject *address_is_v4(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyBool_FromLong(is_v4(((address_object *)self)->bytes));
}

static PyObject *address_is_v6(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyBool_FromLong(!is_v4(((address_object *)self)->bytes));
}

static PyObject *address_bytes(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyBytes_FromStringAndSize((char *)((address_object *)self)->bytes, 16);
}

// rendered is the text of any value of this module.
static PyObject *rendered(PyObject *self)
{
	buf raw = {NULL, 0, 0}, text = {NULL, 0, 0};
	PyObject *result = NULL;

	if (encode_into(&raw, self) == 0) {
		reader r = {raw.p, raw.p + raw.len, raw.p};

		if (render_value(&r, &text, 0) == 0)
			result = PyUnicode_DecodeUTF8((char *)text.p, (Py_ssize_t)text.len, NULL);
	}
	buf_free(&raw);
	buf_free(&text);
	return result;
}

static Py_hash_t address_hash(PyObject *self)
{
	return hash_of(((address_object *)self)->bytes, 16);
}

static PyObject *address_compare(PyObject *a, PyObject *b, int op)
{
	if (!PyObject_TypeCheck(a, native.address) || !PyObject_TypeCheck(b, native.address))
		return not_implemented();
	return rich_result(memcmp(((address_object *)a)->bytes, ((address_object *)b)->bytes, 16), op);
}

static PyMethodDef address_methods[] = {
	{"mask", address_mask, METH_O, "mask($self, bits, /)\n--\n\nKeep the first of the 128 bits only. False, and no change, above 128."},
	{"is_v4", address_is_v4, METH_NOARGS, "is_v4($self)\n--\n\nWhether this is an IPv4 address (kept as ::ffff:a.b.c.d)."},
	{"is_v6", address_is_v6, METH_NOARGS, "is_v6($self)\n--\n\nWhether this is no IPv4 address."},
	{"bytes", address_bytes, METH_NOARGS, "bytes($self)\n--\n\nThe 16 bytes in network order."},
	{"__reduce__", bm_reduce, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot address_slots[] = {
	{Py_tp_doc, "Address(bytes=..., family=6)\n--\n\nAn address of IPv4 or IPv6: bytes in network order, and 4 or 6."},
	{Py_tp_new, address_make},
	{Py_tp_dealloc, plain_dealloc},
	{Py_tp_repr, rendered},
	{Py_tp_hash, address_hash},
	{Py_tp_richcompare, address_compare},
	{Py_tp_methods, address_methods},
	{0, NULL},
};

PyType_Spec address_spec = {"broker._native.Address", sizeof(address_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, address_slots};

PyObject *subnet_new(PyTypeObject *type, const uint8_t bytes[16], unsigned length)
{
	PyObject *self = PyType_GenericAlloc(type, 0);

	if (self != NULL) {
		memcpy(((subnet_object *)self)->bytes, bytes, 16);
		((subnet_object *)self)->length = (uint8_t)length;
	}
	return self;
}

static PyObject *subnet_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"address", "length", NULL};
	PyObject *address = NULL;
	uint8_t raw[16] = {0};
	long length = -1;
	int v4;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O!l:Subnet", names, native.address, &address, &length))
		return NULL;
	if (address == NULL)
		return subnet_new(type, raw, 0);
	if (PyTuple_Size(args) + (keywords != NULL ? PyDict_Size(keywords) : 0) < 2) {
		PyErr_SetString(PyExc_TypeError, "Subnet needs an Address and a length, or nothing");
		return NULL;
	}
	v4 = is_v4(((address_object *)address)->bytes);
	if (length < 0 || length > (v4 ? 32 : 128))
		return subnet_new(type, raw, 0);   // as the reference has it
	memcpy(raw, ((address_object *)address)->bytes, 16);
	length += v4 ? 96 : 0;
	mask_bits(raw, (unsigned)length);
	return subnet_new(type, raw, (unsigned)length);
}

static PyObject *subnet_contains(PyObject *self, PyObject *address)
{
	subnet_object *s = (subnet_object *)self;
	uint8_t raw[16];

	if (!PyObject_TypeCheck(address, native.address)) {
		PyErr_Format(PyExc_TypeError, "contains() needs an Address, not %R", (PyObject *)Py_TYPE(address));
		return NULL;
	}
	memcpy(raw, ((address_object *)address)->bytes, 16);
	mask_bits(raw, s->length);
	return PyBool_FromLong(memcmp(raw, s->bytes, 16) == 0);
}

static PyObject *subnet_network(PyObject *self, PyObject *unused)
{
	(void)unused;
	return address_new(native.address, ((subnet_object *)self)->bytes);
}

static PyObject *subnet_length(PyObject *self, PyObject *unused)
{
	subnet_object *s = (subnet_object *)self;

	(void)unused;
	return PyLong_FromLong((uint8_t)(s->length - (is_v4(s->bytes) ? 96 : 0)));
}

static Py_hash_t subnet_hash(PyObject *self)
{
	return hash_of(((subnet_object *)self)->bytes, 17);
}

static PyObject *subnet_compare(PyObject *a, PyObject *b, int op)
{
	if (!PyObject_TypeCheck(a, native.subnet) || !PyObject_TypeCheck(b, native.subnet))
		return not_implemented();
	return rich_result(memcmp(((subnet_object *)a)->bytes, ((subnet_object *)b)->bytes, 17), op);
}

static PyMethodDef subnet_methods[] = {
	{"contains", subnet_contains, METH_O, "contains($self, address, /)\n--\n\nWhether the Address is in the subnet."},
	{"network", subnet_network, METH_NOARGS, "network($self)\n--\n\nThe first Address."},
	{"length", subnet_length, METH_NOARGS, "length($self)\n--\n\nThe number of bits, to 32 for IPv4, to 128 for IPv6."},
	{"__reduce__", bm_reduce, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot subnet_slots[] = {
	{Py_tp_doc, "Subnet(address=..., length=0)\n--\n\nA network of an Address and a length; an impossible length gives ::/0."},
	{Py_tp_new, subnet_make},
	{Py_tp_dealloc, plain_dealloc},
	{Py_tp_repr, rendered},
	{Py_tp_hash, subnet_hash},
	{Py_tp_richcompare, subnet_compare},
	{Py_tp_methods, subnet_methods},
	{0, NULL},
};

PyType_Spec subnet_spec = {"broker._native.Subnet", sizeof(subnet_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, subnet_slots};
