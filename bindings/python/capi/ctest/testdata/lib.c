/* SPDX-License-Identifier: Apache-2.0 */
#include "ctest.h"

#include <dirent.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

struct library L;
bm_bytes err;

void fail(const char *file, int line, const char *format, ...) {
	fprintf(stderr, "%s:%d: ", file, line);
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (err.data) fprintf(stderr, ": %.*s", (int)err.len, (char *)err.data);
	fprintf(stderr, "\n");
	exit(1);
}

void want(const char *file, int line, const char *what, long got, long wanted) {
	if (got != wanted) fail(file, line, "%s is %ld, want %ld", what, got, wanted);
}

void says(const char *file, int line, const char *word) {
	char text[4096];
	snprintf(text, sizeof text, "%.*s", (int)err.len, err.data ? (char *)err.data : "");
	if (!strstr(text, word)) fail(file, line, "the error doesn't say %s", word);
	drop(&err);
}

void drop(bm_bytes *b) {
	L.bm_free(b->data);
	*b = (bm_bytes){0};
}

/* ---- values */
static val make(int tag, const void *p, size_t n) {
	val v = {malloc(n + 1), n + 1};
	v.p[0] = (unsigned char)tag;
	if (n) memcpy(v.p + 1, p, n);
	return v;
}
static val word(int tag, uint64_t n) {
	unsigned char b[8];
	for (int i = 0; i < 8; i++) b[i] = (unsigned char)(n >> (56 - 8 * i));
	return make(tag, b, 8);
}
static size_t put_size(unsigned char *p, size_t n) {
	size_t k = 0;
	for (; n > 127; n >>= 7) p[k++] = (unsigned char)(n | 128);
	p[k++] = (unsigned char)n;
	return k;
}
static size_t get_size(const unsigned char *p, size_t *n) {
	size_t k = 0;
	*n = 0;
	for (int shift = 0;; shift += 7) {
		*n |= (size_t)(p[k] & 127) << shift;
		if (p[k++] < 128) return k;
	}
}
static val text(int tag, const char *s, size_t n) {
	val v = {malloc(n + 11), 0};
	v.p[0] = (unsigned char)tag;
	v.n = 1 + put_size(v.p + 1, n);
	memcpy(v.p + v.n, s, n);
	v.n += n;
	return v;
}
val v_raw(const void *p, size_t n) {
	val v = {malloc(n + 1), n};
	memcpy(v.p, p, n);
	return v;
}
val v_none(void) { return make(0, NULL, 0); }
val v_bool(bool b) { return make(1, &(unsigned char){b}, 1); }
val v_count(uint64_t n) { return word(2, n); }
val v_int(int64_t n) { return word(3, (uint64_t)n); }
val v_str(const char *s) { return text(5, s, strlen(s)); }
val v_enum(const char *s) { return text(11, s, strlen(s)); }
val v_span(int64_t ns) { return word(10, (uint64_t)ns); }
void v_free(val v) { free(v.p); }

val v_seq(int tag, ...) {
	val parts[64];
	size_t k = 0, bytes = 0;
	va_list args;
	va_start(args, tag);
	for (val v = va_arg(args, val); v.p; v = va_arg(args, val)) {
		parts[k++] = v;
		bytes += v.n;
	}
	va_end(args);
	val out = {malloc(bytes + 11), 0};
	out.p[0] = (unsigned char)tag;
	out.n = 1 + put_size(out.p + 1, tag == 13 ? k / 2 : k);
	for (size_t i = 0; i < k; i++) {
		memcpy(out.p + out.n, parts[i].p, parts[i].n);
		out.n += parts[i].n;
		free(parts[i].p);
	}
	return out;
}

bool same(bm_bytes b, val v) {
	bool ok = b.len == v.n && memcmp(b.data, v.p, v.n) == 0;
	v_free(v);
	return ok;
}

void is(const char *file, int line, bm_bytes *b, val v) {
	if (b->len != v.n || memcmp(b->data, v.p, v.n)) {
		for (size_t i = 0; i < b->len; i++) fprintf(stderr, "%02x", b->data[i]);
		fprintf(stderr, " instead of ");
		for (size_t i = 0; i < v.n; i++) fprintf(stderr, "%02x", v.p[i]);
		fail(file, line, "\nanother value");
	}
	v_free(v);
	drop(b);
}

static size_t size_of(const unsigned char *p) {
	static const size_t fixed[] = {1, 2, 9, 9, 9, 0, 17, 18, 4, 9, 9, 0, 0, 0, 0};
	if (p[0] > 14) fail(__FILE__, __LINE__, "a tag of %d", p[0]);
	if (fixed[p[0]]) return fixed[p[0]];
	size_t n, k = 1 + get_size(p + 1, &n);
	if (p[0] == 5 || p[0] == 11) return k + n;
	if (p[0] == 13) n *= 2;
	for (size_t i = 0; i < n; i++) k += size_of(p + k);
	return k;
}

val v_at(val v, unsigned i) {
	size_t n, k = 1 + get_size(v.p + 1, &n);
	if (v.p[0] == 13) n *= 2;
	if (v.p[0] < 12 || i >= n) fail(__FILE__, __LINE__, "no element %u", i);
	while (i--) k += size_of(v.p + k);
	return (val){v.p + k, size_of(v.p + k)};
}

uint64_t v_num(val v) {
	uint64_t n = 0;
	if (v.n != 9) fail(__FILE__, __LINE__, "a tag of %d is no number", v.p[0]);
	for (int i = 1; i < 9; i++) n = n << 8 | v.p[i];
	return n;
}

