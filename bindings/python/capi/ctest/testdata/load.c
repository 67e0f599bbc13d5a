/* SPDX-License-Identifier: Apache-2.0
 * Endings, many threads, many messages, descriptors; and how fast it goes. */
#include "ctest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static val event(void) {
	return VEC(v_count(1), v_count(1), VEC(v_str("event_1"), VEC(v_int(42), v_str("test"))));
}

void test_endings(void) {
	bm_handle a = endpoint(END), b = endpoint(END);
	int fd;
	bm_handle sub = subscribe(b, "/e", &fd);
	joined(a, b);
	/* What was published before the end arrives, and what has arrived can be taken after it. */
	for (uint64_t i = 0; i < 5000; i++) OK(publish(a, "/e", v_count(i)));
	OK(run(a, "shutdown", END, NULL));
	GIVES(BM_CLOSED, publish(a, "/e", v_none()));
	char id[36];
	OK(L.bm_endpoint_id(a, id));
	OK(run(a, "shutdown", END, NULL));
	GIVES(BM_CLOSED, run(a, "flush", END, NULL));
	bm_bytes f = take(sub, fd, 2000);
	EQ(v_num(frame_value(f, 1999)), 1999);
	drop(&f);
	L.bm_close(b);
	f = take(sub, fd, 3000);
	EQ(v_num(frame_value(f, 2999)), 4999);
	drop(&f);
	unsigned n;
	int r;
	while ((r = L.bm_sub_take(sub, 1, 0, &f, &n, &err)) == BM_OK) EQ(n, 0);
	EQ(r, BM_CLOSED);
	TRUE(readable(fd, 60000));
	GIVES(BM_CLOSED, publish(b, "/e", v_none()));
	GIVES(BM_CLOSED, L.bm_endpoint_id(b, id));
	L.bm_close(sub);
	GIVES(BM_CLOSED, L.bm_sub_take(sub, 1, 0, &f, &n, &err));
	L.bm_close(a);

	/* A publisher that finds no room waits no longer than it says; publishing a batch tells how far it came. */
	a = endpoint(TABLE(v_str("disable_ssl"), v_bool(true), v_str("peer_messages"), v_count(2)));
	b = endpoint(TABLE(v_str("disable_ssl"), v_bool(true), v_str("subscriber_messages"), v_count(1000)));
	sub = subscribe(b, "/e", &fd);
	joined(a, b);
	val row = frame("/e", v_count(0));
	for (uint64_t i = 1; i < 100000; i++) row = frames(row, frame("/e", v_count(i)));
	size_t done;
	r = L.bm_publish_batch(a, row.p, row.n, 0, &done, &err);
	EQ(r, BM_AGAIN);
	TRUE(!err.data);
	TRUE(done < row.n && done % 19 == 0);
	uint64_t sent = done / 19, got = 0;
	while (got < 10000) {
		size_t rest = row.n - sent * 19;
		r = L.bm_publish_batch(a, row.p + sent * 19, rest < 9500 ? rest : 9500, 1000, &done, &err);
		sent += done / 19;
		TRUE(r == BM_OK || r == BM_AGAIN);
		OK(L.bm_sub_take(sub, 1000, 0, &f, &n, &err));
		for (unsigned i = 0; i < n; i++) EQ(v_num(frame_value(f, i)), got++); /* none is lost: the subscriber is waited for */
		drop(&f);
	}
	v_free(row);
	L.bm_close(a);
	L.bm_close(b);
	L.bm_close(sub);
}

enum { THREADS = 8, EACH = 2000 };
static bm_handle shared_a, shared_b, shared_store;
static atomic_long taken;

static void *publishes(void *arg) {
	for (int i = 0; i < EACH; i++) {
		val v = VEC(v_count((uint64_t)(uintptr_t)arg), v_count((uint64_t)i));
		int r;
		do r = L.bm_publish(shared_a, "/t", 2, v.p, v.n, 1000000, NULL);
		while (r == BM_AGAIN);
		if (r) fail(__FILE__, __LINE__, "publish: %d", r);
		v_free(v);
		if (i % 64 == 0) {
			bm_bytes out = {0};
			val key = VEC(v_count((uint64_t)i));
			val put = VEC(v_count((uint64_t)i), v_str("x"));
			r = L.bm_store_write(shared_store, "put", put.p, put.n, 10000000000, NULL);
			if (r) fail(__FILE__, __LINE__, "put: %d", r);
			r = L.bm_store_read(shared_store, "get", key.p, key.n, 10000000000, &out, NULL);
			if (r) fail(__FILE__, __LINE__, "get: %d", r);
			L.bm_free(out.data);
			v_free(key);
			v_free(put);
		}
	}
	return NULL;
}

