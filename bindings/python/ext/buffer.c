// SPDX-License-Identifier: Apache-2.0
//
// Buffers that grow, and a few of them kept warm.

#include "native.h"

#include <stdlib.h>

int buf_room(buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;
	uint8_t *p;

	if (b->cap - b->len >= n)
		return 0;
	if (n > PY_SSIZE_T_MAX / 2 || b->len > PY_SSIZE_T_MAX / 2) {
		PyErr_NoMemory();
		return -1;
	}
	while (cap - b->len < n)
		cap *= 2;
	p = realloc(b->p, cap);
	if (p == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	b->p = p;
	b->cap = cap;
	return 0;
}

int buf_put(buf *b, const void *p, size_t n)
{
	if (buf_room(b, n) < 0)
		return -1;
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

int buf_tagged(buf *b, int tag, const void *p, size_t n)
{
	if (buf_room(b, n + 1) < 0)
		return -1;
	b->p[b->len++] = (uint8_t)tag;
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

int buf_word(buf *b, int tag, uint64_t w)
{
	if (buf_room(b, 9) < 0)
		return -1;
	b->p[b->len] = (uint8_t)tag;
	store64(b->p + b->len + 1, w);
	b->len += 9;
	return 0;
}

int buf_size(buf *b, uint64_t n)
{
	if (n > UINT32_MAX) {
		PyErr_SetString(PyExc_OverflowError, "value too large: a size has 32 bits");
		return -1;
	}
	if (buf_room(b, 5) < 0)
		return -1;
	for (; n >= 0x80; n >>= 7)
		b->p[b->len++] = (uint8_t)(n | 0x80);
	b->p[b->len++] = (uint8_t)n;
	return 0;
}

void buf_free(buf *b)
{
	free(b->p);
	b->p = NULL;
	b->len = b->cap = 0;
}

// What is kept between uses, guarded by the interpreter's lock. Encoding runs
// Python code at times, and so may take a second buffer while it has a first.
#define KEPT 4
#define KEPT_BYTES (64 * 1024)
static buf *kept[KEPT];
static int nkept;

buf *scratch_take(void)
{
	buf *b;

	if (nkept > 0) {
		b = kept[--nkept];
		b->len = 0;
		return b;
	}
	b = calloc(1, sizeof *b);
	if (b == NULL)
		PyErr_NoMemory();
	return b;
}

void scratch_give(buf *b)
{
	if (b->cap <= KEPT_BYTES && nkept < KEPT) {
		kept[nkept++] = b;
		return;
	}
	buf_free(b);
	free(b);
}
