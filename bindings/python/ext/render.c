// SPDX-License-Identifier: Apache-2.0
//
// Values as text, in the form that Broker prints them.

#include "native.h"

#include <stdio.h>

static int put(buf *out, const char *text)
{
	return buf_put(out, text, strlen(text));
}

const char *protocol_name(int protocol)
{
	static const char *names[] = {"?", "tcp", "udp", "icmp"};

	return names[protocol & 3];
}

// longest_gap finds the first longest run of two or more zero groups.
static int longest_gap(const unsigned groups[8], int *length)
{
	int at = -1, i = 0, begin;

	*length = 1;
	while (i < 8) {
		for (begin = i; i < 8 && groups[i] == 0; i++)
			;
		if (i - begin > *length) {
			*length = i - begin;
			at = begin;
		}
		if (i == begin)
			i++;
	}
	return at;
}

int render_address(buf *out, const uint8_t a[16])
{
	unsigned groups[8];
	int i, gap, length;
	char text[64];

	if (is_v4(a)) {
		snprintf(text, sizeof text, "%u.%u.%u.%u", a[12], a[13], a[14], a[15]);
		return put(out, text);
	}
	for (i = 0; i < 8; i++)
		groups[i] = (unsigned)a[2 * i] << 8 | a[2 * i + 1];
	gap = longest_gap(groups, &length);
	for (i = 0; i < 8; i++) {
		if (i == gap) {
			if (put(out, "::") < 0)
				return -1;
			i += length - 1;
			continue;
		}
		snprintf(text, sizeof text, "%s%x", i > 0 && i != gap + length ? ":" : "", groups[i]);
		if (put(out, text) < 0)
			return -1;
	}
	return 0;
}

static int render_real(buf *out, double f)
{
	char *text = PyOS_double_to_string(f, 'f', 6, 0, NULL);
	int result;

	if (text == NULL)
		return -1;
	result = put(out, text);
	PyMem_Free(text);
	return result;
}

static int render_fixed(buf *out, int tag, const uint8_t *p)
{
	char text[64];

	switch (tag) {
	case TAG_NONE:
		return put(out, "nil");
	case TAG_BOOLEAN:
		return put(out, *p ? "T" : "F");
	case TAG_COUNT:
		snprintf(text, sizeof text, "%llu", (unsigned long long)load64(p));
		break;
	case TAG_REAL:
		return render_real(out, real_from_wire(load64(p)));
	case TAG_ADDRESS:
		return render_address(out, p);
	case TAG_SUBNET:
		snprintf(text, sizeof text, "/%u", (unsigned)(uint8_t)(is_v4(p) ? p[16] - 96 : p[16]));
		return render_address(out, p) < 0 ? -1 : put(out, text);
	case TAG_PORT:
		snprintf(text, sizeof text, "%u/%s", (unsigned)p[0] << 8 | p[1], protocol_name(p[2]));
		break;
	default:
		snprintf(text, sizeof text, "%lld%s", (long long)load64(p), tag == TAG_INTEGER ? "" : "ns");
	}
	return put(out, text);
}

static int render_container(reader *r, int tag, buf *out, int depth)
{
	uint32_t n, i;

	if (depth >= MAX_DEPTH)
		return bad_value(r, "nested too deeply");
	if (read_size(r, &n) < 0)
		return bad_value(r, "no size");
	if (put(out, tag == TAG_VECTOR ? "(" : "{") < 0)
		return -1;
	for (i = 0; i < n; i++) {
		if ((i > 0 && put(out, ", ") < 0) || render_value(r, out, depth + 1) < 0)
			return -1;
		if (tag == TAG_TABLE && (put(out, " -> ") < 0 || render_value(r, out, depth + 1) < 0))
			return -1;
	}
	return put(out, tag == TAG_VECTOR ? ")" : "}");
}

int render_value(reader *r, buf *out, int depth)
{
	uint32_t n;
	int tag, width;

	if (r->p >= r->end || *r->p >= TAG_END)
		return bad_value(r, "no value");
	tag = *r->p++;
	if (tag >= TAG_SET)
		return render_container(r, tag, out, depth);
	width = fixed_width(tag);
	if (width < 0) {
		if (read_size(r, &n) < 0 || n > (size_t)(r->end - r->p))
			return bad_value(r, "a string that does not end");
		r->p += n;
		return buf_put(out, r->p - n, n);
	}
	if (width > r->end - r->p)
		return bad_value(r, "bytes missing");
	r->p += width;
	return render_fixed(out, tag, r->p - width);
}