static void *takes(void *arg) {
	bm_handle sub = *(bm_handle *)arg;
	while (atomic_load(&taken) < THREADS * EACH) {
		bm_bytes f = {0};
		unsigned n = 0;
		int fd;
		if (L.bm_fd(sub, &fd)) fail(__FILE__, __LINE__, "no descriptor");
		readable(fd, 10);
		if (L.bm_sub_take(sub, 100, 0, &f, &n, NULL)) fail(__FILE__, __LINE__, "take");
		atomic_fetch_add(&taken, n);
		L.bm_free(f.data);
	}
	return NULL;
}

static atomic_bool churning = true;

/* Makes and closes everything while others work. */
static void *churns(void *arg) {
	(void)arg;
	while (atomic_load(&churning)) {
		bm_handle sub, pub, call;
		int fd;
		val topics = VEC(v_str("/churn"));
		if (L.bm_subscribe(shared_b, topics.p, topics.n, &sub, &fd, NULL)) fail(__FILE__, __LINE__, "subscribe");
		if (L.bm_publisher(shared_a, "/churn", 6, &pub, &fd, NULL)) fail(__FILE__, __LINE__, "publisher");
		if (L.bm_start(shared_store, "watch", NULL, 0, &call, &fd, NULL)) fail(__FILE__, __LINE__, "watch");
		val f = frame("", v_count(1));
		if (L.bm_publisher_send(pub, f.p, f.n, NULL, NULL)) fail(__FILE__, __LINE__, "send");
		L.bm_close(sub);
		L.bm_cancel(call);
		L.bm_close(pub);
		v_free(topics);
		v_free(f);
	}
	return NULL;
}

static void *closes(void *arg) {
	L.bm_close(*(bm_handle *)arg);
	return NULL;
}

void test_threads(void) {
	shared_a = endpoint(END);
	shared_b = endpoint(END);
	OK(L.bm_store(shared_a, 1, "t", 1, NULL, 0, &shared_store, &err));
	bm_handle sub = subscribe(shared_b, "/t", NULL);
	joined(shared_a, shared_b);
	pthread_t t[THREADS], u[4], c[2];
	for (uintptr_t i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, publishes, (void *)i);
	for (int i = 0; i < 4; i++) pthread_create(&u[i], NULL, takes, &sub);
	for (int i = 0; i < 2; i++) pthread_create(&c[i], NULL, churns, NULL);
	for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++) pthread_join(u[i], NULL);
	atomic_store(&churning, false);
	for (int i = 0; i < 2; i++) pthread_join(c[i], NULL);
	EQ(atomic_load(&taken), THREADS * EACH);
	/* Everybody closes everything. */
	bm_handle all[] = {shared_a, sub, shared_store, shared_b};
	for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, closes, &all[i % 4]);
	for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
	GIVES(BM_CLOSED, publish(shared_a, "/t", v_none()));
}

void test_descriptors(void) {
	int before = 0;
	for (int round = 0; round < 25; round++) {
		bm_handle a = endpoint(END), b = endpoint(END), st, call, status, pub;
		int fd;
		joined(a, b);
		bm_handle sub = subscribe(a, "", NULL);
		OK(L.bm_status_subscribe(a, 1, &status, NULL, &err));
		OK(L.bm_publisher(a, "/x", 2, &pub, NULL, &err));
		OK(L.bm_store(a, 1, "s", 1, NULL, 0, &st, &err));
		bm_bytes out = {0};
		OK(run(st, "watch", END, &out));
		bm_handle watch = v_num(v_of(out));
		drop(&out);
		OK(L.bm_start(a, "await_peer", "\x0e\x01\x05\x01x", 5, &call, &fd, &err));
		/* What the one has for the other while that is going can be lost. */
		for (int i = 0; i < 2; i++) {
			int r = run(i ? a : b, "shutdown", END, NULL);
			if (r != BM_FAILED) EQ(r, BM_OK);
			drop(&err);
		}
		bm_handle all[] = {call, watch, st, pub, status, sub, b, a};
		for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
			L.bm_close(all[(i * 3 + (size_t)round) % 8]);
		}
		if (round == 4) before = open_files();
	}
	EQ(open_files(), before);
}

