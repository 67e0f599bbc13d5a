/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the test program share: the library's functions, values in binary form, checks. */
#ifndef CTEST_H
#define CTEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brokermesh.h"

/* Every function of the header, once: what is missing in the library is noticed when it is opened. */
#define FUNCTIONS(X) \
	X(bm_abi) X(bm_free) X(bm_close) X(bm_fd) X(bm_endpoint_new) X(bm_endpoint_id) X(bm_listen) X(bm_publish) X(bm_publish_batch) \
	X(bm_publish_to) X(bm_query) X(bm_subscribe) X(bm_status_subscribe) X(bm_sub_take) X(bm_sub_available) X(bm_sub_change) \
	X(bm_publisher) X(bm_publisher_send) X(bm_publisher_state) X(bm_store) X(bm_store_read) X(bm_store_write) X(bm_start) \
	X(bm_result) X(bm_cancel)
struct library {
#define X(f) __typeof__(&f) f;
	FUNCTIONS(X)
#undef X
};
extern struct library L;

/* ---- checks: the first that fails ends the program. err is printed and freed. */
extern bm_bytes err;
_Noreturn void fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void want(const char *file, int line, const char *what, long got, long wanted);
#define OK(call) want(__FILE__, __LINE__, #call, (call), BM_OK)
#define GIVES(code, call) want(__FILE__, __LINE__, #call, (call), (code))
#define EQ(a, b) want(__FILE__, __LINE__, #a, (long)(a), (long)(b))
#define TRUE(x) ((x) ? (void)0 : fail(__FILE__, __LINE__, "%s doesn't hold", #x))
/* The last error's text has the word in it. */
void says(const char *file, int line, const char *word);
#define SAYS(word) says(__FILE__, __LINE__, word)

/* ---- values */
typedef struct {
	unsigned char *p;
	size_t n;
} val;
val v_raw(const void *p, size_t n);
val v_none(void);
val v_bool(bool b);
val v_count(uint64_t n);
val v_int(int64_t n);
val v_str(const char *s);
val v_enum(const char *s);
val v_span(int64_t ns);
/* Containers take their elements over; the list ends with END. Keys of tables must ascend. */
#define END ((val){NULL, 0})
val v_seq(int tag, ...);
#define VEC(...) v_seq(14 __VA_OPT__(,) __VA_ARGS__, END)
#define SET(...) v_seq(12 __VA_OPT__(,) __VA_ARGS__, END)
#define TABLE(...) v_seq(13 __VA_OPT__(,) __VA_ARGS__, END)
void v_free(val v);
bool same(bm_bytes b, val v); /* frees v */
void is(const char *file, int line, bm_bytes *b, val v);
#define IS(b, v) is(__FILE__, __LINE__, &(b), (v)) /* frees both */
/* The i-th element of a vector, or of a table counted key, value, key, ...; it points into v. */
val v_at(val v, unsigned i);
uint64_t v_num(val v);
bool v_is(val v, const char *s);
static inline val v_of(bm_bytes b) { return (val){b.data, b.len}; }
/* The value under a key of a table of strings. */
val v_get(val table, const char *key);

/* ---- frames */
val frame(const char *topic, val v); /* takes v over */
val frames(val a, val b);            /* takes both over */
unsigned n_frames(bm_bytes f);
val frame_topic(bm_bytes f, unsigned i);
val frame_value(bm_bytes f, unsigned i);

/* ---- the library with less to write */
bm_handle endpoint(val options); /* disable_ssl unless options are given */
int listens(bm_handle ep);
bm_handle subscribe(bm_handle ep, const char *topic, int *fd);
int result(bm_handle call, int fd, bm_bytes *out); /* waits */
int run(bm_handle target, const char *op, val args, bm_bytes *out);
void joined(bm_handle a, bm_handle b); /* a peers with b, and both know what is subscribed to */
int publish(bm_handle ep, const char *topic, val v);
bm_bytes take(bm_handle sub, int fd, unsigned n); /* waits until n have come, in frames together */
bool readable(int fd, int ms);
void drop(bm_bytes *b);
int open_files(void);
long resident(void); /* bytes */
double seconds(void);

void test_arguments(void);
void test_messages(void);
void test_statuses(void);
void test_publisher(void);
void test_stores(void);
void test_clones(void);
void test_streams(void);
void test_endings(void);
void test_threads(void);
void test_descriptors(void);
void test_memory(void);
void bench(void);

#endif
