// SPDX-License-Identifier: Apache-2.0
//
// The total order of values, on their canonical encoding, and the sorting of
// what sets and tables hold.

#include "native.h"

#include <math.h>
#include <stdlib.h>

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

int compare_bytes(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
	size_t n = na < nb ? na : nb;
	int c = n > 0 ? memcmp(a, b, n) : 0;

	return c != 0 ? ORDER(c, 0) : ORDER(na, nb);
}

// NaN comes before all other reals and equals itself: a total order needs it.
static int compare_reals(double a, double b)
{
	if (isnan(a) || isnan(b))
		return ORDER(isnan(b) != 0, isnan(a) != 0);
	return ORDER(a, b);
}

// Container contents: as far as both go, then the longer one is greater.
static int compare_contents(reader *a, reader *b, int each)
{
	uint32_t na = 0, nb = 0, i, n;
	int c;

	read_size(a, &na);
	read_size(b, &nb);
	n = (na < nb ? na : nb);
	for (i = 0; i < n; i++) {
		c = compare_values(a, b);
		if (c == 0 && each > 1)
			c = compare_values(a, b);
		if (c != 0)
			return c;
	}
	return ORDER(na, nb);
}

static int compare_texts(reader *a, reader *b)
{
	uint32_t na = 0, nb = 0;
	int c;

	read_size(a, &na);
	read_size(b, &nb);
	c = compare_bytes(a->p, na, b->p, nb);
	a->p += na;
	b->p += nb;
	return c;
}

int compare_values(reader *a, reader *b)
{
	int tag = *a->p, width, c;

	if (tag != *b->p)
		return ORDER(tag, *b->p);
	a->p++;
	b->p++;
	width = fixed_width(tag);
	switch (tag) {
	case TAG_STRING:
	case TAG_ENUM:
		return compare_texts(a, b);
	case TAG_SET:
	case TAG_VECTOR:
		return compare_contents(a, b, 1);
	case TAG_TABLE:
		return compare_contents(a, b, 2);
	case TAG_INTEGER:
	case TAG_TIMESTAMP:
	case TAG_TIMESPAN:
		c = ORDER((int64_t)load64(a->p), (int64_t)load64(b->p));
		break;
	case TAG_REAL:
		c = compare_reals(real_from_wire(load64(a->p)), real_from_wire(load64(b->p)));
		break;
	default:
		c = ORDER(memcmp(a->p, b->p, (size_t)width), 0);
	}
	a->p += width;
	b->p += width;
	return c;
}

static int compare_parts(const void *x, const void *y, void *buffer)
{
	const part *a = x, *b = y;
	const buf *content = buffer;
	reader ra = {content->p + a->start, content->p + a->end, content->p};
	reader rb = {content->p + b->start, content->p + b->end, content->p};
	int c = compare_values(&ra, &rb);

	return c != 0 ? c : ORDER(a->index, b->index);   // equal ones in the order in which they came
}

static int same_key(buf *b, const part *x, const part *y)
{
	part z = *y;

	z.index = x->index;
	return compare_parts(x, &z, b) == 0;
}

// rewrite puts the chosen parts of b in their order.
static int rewrite(buf *b, size_t mark, const part *parts, size_t n)
{
	buf old = *b;
	size_t i;

	b->p = NULL;
	b->len = b->cap = 0;
	if (buf_room(b, old.cap) < 0 || buf_put(b, old.p, mark) < 0 || buf_size(b, n) < 0)
		goto failed;
	for (i = 0; i < n; i++) {
		if (buf_put(b, old.p + parts[i].start, parts[i].end - parts[i].start) < 0)
			goto failed;
	}
	buf_free(&old);
	return 0;
failed:
	buf_free(b);
	*b = old;
	return -1;
}

Py_ssize_t order_parts(buf *b, size_t mark, part *parts, size_t n, int keep)
{
	size_t i, m;

	for (i = 1; i < n; i++) {
		part last = parts[i];

		last.index = 0;   // so that an equal one counts as out of order
		if (compare_parts(&parts[i - 1], &last, b) >= 0)
			break;
	}
	if (i >= n)
		return 0;
	qsort_r(parts, n, sizeof *parts, compare_parts, b);
	for (m = 0, i = 0; i < n; i++) {
		if (m > 0 && same_key(b, &parts[m - 1], &parts[i])) {
			if (keep == KEEP_LAST)
				parts[m - 1] = parts[i];
			continue;
		}
		parts[m++] = parts[i];
	}
	if ((keep != REFUSE || m == n) && rewrite(b, mark, parts, m) < 0)
		return -1;
	return (Py_ssize_t)(n - m);
}