void test_memory(void) {
	bm_handle a = endpoint(END), b = endpoint(END);
	int fd;
	bm_handle sub = subscribe(b, "/m", &fd);
	joined(a, b);
	val v = event();
	enum { ALL = 1000000, ROW = 500 };
	val row = frame("/m", v_raw(v.p, v.n));
	for (int i = 1; i < ROW; i++) row = frames(row, frame("/m", v_raw(v.p, v.n)));
	long early = 0, sent = 0, got = 0;
	while (got < ALL) {
		size_t done = 0;
		if (sent < ALL) {
			int r = L.bm_publish_batch(a, row.p, row.n, 1000000, &done, &err);
			if (r != BM_AGAIN) EQ(r, BM_OK);
			/* A row that was not sent whole is ended with single messages. */
			long k = (long)(done / (row.n / ROW));
			for (sent += k; k < ROW && k > 0; k++, sent++) {
				do r = L.bm_publish(a, "/m", 2, v.p, v.n, 1000000, &err);
				while (r == BM_AGAIN);
				EQ(r, BM_OK);
			}
		}
		bm_bytes f = {0};
		unsigned n = 0;
		OK(L.bm_sub_take(sub, 5000, 1 << 20, &f, &n, &err));
		got += n;
		drop(&f);
		if (!early && got > ALL / 5) early = resident();
	}
	EQ(got, sent);
	long late = resident();
	if (late > early + (64 << 20)) fail(__FILE__, __LINE__, "%ld bytes after %d messages, %ld after a fifth of them", late, ALL, early);
	bm_bytes dropped = {0};
	OK(L.bm_query(sub, "dropped", NULL, 0, &dropped, &err));
	IS(dropped, v_count(0));
	v_free(v);
	v_free(row);
	L.bm_close(a);
	L.bm_close(b);
	L.bm_close(sub);
}

static void *bench_takes(void *arg) {
	bm_handle sub = *(bm_handle *)arg;
	int fd;
	L.bm_fd(sub, &fd);
	for (;;) {
		bm_bytes f = {0};
		unsigned n = 0;
		readable(fd, 1000);
		if (L.bm_sub_take(sub, 1000, 1 << 20, &f, &n, NULL)) return NULL;
		atomic_fetch_add(&taken, n);
		L.bm_free(f.data);
	}
}

void bench(void) {
	enum { N = 2000000 };
	bm_handle a = endpoint(END), st;
	val v = event();
	double t = seconds();
	for (int i = 0; i < N; i++) OK(L.bm_publish(a, "/m", 2, v.p, v.n, 0, &err));
	printf("publish, nobody there: %.0f ns\n", (seconds() - t) / N * 1e9);
	bm_handle b = endpoint(END), sub = subscribe(b, "/m", NULL);
	joined(a, b);
	pthread_t th;
	pthread_create(&th, NULL, bench_takes, &sub);
	long again = 0;
	t = seconds();
	for (int i = 0; i < N; i++) {
		while (L.bm_publish(a, "/m", 2, v.p, v.n, 50000000, &err) == BM_AGAIN) again++;
	}
	printf("publish one by one: %.0f /s, %ld times again\n", N / (seconds() - t), again);
	while (atomic_load(&taken) < N) usleep(100);
	printf("taken in the same process: %.0f /s\n", N / (seconds() - t));
	val row = frame("/m", v_raw(v.p, v.n));
	for (int i = 1; i < 100; i++) row = frames(row, frame("/m", v_raw(v.p, v.n)));
	t = seconds();
	for (int i = 0; i < N / 100; i++) {
		for (size_t at = 0, done; at < row.n; at += done) L.bm_publish_batch(a, row.p + at, row.n - at, 50000000, &done, &err);
	}
	printf("publish in rows of 100: %.0f /s\n", N / (seconds() - t));
	while (atomic_load(&taken) < 2 * N) usleep(100);
	printf("taken in the same process: %.0f /s\n", N / (seconds() - t));
	OK(L.bm_store(a, 1, "s", 1, NULL, 0, &st, &err));
	val put = VEC(v_str("key"), v_str("value")), key = VEC(v_str("key"));
	OK(L.bm_store_write(st, "put", put.p, put.n, 0, &err));
	bm_bytes out = {0};
	OK(L.bm_store_read(st, "get", key.p, key.n, 1000000000, &out, &err));
	drop(&out);
	t = seconds();
	for (int i = 0; i < N; i++) {
		OK(L.bm_store_read(st, "get", key.p, key.n, 1000000000, &out, &err));
		drop(&out);
	}
	printf("store get: %.0f ns\n", (seconds() - t) / N * 1e9);
	t = seconds();
	for (int i = 0; i < N; i++) OK(L.bm_store_write(st, "put", put.p, put.n, 10000000000, &err));
	printf("store put: %.0f ns\n", (seconds() - t) / N * 1e9);
	t = seconds();
	for (int i = 0; i < N; i++) L.bm_abi();
	printf("a crossing: %.0f ns\n", (seconds() - t) / N * 1e9);
}
