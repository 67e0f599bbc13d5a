// SPDX-License-Identifier: Apache-2.0
//
// Values of the standard library: datetime and ipaddress, to which the limited
// API has no access in C, so that everything goes through cached callables.

#include "native.h"

#define SECOND INT64_C(1000000000)
#define DAY (86400 * SECOND)

static PyObject *call1(PyObject *f, PyObject *a)
{
	PyObject *result = a != NULL ? PyObject_CallFunctionObjArgs(f, a, NULL) : NULL;

	Py_XDECREF(a);
	return result;
}

int times_init(void)
{
	PyObject *datetime = PyImport_ImportModule("datetime"), *ip = PyImport_ImportModule("ipaddress");
	PyObject *types = PyImport_ImportModule("types"), *zone = NULL, *utc = NULL;

	if (datetime == NULL || ip == NULL || types == NULL)
		goto done;
	native.timedelta = PyObject_GetAttrString(datetime, "timedelta");
	native.datetime = PyObject_GetAttrString(datetime, "datetime");
	native.ip4 = PyObject_GetAttrString(ip, "IPv4Address");
	native.ip6 = PyObject_GetAttrString(ip, "IPv6Address");
	native.net4 = PyObject_GetAttrString(ip, "IPv4Network");
	native.net6 = PyObject_GetAttrString(ip, "IPv6Network");
	native.mappingproxy = PyObject_GetAttrString(types, "MappingProxyType");
	zone = PyObject_GetAttrString(datetime, "timezone");
	utc = zone != NULL ? PyObject_GetAttrString(zone, "utc") : NULL;
	if (native.datetime != NULL && utc != NULL)
		native.epoch = PyObject_CallFunction(native.datetime, "iiiiiiiO", 1970, 1, 1, 0, 0, 0, 0, utc);
done:
	Py_XDECREF(datetime);
	Py_XDECREF(ip);
	Py_XDECREF(types);
	Py_XDECREF(zone);
	Py_XDECREF(utc);
	return PyErr_Occurred() ? -1 : 0;
}

// timedelta_of rounds to the microsecond, halves to even, as Python does.
PyObject *timedelta_of(int64_t ns)
{
	int64_t us = ns / 1000, rest = ns % 1000, days, seconds;

	if (rest < 0) {
		rest += 1000;
		us--;
	}
	if (rest > 500 || (rest == 500 && (us & 1) != 0))
		us++;
	days = us / (DAY / 1000);
	us %= DAY / 1000;
	if (us < 0) {
		us += DAY / 1000;
		days--;
	}
	seconds = us / 1000000;
	return PyObject_CallFunction(native.timedelta, "iii", (int)days, (int)seconds, (int)(us % 1000000));
}

PyObject *datetime_of(int64_t ns)
{
	PyObject *delta = timedelta_of(ns), *result;

	if (delta == NULL)
		return NULL;
	result = PyNumber_Add(native.epoch, delta);
	Py_DECREF(delta);
	return result;
}

static int attribute(PyObject *o, const char *name, int64_t *value)
{
	PyObject *a = PyObject_GetAttrString(o, name);
	long long v;

	if (a == NULL)
		return -1;
	v = PyLong_AsLongLong(a);
	Py_DECREF(a);
	*value = v;
	return v == -1 && PyErr_Occurred() ? -1 : 0;
}

int ns_of_timedelta(PyObject *delta, int64_t *ns, int *overflow)
{
	int64_t days, seconds, us, low;

	*overflow = 0;
	if (attribute(delta, "days", &days) < 0 || attribute(delta, "seconds", &seconds) < 0 ||
	    attribute(delta, "microseconds", &us) < 0)
		return -1;
	low = seconds * SECOND + us * 1000;
	if (days < 0) {   // so that the most negative timespan can be reached
		days++;
		low -= DAY;
	}
	if (__builtin_mul_overflow(days, DAY, ns) || __builtin_add_overflow(*ns, low, ns))
		*overflow = 1;
	return 0;
}

int ns_of_datetime(PyObject *when, int64_t *ns, int *overflow)
{
	PyObject *zone = PyObject_GetAttrString(when, "tzinfo"), *aware, *delta;
	int result;

	if (zone == NULL)
		return -1;
	if (zone == Py_None) {   // local time
		aware = PyObject_CallMethod(when, "astimezone", NULL);
	} else {
		Py_INCREF(when);
		aware = when;
	}
	Py_DECREF(zone);
	if (aware == NULL)
		return -1;
	delta = PyNumber_Subtract(aware, native.epoch);
	Py_DECREF(aware);
	if (delta == NULL)
		return -1;
	result = ns_of_timedelta(delta, ns, overflow);
	Py_DECREF(delta);
	return result;
}

