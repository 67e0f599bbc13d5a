// SPDX-License-Identifier: Apache-2.0
//
// The encoding of single values: what is on the wire, how far a value reaches,
// and its canonical form.

#include "native.h"

#include <math.h>
#include <stdlib.h>

uint64_t load64(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, 8);
	return __builtin_bswap64(w);
}

void store64(uint8_t *p, uint64_t w)
{
	w = __builtin_bswap64(w);
	memcpy(p, &w, 8);
}

// Reals are IEEE 754 but for these.
#define WIRE_NAN UINT64_MAX
#define WIRE_POS_INF 0xfff0000000000000u
#define WIRE_NEG_INF 0x7ff0000000000000u
#define SIGN_BIT 0x8000000000000000u
#define EXPONENT 0x7ff0000000000000u
#define FRACTION 0x000fffffffffffffu

uint64_t real_to_wire(double f)
{
	uint64_t u;

	memcpy(&u, &f, 8);
	switch (u & EXPONENT) {
	case 0:
		return u & SIGN_BIT;   // the wire has no subnormals
	case EXPONENT:
		if (isnan(f))
			return WIRE_NAN;
		return f > 0 ? WIRE_POS_INF : WIRE_NEG_INF;
	default:
		return u;
	}
}

double real_from_wire(uint64_t u)
{
	double f;

	memcpy(&f, &u, 8);
	switch (u & EXPONENT) {
	case 0:
		if ((u & FRACTION) == 0)
			return f;
		return copysign(ldexp(1 + (double)(u & FRACTION) / 4503599627370496.0, -1023), f);
	case EXPONENT:
		if (u == WIRE_NAN)
			return (double)NAN;
		if (u == WIRE_POS_INF || (u != WIRE_NEG_INF && (u & SIGN_BIT) == 0))
			return (double)INFINITY;
		return -(double)INFINITY;
	default:
		return f;
	}
}

int is_v4(const uint8_t address[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(address, mapped, sizeof mapped) == 0;
}

int bad_value(const reader *r, const char *what)
{
	if (!PyErr_Occurred())
		PyErr_Format(PyExc_ValueError, "not a Broker value: %s at offset %zd", what, (Py_ssize_t)(r->p - r->start));
	return -1;
}

int read_size(reader *r, uint32_t *n)
{
	uint64_t u = 0;
	int i;

	for (i = 0; i < 5; i++) {
		if (r->p + i >= r->end)
			return -1;
		u |= (uint64_t)(r->p[i] & 0x7f) << (7 * i);
		if (r->p[i] < 0x80) {
			if (u > UINT32_MAX)
				return -1;
			*n = (uint32_t)u;
			r->p += i + 1;
			return 0;
		}
	}
	return -1;
}

int fixed_width(int tag)
{
	static const int8_t widths[TAG_END] = {0, 1, 8, 8, 8, -1, 16, 17, 3, 8, 8, -1, -1, -1, -1};

	return widths[tag];
}

// leaf copies what is no container.
static int leaf(reader *r, int tag, buf *out)
{
	int width = fixed_width(tag);
	uint32_t n;
	uint8_t flag;

	if (width < 0) {
		if (read_size(r, &n) < 0 || n > (size_t)(r->end - r->p))
			return bad_value(r, "a string that does not end");
		if (buf_tagged(out, tag, NULL, 0) < 0 || buf_size(out, n) < 0 || buf_put(out, r->p, n) < 0)
			return -1;
		r->p += n;
		return 0;
	}
	if (width > r->end - r->p)
		return bad_value(r, "bytes missing");
	if (tag == TAG_PORT && r->p[2] > 3)
		return bad_value(r, "an unknown protocol");
	if (tag == TAG_BOOLEAN) {
		flag = *r->p++ != 0;
		return buf_tagged(out, tag, &flag, 1);
	}
	if (tag == TAG_REAL && (load64(r->p) & EXPONENT) == EXPONENT) {
		r->p += 8;
		return buf_word(out, tag, real_to_wire(real_from_wire(load64(r->p - 8))));
	}
	r->p += width;
	return buf_tagged(out, tag, r->p - width, (size_t)width);
}

// members copies the n elements or entries of a set or table, in order.
static int members(reader *r, buf *out, size_t n, int each, size_t mark, int depth)
{
	part *parts = malloc((n + 1) * sizeof *parts);
	int result = -1;
	size_t i;

	if (parts == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	for (i = 0; i < n; i++) {
		parts[i].start = out->len;
		parts[i].index = i;
		if (canonical(r, out, depth) < 0 || (each > 1 && canonical(r, out, depth) < 0))
			goto done;
		parts[i].end = out->len;
	}
	switch (order_parts(out, mark, parts, n, REFUSE)) {
	case 0:
		result = 0;
		break;
	case -1:
		break;
	default:
		bad_value(r, each > 1 ? "a key twice in the table" : "an element twice in the set");
	}
done:
	free(parts);
	return result;
}

int canonical(reader *r, buf *out, int depth)
{
	uint32_t n, i;
	size_t mark;
	int tag, each;

	if (r->p >= r->end)
		return bad_value(r, "bytes missing");
	tag = *r->p;
	if (tag >= TAG_END)
		return bad_value(r, "an unknown tag");
	r->p++;
	if (tag < TAG_SET)
		return leaf(r, tag, out);
	if (depth >= MAX_DEPTH)
		return bad_value(r, "nested too deeply");
	each = tag == TAG_TABLE ? 2 : 1;
	if (read_size(r, &n) < 0 || n > (size_t)(r->end - r->p) / (size_t)each)
		return bad_value(r, "a container that does not end");
	if (buf_tagged(out, tag, NULL, 0) < 0)
		return -1;
	mark = out->len;
	if (buf_size(out, n) < 0)
		return -1;
	if (tag != TAG_VECTOR)
		return members(r, out, n, each, mark, depth + 1);
	for (i = 0; i < n; i++) {
		if (canonical(r, out, depth + 1) < 0)
			return -1;
	}
	return 0;
}

int skip_value(reader *r, int depth)
{
	uint32_t n;
	int tag, width;

	if (r->p >= r->end || *r->p >= TAG_END)
		return bad_value(r, "no value");
	tag = *r->p++;
	width = fixed_width(tag);
	if (width >= 0) {
		if (width > r->end - r->p)
			return bad_value(r, "bytes missing");
		r->p += width;
		return 0;
	}
	if (read_size(r, &n) < 0 || n > (size_t)(r->end - r->p))
		return bad_value(r, "a value that does not end");
	if (tag < TAG_SET) {
		r->p += n;
		return 0;
	}
	if (depth >= MAX_DEPTH)
		return bad_value(r, "nested too deeply");
	for (; n > 0; n--) {
		if (skip_value(r, depth + 1) < 0 || (tag == TAG_TABLE && skip_value(r, depth + 1) < 0))
			return -1;
	}
	return 0;
}