bool v_is(val v, const char *s) {
	val w = v_str(s);
	bool ok = w.n == v.n && memcmp(w.p, v.p, w.n) == 0;
	v_free(w);
	return ok;
}

val v_get(val table, const char *key) {
	size_t n;
	get_size(table.p + 1, &n);
	for (unsigned i = 0; i < n; i++)
		if (v_is(v_at(table, 2 * i), key)) return v_at(table, 2 * i + 1);
	fail(__FILE__, __LINE__, "no %s in the table", key);
}

/* ---- frames */
val frame(const char *topic, val v) {
	uint32_t head[2] = {(uint32_t)strlen(topic), (uint32_t)v.n};
	val f = {malloc(8 + head[0] + v.n), 8 + head[0] + v.n};
	memcpy(f.p, head, 8);
	memcpy(f.p + 8, topic, head[0]);
	memcpy(f.p + 8 + head[0], v.p, v.n);
	v_free(v);
	return f;
}
val frames(val a, val b) {
	a.p = realloc(a.p, a.n + b.n);
	memcpy(a.p + a.n, b.p, b.n);
	a.n += b.n;
	v_free(b);
	return a;
}
static const unsigned char *find_frame(bm_bytes f, unsigned i, uint32_t head[2]) {
	for (size_t at = 0;; at += 8 + head[0] + head[1]) {
		if (at + 8 > f.len) fail(__FILE__, __LINE__, "no such frame");
		memcpy(head, f.data + at, 8);
		if (!i--) return f.data + at + 8;
	}
}
unsigned n_frames(bm_bytes f) {
	unsigned n = 0;
	uint32_t head[2];
	for (size_t at = 0; at < f.len; n++, at += 8 + head[0] + head[1]) memcpy(head, f.data + at, 8);
	return n;
}
val frame_topic(bm_bytes f, unsigned i) {
	uint32_t head[2];
	const unsigned char *p = find_frame(f, i, head);
	return (val){(unsigned char *)p, head[0]};
}
val frame_value(bm_bytes f, unsigned i) {
	uint32_t head[2];
	const unsigned char *p = find_frame(f, i, head);
	return (val){(unsigned char *)p + head[0], head[1]};
}

/* ---- the library */
bm_handle endpoint(val options) {
	if (!options.p) options = TABLE(v_str("disable_ssl"), v_bool(true));
	bm_handle ep = 0;
	OK(L.bm_endpoint_new(options.p, options.n, &ep, &err));
	TRUE(ep != 0);
	v_free(options);
	return ep;
}
int listens(bm_handle ep) {
	int port = -1;
	OK(L.bm_listen(ep, "127.0.0.1", 9, 0, &port, &err));
	TRUE(port > 0 && port < 65536);
	return port;
}
bm_handle subscribe(bm_handle ep, const char *topic, int *fd) {
	bm_handle sub = 0;
	val topics = VEC(v_str(topic));
	OK(L.bm_subscribe(ep, topics.p, topics.n, &sub, fd, &err));
	v_free(topics);
	return sub;
}
bool readable(int fd, int ms) {
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, ms) == 1;
}
int result(bm_handle call, int fd, bm_bytes *out) {
	for (;;) {
		if (!readable(fd, 60000)) fail(__FILE__, __LINE__, "a call is not over");
		int r = L.bm_result(call, out, &err);
		if (r != BM_AGAIN) return r;
	}
}
int run(bm_handle target, const char *op, val args, bm_bytes *out) {
	bm_handle call = 0;
	int fd = -1;
	int r = L.bm_start(target, op, args.p, args.n, &call, &fd, &err);
	v_free(args);
	return r ? r : result(call, fd, out);
}
void joined(bm_handle a, bm_handle b) {
	int port = listens(b);
	bm_bytes id = {0};
	char text[36];
	OK(run(a, "peer", VEC(v_str("127.0.0.1"), v_count((uint64_t)port)), &id));
	OK(L.bm_endpoint_id(b, text));
	TRUE(id.len == 38 && memcmp(id.data + 2, text, 36) == 0);
	drop(&id);
	char own[37] = {0};
	OK(L.bm_endpoint_id(a, own));
	OK(run(b, "await_peer", VEC(v_str(own)), NULL));
	OK(run(a, "sync", END, NULL));
	OK(run(b, "sync", END, NULL));
}
int publish(bm_handle ep, const char *topic, val v) {
	int r = L.bm_publish(ep, topic, strlen(topic), v.p, v.n, 10000000000, &err);
	v_free(v);
	return r;
}
bm_bytes take(bm_handle sub, int fd, unsigned n) {
	bm_bytes all = {0};
	for (unsigned got = 0; got < n;) {
		if (!readable(fd, 60000)) fail(__FILE__, __LINE__, "%u of %u messages have come", got, n);
		bm_bytes more = {0};
		unsigned k = 0;
		OK(L.bm_sub_take(sub, n - got, 0, &more, &k, &err));
		EQ(n_frames(more), k);
		all.data = realloc(all.data, all.len + more.len + 1);
		if (more.len) memcpy(all.data + all.len, more.data, more.len);
		all.len += more.len;
		got += k;
		drop(&more);
	}
	return all;
}

int open_files(void) {
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d)) n++;
	closedir(d);
	return n;
}
long resident(void) {
	long pages = 0, all = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%ld %ld", &all, &pages) != 2) pages = 0;
	if (f) fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}
double seconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
