/* SPDX-License-Identifier: Apache-2.0
 * Masters, clones, cursors, watches. */
#include "ctest.h"

#include <unistd.h>

#define LONG 30000000000

static bm_handle attach(bm_handle ep, int master, const char *name, val options) {
	bm_handle st = 0;
	OK(L.bm_store(ep, master, name, strlen(name), options.p, options.n, &st, &err));
	v_free(options);
	return st;
}

static int get(bm_handle st, const char *op, val args, bm_bytes *out) {
	int r = L.bm_store_read(st, op, args.p, args.n, LONG, out, &err);
	v_free(args);
	return r;
}

static int put(bm_handle st, const char *op, val args) {
	int r = L.bm_store_write(st, op, args.p, args.n, LONG, &err);
	v_free(args);
	return r;
}

#define HOLDS(st, key, v)                        \
	do {                                         \
		bm_bytes b_ = {0};                       \
		OK(get(st, "get", VEC(v_str(key)), &b_)); \
		IS(b_, v);                               \
	} while (0)
#define LACKS(st, key)                                            \
	do {                                                          \
		GIVES(9, get(st, "get", VEC(v_str(key)), &(bm_bytes){0})); \
		drop(&err);                                               \
	} while (0)

/* Every write and every read, by whichever way writes go. */
static void operations(bm_handle st, int (*w)(bm_handle, const char *, val)) {
	OK(w(st, "put", VEC(v_str("e"), v_int(41))));
	OK(w(st, "increment", VEC(v_str("e"), v_int(1))));
	HOLDS(st, "e", v_int(42));
	OK(w(st, "decrement", VEC(v_str("e"), v_int(2), v_none())));
	HOLDS(st, "e", v_int(40));
	OK(w(st, "append", VEC(v_str("str"), v_str("b"))));
	OK(w(st, "append", VEC(v_str("str"), v_str("ar"), v_span(LONG))));
	HOLDS(st, "str", v_str("bar"));
	OK(w(st, "insert_into", VEC(v_str("set"), v_int(1))));
	OK(w(st, "insert_into", VEC(v_str("set"), v_int(2))));
	OK(w(st, "insert_into", VEC(v_str("set"), v_int(3))));
	OK(w(st, "remove_from", VEC(v_str("set"), v_int(1))));
	HOLDS(st, "set", SET(v_int(2), v_int(3)));
	OK(w(st, "insert_into_table", VEC(v_str("table"), v_int(1), v_str("A"))));
	OK(w(st, "insert_into_table", VEC(v_str("table"), v_int(3), v_str("D"))));
	OK(w(st, "remove_from", VEC(v_str("table"), v_int(1))));
	HOLDS(st, "table", TABLE(v_int(3), v_str("D")));
	OK(w(st, "push", VEC(v_str("vec"), v_int(1))));
	OK(w(st, "push", VEC(v_str("vec"), v_int(2))));
	OK(w(st, "push", VEC(v_str("vec"), v_int(3))));
	OK(w(st, "pop", VEC(v_str("vec"))));
	HOLDS(st, "vec", VEC(v_int(1), v_int(2)));
	bm_bytes b = {0};
	OK(get(st, "index", VEC(v_str("vec"), v_count(1)), &b));
	IS(b, v_int(2));
	OK(get(st, "index", VEC(v_str("set"), v_int(2)), &b));
	IS(b, v_bool(true));
	OK(get(st, "index", VEC(v_str("set"), v_int(9)), &b));
	IS(b, v_bool(false));
	OK(get(st, "index", VEC(v_str("table"), v_int(3)), &b));
	IS(b, v_str("D"));
	GIVES(9, get(st, "index", VEC(v_str("vec"), v_count(7)), &b));
	drop(&err);
	OK(get(st, "exists", VEC(v_str("e")), &b));
	IS(b, v_bool(true));
	OK(get(st, "keys", VEC(), &b));
	IS(b, SET(v_str("e"), v_str("set"), v_str("str"), v_str("table"), v_str("vec")));
	OK(get(st, "size", VEC(), &b));
	EQ(v_num(v_at(v_of(b), 0)), 5);
	drop(&b);
	OK(w(st, "erase", VEC(v_str("e"))));
	LACKS(st, "e");
	OK(w(st, "erase", VEC(v_str("e"))));
	OK(w(st, "clear", VEC()));
	OK(get(st, "exists", VEC(v_str("str")), &b));
	IS(b, v_bool(false));
	OK(get(st, "keys", VEC(), &b));
	IS(b, SET());
	/* Gone after 50 ms; at once; never. */
	OK(w(st, "put", VEC(v_str("soon"), v_none(), v_span(50000000))));
	OK(w(st, "put", VEC(v_str("now"), v_none(), v_span(0))));
	OK(w(st, "put", VEC(v_str("later"), v_none(), v_span(LONG))));
	do OK(get(st, "keys", VEC(), &b));
	while (!same(b, SET(v_str("later"))) && (drop(&b), true));
	drop(&b);
	OK(w(st, "clear", VEC()));
}