int ns_of_seconds(double seconds, int64_t *ns)
{
	double f = seconds * 1e9;

	if (f != f) {
		PyErr_SetString(PyExc_ValueError, "NaN is no time");
		return -1;
	}
	if (!(f > -9223372036854775809.0 && f < 9223372036854775808.0)) {
		PyErr_SetString(PyExc_OverflowError, "time does not fit 64 bits of nanoseconds");
		return -1;
	}
	*ns = (int64_t)f;
	return 0;
}

static PyObject *number_of(const uint8_t *p, int n)
{
	PyObject *high, *low, *shift, *shifted, *result = NULL;
	uint64_t w = 0;

	if (n == 4) {
		w = (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
		return PyLong_FromUnsignedLongLong(w);
	}
	high = PyLong_FromUnsignedLongLong(load64(p));
	low = PyLong_FromUnsignedLongLong(load64(p + 8));
	shift = PyLong_FromLong(64);
	shifted = high && low && shift ? PyNumber_Lshift(high, shift) : NULL;
	if (shifted != NULL)
		result = PyNumber_Or(shifted, low);
	Py_XDECREF(high);
	Py_XDECREF(low);
	Py_XDECREF(shift);
	Py_XDECREF(shifted);
	return result;
}

PyObject *ip_of(const uint8_t address[16])
{
	if (is_v4(address))
		return call1(native.ip4, number_of(address + 12, 4));
	return call1(native.ip6, number_of(address, 16));
}

PyObject *network_of(const uint8_t address[16], unsigned length)
{
	uint8_t masked[16];
	int v4 = is_v4(address);
	PyObject *pair;

	if (length > 128 || (v4 && length < 96)) {
		PyErr_Format(PyExc_ValueError, "not a Broker value: subnet of %u bits", length);
		return NULL;
	}
	memcpy(masked, address, 16);
	mask_bits(masked, length);
	pair = v4 ? Py_BuildValue("(NI)", number_of(masked + 12, 4), length - 96) : Py_BuildValue("(NI)", number_of(masked, 16), length);
	return call1(v4 ? native.net4 : native.net6, pair);
}

// packed reads the bytes of an address, v4 as mapped.
static int packed(PyObject *address, uint8_t out[16], int *v4)
{
	PyObject *raw = PyObject_GetAttrString(address, "packed");
	char *p;
	Py_ssize_t n;

	if (raw == NULL || PyBytes_AsStringAndSize(raw, &p, &n) < 0)
		goto failed;
	memset(out, 0, 16);
	*v4 = n == 4;
	if (n == 4) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, p, 4);
	} else if (n == 16) {
		memcpy(out, p, 16);
	} else {
		PyErr_SetString(PyExc_TypeError, "an IP address of neither 4 nor 16 bytes");
		goto failed;
	}
	Py_DECREF(raw);
	return 0;
failed:
	Py_XDECREF(raw);
	return -1;
}

static int put_address(PyObject *v, buf *out)
{
	uint8_t raw[16];
	int v4;

	return packed(v, raw, &v4) < 0 ? -1 : buf_tagged(out, TAG_ADDRESS, raw, 16);
}

static int put_network(PyObject *v, buf *out)
{
	PyObject *address = PyObject_GetAttrString(v, "network_address");
	uint8_t raw[17];
	int64_t length;
	int v4, result;

	if (address == NULL)
		return -1;
	result = packed(address, raw, &v4);
	Py_DECREF(address);
	if (result < 0 || attribute(v, "prefixlen", &length) < 0)
		return -1;
	raw[16] = (uint8_t)(v4 ? length + 96 : length);
	return buf_tagged(out, TAG_SUBNET, raw, sizeof raw);
}

static int is_a(PyObject *v, PyObject *class)
{
	return PyObject_TypeCheck(v, (PyTypeObject *)class);
}

int foreign(PyObject *v, buf *out, PyObject **wrong)
{
	int overflow = 0, span = is_a(v, native.timedelta);
	int64_t ns;

	if (span || is_a(v, native.datetime)) {
		if ((span ? ns_of_timedelta : ns_of_datetime)(v, &ns, &overflow) < 0)
			return -1;
		if (overflow) {
			*wrong = PyUnicode_FromFormat("%R does not fit 64 bits of nanoseconds", v);
			return -1;
		}
		return buf_word(out, span ? TAG_TIMESPAN : TAG_TIMESTAMP, (uint64_t)ns);
	}
	if (is_a(v, native.ip4) || is_a(v, native.ip6))
		return put_address(v, out);
	if (is_a(v, native.net4) || is_a(v, native.net6))
		return put_network(v, out);
	return 1;
}