static int waiting(bm_handle st, const char *op, val args) { return run(st, op, args, NULL); }

static bool truth(bm_handle st, const char *op, val args) {
	bm_bytes b = {0};
	OK(run(st, op, args, &b));
	bool t = b.data[0] == 1 && b.data[1] == 1;
	drop(&b);
	return t;
}

static void conditions(bm_handle st) {
	TRUE(truth(st, "put_unique", VEC(v_str("u"), v_int(1))));
	TRUE(!truth(st, "put_unique", VEC(v_str("u"), v_int(2), v_none())));
	TRUE(truth(st, "compare_and_set", VEC(v_str("u"), v_int(1), v_bool(true), v_int(5))));
	TRUE(!truth(st, "compare_and_set", VEC(v_str("u"), v_int(1), v_bool(true), v_int(6))));
	TRUE(truth(st, "compare_and_set", VEC(v_str("w"), v_none(), v_bool(false), v_int(7), v_none())));
	TRUE(truth(st, "batch", VEC(VEC(VEC(v_str("u"), v_bool(true), v_int(5))), VEC(VEC(v_str("erase"), v_str("u")), VEC(v_str("increment"), v_str("w"), v_int(1))))));
	TRUE(!truth(st, "batch", VEC(VEC(VEC(v_str("u"), v_bool(true), v_int(5))), VEC(VEC(v_str("clear"))))));
	HOLDS(st, "w", v_int(8));
	LACKS(st, "u");
}

static void mistakes(bm_handle st) {
	bm_bytes b = {0};
	GIVES(BM_BADARG, get(st, "guess", VEC(), &b));
	SAYS("guess");
	GIVES(BM_BADARG, get(st, "get", VEC(), &b));
	SAYS("key");
	GIVES(BM_BADARG, get(st, "keys", VEC(v_none()), &b));
	SAYS("at most 0");
	GIVES(BM_BADARG, put(st, "get", VEC(v_none())));
	SAYS("get");
	GIVES(BM_BADARG, put(st, "put", VEC(v_none(), v_none(), v_count(1))));
	SAYS("timespan");
	GIVES(BM_BADARG, run(st, "batch", VEC(VEC(), VEC(VEC(v_str("watch")))), NULL));
	SAYS("watch");
	GIVES(BM_BADARG, run(st, "batch", VEC(VEC(VEC(v_none())), VEC()), NULL));
	SAYS("condition");
	/* One that is carried out and fails. */
	OK(put(st, "put", VEC(v_str("text"), v_str("x"))));
	GIVES(11, run(st, "increment", VEC(v_str("text"), v_int(1)), NULL));
	drop(&err);
	GIVES(9, run(st, "decrement", VEC(v_str("none"), v_int(1)), NULL));
	drop(&err);
	OK(put(st, "increment", VEC(v_str("text"), v_int(1))));
	OK(get(st, "exists", VEC(v_str("text")), &b)); /* comes after it */
	drop(&b);
	OK(L.bm_query(st, "status", NULL, 0, &b, &err));
	EQ(v_num(v_get(v_of(b), "writes_failed")), 1);
	TRUE(v_get(v_of(b), "last_failure").n > 2);
	TRUE(v_is(v_get(v_of(b), "state"), "serving"));
	drop(&b);
	OK(L.bm_query(st, "name", NULL, 0, &b, &err));
	IS(b, v_str("m"));
}

void test_stores(void) {
	bm_handle ep = endpoint(END), st = attach(ep, 1, "m", END), again = attach(ep, 1, "m", TABLE(v_str("backend"), v_str("sqlite"))), h;
	TRUE(st != again);
	OK(put(again, "put", VEC(v_str("both"), v_count(1))));
	HOLDS(st, "both", v_count(1));
	L.bm_close(again);
	GIVES(BM_CLOSED, get(again, "keys", VEC(), &(bm_bytes){0}));
	OK(put(st, "clear", VEC()));
	GIVES(8, L.bm_store(ep, 0, "m", 1, NULL, 0, &h, &err));
	drop(&err);
	GIVES(BM_BADARG, L.bm_store(ep, 1, "", 0, NULL, 0, &h, &err));
	SAYS("name");
	operations(st, put);
	operations(st, waiting);
	conditions(st);
	mistakes(st);
	OK(run(st, "await_idle", VEC(), NULL));

	/* Files. */
	char dir[] = "/tmp/ctest-XXXXXX", path[64];
	TRUE(mkdtemp(dir));
	for (int i = 0; i < 2; i++) {
		const char *backend = i ? "pebble" : "sqlite";
		snprintf(path, sizeof path, "%s/deep/%s", dir, backend);
		h = attach(ep, 1, backend, TABLE(v_str("backend"), v_str(backend), v_str("path"), v_str(path), v_str("synchronous"), v_enum("Broker::SQLITE_SYNCHRONOUS_OFF")));
		operations(h, put);
		OK(put(h, "put", VEC(v_str("kept"), v_count((uint64_t)i))));
		OK(run(h, "detach", VEC(), NULL));
		GIVES(BM_CLOSED, get(h, "get", VEC(v_str("kept")), &(bm_bytes){0}));
		GIVES(BM_CLOSED, put(h, "clear", VEC()));
		L.bm_close(h);
		h = attach(ep, 1, backend, TABLE(v_str("backend"), v_str(backend), v_str("path"), v_str(path)));
		HOLDS(h, "kept", v_count((uint64_t)i));
		OK(run(h, "detach", VEC(), NULL));
		L.bm_close(h);
	}
	struct {
		val options;
		const char *word;
	} bad[] = {
		{TABLE(v_str("backend"), v_str("sqlite")), "path"},
		{TABLE(v_str("backend"), v_str("sqlite"), v_str("path"), v_count(1)), "path"},
		{TABLE(v_str("backend"), v_str("sqlite"), v_str("path"), v_str("/proc/no")), "/proc/no"},
		{TABLE(v_str("backend"), v_str("sqlite"), v_str("journal_mode"), v_enum("WAL"), v_str("path"), v_str("/tmp/x")), "journal_mode"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		GIVES(13, L.bm_store(ep, 1, "bad", 3, bad[i].options.p, bad[i].options.n, &h, &err));
		SAYS(bad[i].word);
		v_free(bad[i].options);
	}
	val o = TABLE(v_str("backend"), v_str("paper"));
	GIVES(BM_BADARG, L.bm_store(ep, 1, "bad", 3, o.p, o.n, &h, &err));
	SAYS("paper");
	v_free(o);
	snprintf(path, sizeof path, "rm -r %s", dir);
	TRUE(system(path) == 0);
	/* The endpoint goes, and its stores with it. */
	OK(run(ep, "shutdown", VEC(), NULL));
	GIVES(BM_CLOSED, get(st, "keys", VEC(), &(bm_bytes){0}));
	GIVES(BM_CLOSED, put(st, "clear", VEC()));
	GIVES(BM_CLOSED, run(st, "clear", VEC(), NULL));
	L.bm_close(ep);
	L.bm_close(st);
}

void test_clones(void) {
	bm_handle a = endpoint(END), b = endpoint(END), c = endpoint(END), h;
	bm_handle m = attach(a, 1, "m", END), k = attach(b, 0, "m", TABLE(v_str("stale_interval"), v_span(-1))), l = attach(c, 0, "m", END);
	/* Without a master nothing is known, and one may come any time. */
	GIVES(BM_AGAIN, L.bm_store_read(k, "get", "\x0e\x01\x00", 3, 20000000, &(bm_bytes){0}, &err));
	GIVES(BM_AGAIN, L.bm_store_read(k, "get", "\x0e\x01\x00", 3, 0, &(bm_bytes){0}, &err));
	TRUE(!err.data);
	OK(put(k, "put", VEC(v_str("early"), v_count(1))));
	joined(b, a);
	joined(c, a);
	OK(run(k, "await_idle", VEC(), NULL));
	HOLDS(k, "early", v_count(1));
	HOLDS(m, "early", v_count(1));
	GIVES(7, L.bm_store(b, 1, "m", 1, NULL, 0, &h, &err));
	drop(&err);
	OK(run(l, "await_idle", VEC(), NULL));
	OK(waiting(k, "clear", VEC()));
	operations(k, waiting);
	OK(run(l, "await_idle", VEC(), NULL));
	conditions(l);
	OK(put(l, "put", VEC(v_str("via l"), v_count(2))));
	OK(run(l, "await_idle", VEC(), NULL));
	OK(run(m, "await_idle", VEC(), NULL));
	HOLDS(l, "via l", v_count(2));
	HOLDS(k, "via l", v_count(2));
	bm_bytes s = {0};
	OK(L.bm_query(k, "status", NULL, 0, &s, &err));
	TRUE(v_is(v_get(v_of(s), "role"), "clone"));
	TRUE(v_is(v_get(v_of(s), "state"), "synced"));
	drop(&s);
	OK(L.bm_query(m, "status", NULL, 0, &s, &err));
	EQ(v_num(v_get(v_of(s), "clones")), 2);
	drop(&s);
	/* What a clone has written arrives though its endpoint ends at once. */
	OK(put(k, "put", VEC(v_str("last"), v_count(3))));
	OK(run(b, "shutdown", VEC(), NULL));
	HOLDS(m, "last", v_count(3));
	L.bm_close(a);
	L.bm_close(b);
	L.bm_close(c);
	L.bm_close(m);
	L.bm_close(k);
	L.bm_close(l);
}

static bm_handle opened(bm_handle st, const char *op, val args, int *fd) {
	bm_bytes b = {0};
	OK(run(st, op, args, &b));
	bm_handle h = v_num(v_of(b));
	drop(&b);
	OK(L.bm_fd(h, fd));
	return h;
}

void test_streams(void) {
	bm_handle ep = endpoint(END), st = attach(ep, 1, "m", END);
	enum { MANY = 5000 };
	for (uint64_t i = 0; i < MANY; i++) OK(put(st, "put", i % 2 ? VEC(v_count(i), v_str("odd")) : VEC(v_count(i), v_str("even"), v_span(LONG))));
	int fd;
	bm_handle all = opened(st, "entries", VEC(), &fd);
	OK(put(st, "clear", VEC())); /* the cursor doesn't see it */
	static bool seen[MANY];
	unsigned total = 0, n;
	bm_bytes f = {0};
	for (;;) {
		TRUE(readable(fd, 60000));
		int r = L.bm_sub_take(all, 300, 0, &f, &n, &err);
		if (r) {
			EQ(r, BM_CLOSED);
			break;
		}
		for (unsigned i = 0; i < n; i++) {
			val v = frame_value(f, i);
			uint64_t k = v_num(v_at(v, 0));
			TRUE(k < MANY && !seen[k]);
			seen[k] = true;
			TRUE(v_is(v_at(v, 1), k % 2 ? "odd" : "even"));
			EQ(v_at(v, 2).p[0], k % 2 ? 0 : 10);
		}
		total += n;
		drop(&f);
	}
	EQ(total, MANY);
	L.bm_close(all);
	/* One that is closed before its end, and one whose call is given up. */
	all = opened(st, "entries", VEC(), &fd);
	L.bm_close(all);
	bm_handle call;
	OK(L.bm_start(st, "watch", NULL, 0, &call, &fd, &err));
	TRUE(readable(fd, 60000));
	L.bm_cancel(call);

	int fw, fk;
	bm_handle w = opened(st, "watch", VEC(), &fw), one = opened(st, "watch", VEC(v_str("k"), v_none()), &fk);
	OK(put(st, "put", VEC(v_str("j"), v_int(1))));
	OK(put(st, "put", VEC(v_str("k"), v_int(1))));
	OK(put(st, "increment", VEC(v_str("k"), v_int(1))));
	OK(put(st, "erase", VEC(v_str("k"))));
	OK(put(st, "put", VEC(v_str("x"), v_int(1), v_span(1))));
	f = take(w, fw, 6);
	const char *kinds[] = {"insert", "insert", "update", "erase", "insert", "expire"};
	uint64_t number = 0;
	for (unsigned i = 0; i < 6; i++) {
		val v = frame_value(f, i);
		TRUE(v_is(v_at(v, 0), kinds[i]));
		uint64_t next = v_num(v_at(v, 4));
		TRUE(next > number);
		if (i == 0) number = next;
	}
	drop(&f);
	f = take(one, fk, 3);
	val v = frame_value(f, 1);
	TRUE(v_is(v_at(v, 1), "k"));
	EQ(v_num(v_at(v, 2)), 1);
	EQ(v_num(v_at(v, 3)), 2);
	drop(&f);
	TRUE(!readable(fk, 0));
	/* From a number on, again. */
	bm_handle from = opened(st, "watch", VEC(v_none(), v_count(number)), &fd);
	f = take(from, fd, 5);
	TRUE(v_is(v_at(frame_value(f, 0), 1), "k"));
	drop(&f);
	L.bm_close(from);
	L.bm_close(w);
	/* The end of the store is the end of the watch. */
	OK(run(st, "detach", VEC(), NULL));
	TRUE(readable(fk, 60000));
	GIVES(BM_CLOSED, L.bm_sub_take(one, 1, 0, &f, &n, &err));
	drop(&err);
	L.bm_close(one);
	L.bm_close(st);
	L.bm_close(ep);
}
