/* SPDX-License-Identifier: Apache-2.0
 * Arguments, messages, statuses, publishers. */
#include "ctest.h"

/* Every function with a handle that is nothing. */
static void closed(bm_handle h) {
	bm_bytes b = {0};
	bm_handle out = 77;
	size_t done = 9;
	unsigned n = 9;
	int fd = -7, port = -7;
	char id[36];
	val none = v_none(), f = frame("/t", v_none());
	GIVES(BM_CLOSED, L.bm_fd(h, &fd));
	GIVES(BM_CLOSED, L.bm_endpoint_id(h, id));
	GIVES(BM_CLOSED, L.bm_listen(h, "127.0.0.1", 9, 0, &port, &err));
	GIVES(BM_CLOSED, L.bm_publish(h, "/t", 2, none.p, none.n, 0, &err));
	GIVES(BM_CLOSED, L.bm_publish_batch(h, f.p, f.n, 0, &done, &err));
	EQ(done, 0);
	GIVES(BM_CLOSED, L.bm_publish_to(h, "00000000-0000-0000-0000-000000000001", "/t", 2, none.p, none.n, &err));
	GIVES(BM_CLOSED, L.bm_query(h, "peers", NULL, 0, &b, &err));
	GIVES(BM_CLOSED, L.bm_subscribe(h, NULL, 0, &out, &fd, &err));
	GIVES(BM_CLOSED, L.bm_status_subscribe(h, 1, &out, &fd, &err));
	GIVES(BM_CLOSED, L.bm_sub_take(h, 1, 0, &b, &n, &err));
	EQ(n, 0);
	GIVES(BM_CLOSED, L.bm_sub_available(h, &n));
	GIVES(BM_CLOSED, L.bm_sub_change(h, NULL, 0, NULL, 0, &err));
	GIVES(BM_CLOSED, L.bm_publisher(h, "/t", 2, &out, &fd, &err));
	GIVES(BM_CLOSED, L.bm_publisher_send(h, NULL, 0, &done, &err));
	GIVES(BM_CLOSED, L.bm_publisher_state(h, &n, &n));
	GIVES(BM_CLOSED, L.bm_store(h, 1, "s", 1, NULL, 0, &out, &err));
	GIVES(BM_CLOSED, L.bm_store_read(h, "keys", NULL, 0, 0, &b, &err));
	GIVES(BM_CLOSED, L.bm_store_write(h, "clear", NULL, 0, 0, &err));
	GIVES(BM_CLOSED, L.bm_start(h, "flush", NULL, 0, &out, &fd, &err));
	GIVES(BM_CLOSED, L.bm_result(h, &b, &err));
	L.bm_cancel(h);
	L.bm_close(h);
	EQ(out, 77);
	EQ(fd, -7);
	EQ(port, -7);
	TRUE(!b.data && !err.data);
	v_free(none);
	v_free(f);
}

static void bad_options(val options, const char *word) {
	bm_handle h = 0;
	GIVES(BM_BADARG, L.bm_endpoint_new(options.p, options.n, &h, &err));
	SAYS(word);
	EQ(h, 0);
	v_free(options);
}

static void bad_start(bm_handle ep, const char *op, val args, const char *word) {
	bm_handle h = 0;
	int fd;
	GIVES(BM_BADARG, L.bm_start(ep, op, args.p, args.n, &h, &fd, &err));
	SAYS(word);
	v_free(args);
}

void test_arguments(void) {
	closed(0);
	closed(1);
	closed(UINT64_MAX);
	bad_options(v_count(1), "table");
	bad_options(TABLE(v_str("colour"), v_str("red")), "colour");
	bad_options(TABLE(v_str("disable_ssl"), v_count(1)), "boolean");
	bad_options(TABLE(v_str("id"), v_str("me")), "UUID");
	bad_options(TABLE(v_str("memory_limit"), v_str("much")), "count");
	bad_options(TABLE(v_str("key"), v_str("/x")), "certificate");
	bad_options(TABLE(v_str("certificate"), v_str("/x")), "key");
	bm_handle ep = 0;
	GIVES(BM_BADARG, L.bm_endpoint_new("\x0d\x05", 2, &ep, &err));
	SAYS("value");
	GIVES(BM_BADARG, L.bm_endpoint_new(NULL, 0, NULL, &err));
	SAYS("NULL");
	val o = TABLE(v_str("cafile"), v_str("/nowhere/ca.pem"), v_str("certificate"), v_str("/nowhere/cert.pem"), v_str("key"), v_str("/nowhere/key.pem"));
	GIVES(BM_FAILED, L.bm_endpoint_new(o.p, o.n, &ep, &err));
	SAYS("/nowhere/");
	v_free(o);

	ep = endpoint(TABLE(v_str("disable_ssl"), v_bool(true), v_str("id"), v_str("5f6a1b2c-0000-4000-8000-0123456789ab"), v_str("threads"), v_count(3)));
	char id[36];
	OK(L.bm_endpoint_id(ep, id));
	TRUE(memcmp(id, "5f6a1b2c-0000-4000-8000-0123456789ab", 36) == 0);
	GIVES(BM_BADARG, L.bm_endpoint_id(ep, NULL));
	bm_handle other = endpoint(END); /* a second one, and another handle */
	TRUE(other != ep);
	int port = listens(ep), same = 0;
	GIVES(BM_FAILED, L.bm_listen(other, "127.0.0.1", 9, port, &same, &err));
	SAYS("in use");
	GIVES(BM_FAILED, L.bm_listen(other, "no such host.", 13, 0, &same, &err));
	TRUE(err.len > 0);
	drop(&err);
	GIVES(BM_BADARG, L.bm_listen(other, "127.0.0.1", 9, 65536, &same, &err));
	SAYS("65536");
	GIVES(BM_FAILED, L.bm_listen(other, "127.0.0.1", 9, port, &same, NULL));
	bm_bytes b = {0};
	OK(L.bm_query(ep, "listening", NULL, 0, &b, &err));
	IS(b, VEC(v_count((uint64_t)port)));
	OK(L.bm_query(ep, "peers", NULL, 0, &b, &err));
	IS(b, VEC());
	OK(L.bm_query(ep, "stats", NULL, 0, &b, &err));
	EQ(v_num(v_get(v_of(b), "peers")), 0);
	drop(&b);
	GIVES(BM_BADARG, L.bm_query(ep, "weather", NULL, 0, &b, &err));
	SAYS("weather");

	/* Wrong bytes, topics and frames are refused before anything happens. */
	GIVES(BM_BADARG, L.bm_publish(ep, "/t", 2, "\x63", 1, 0, &err));
	drop(&err);
	GIVES(BM_BADARG, L.bm_publish(ep, "/t", 2, NULL, 0, 0, &err));
	drop(&err);
	GIVES(BM_BADARG, L.bm_publish(ep, "", 0, "", 1, 0, &err));
	SAYS("topic");
	GIVES(BM_BADARG, L.bm_publish(ep, "<$>/x", 5, "", 1, 0, &err));
	SAYS("reserved");
	size_t done = 1;
	val f = frames(frame("/a", v_int(1)), frame("/b", v_raw("\x63", 1)));
	GIVES(BM_BADARG, L.bm_publish_batch(ep, f.p, f.n, 0, &done, &err));
	SAYS("frame at byte 19");
	EQ(done, 0);
	GIVES(BM_BADARG, L.bm_publish_batch(ep, f.p, f.n - 2, 0, &done, &err));
	drop(&err);
	GIVES(BM_BADARG, L.bm_publish_batch(ep, f.p, 5, 0, &done, &err));
	drop(&err);
	v_free(f);
	GIVES(4, L.bm_publish_to(ep, "5f6a1b2c-0000-4000-8000-0123456789ff", "/t", 2, "", 1, &err));
	drop(&err);
	GIVES(BM_BADARG, L.bm_publish_to(ep, "------------------------------------", "/t", 2, "", 1, &err));
	drop(&err);

	bm_handle sub;
	GIVES(BM_BADARG, L.bm_subscribe(ep, "\x0e\x01\x00", 3, &sub, NULL, &err));
	SAYS("string");
	GIVES(BM_BADARG, L.bm_subscribe(ep, "\x0e\x01\x00", 3, NULL, NULL, &err));
	SAYS("NULL");
	bad_start(ep, "fly", END, "fly");
	bad_start(ep, "peer", END, "address");
	bad_start(ep, "peer", VEC(v_str("127.0.0.1"), v_count(65536)), "65535");
	bad_start(ep, "peer", VEC(v_str("127.0.0.1"), v_count(1), v_count(1)), "timespan");
	bad_start(ep, "peer", VEC(v_str("127.0.0.1"), v_count(1), v_span(1), v_none()), "at most 3");
	bad_start(ep, "forward", VEC(VEC(v_count(1))), "string");
	bad_start(ep, "flush", v_str("x"), "vector");
	GIVES(BM_BADARG, L.bm_start(ep, "flush", NULL, 0, NULL, NULL, &err));
	SAYS("NULL");

	/* Handles of another kind are none. */
	GIVES(BM_CLOSED, L.bm_sub_take(ep, 1, 0, &b, &(unsigned){0}, &err));
	GIVES(BM_CLOSED, L.bm_store_read(ep, "keys", NULL, 0, 0, &b, &err));
	GIVES(BM_CLOSED, L.bm_result(ep, &b, &err));
	L.bm_cancel(ep);
	OK(L.bm_endpoint_id(ep, id));
	GIVES(BM_CLOSED, L.bm_fd(ep, &port));
	L.bm_close(ep);
	L.bm_close(ep);
	closed(ep);
	L.bm_close(other);
	L.bm_free(NULL);
}

void test_messages(void) {
	bm_handle a = endpoint(END), b = endpoint(END);
	int fd;
	bm_handle sub = subscribe(b, "/test", &fd);
	joined(a, b);
	int again = -1;
	OK(L.bm_fd(sub, &again));
	EQ(again, fd);
	TRUE(!readable(fd, 0));
	bm_bytes f = {0};
	unsigned n = 5;
	OK(L.bm_sub_take(sub, 10, 0, &f, &n, &err));
	EQ(n, 0);
	TRUE(!f.data && !f.len);

	OK(publish(a, "/test/1", VEC(v_str("ping"))));
	OK(publish(a, "/other", v_count(0)));
	f = take(sub, fd, 1);
	EQ(frame_topic(f, 0).n, 7);
	TRUE(memcmp(frame_topic(f, 0).p, "/test/1", 7) == 0);
	TRUE(v_is(v_at(frame_value(f, 0), 0), "ping"));
	drop(&f);
	TRUE(!readable(fd, 0));

	/* A batch comes in order, and can be taken bit by bit. */
	val batch = frames(frame("/test", v_count(0)), frame("/test", v_count(1)));
	for (uint64_t i = 2; i < 1000; i++) batch = frames(batch, frame("/test", v_count(i)));
	size_t done = 0;
	OK(L.bm_publish_batch(a, batch.p, batch.n, 0, &done, &err));
	EQ(done, batch.n);
	v_free(batch);
	TRUE(readable(fd, 60000));
	uint64_t next = 0;
	while (next < 1000) {
		TRUE(readable(fd, 60000));
		unsigned had = 0, k = 0;
		OK(L.bm_sub_available(sub, &had));
		TRUE(had > 0);
		/* Twice the size of a frame, which is 22, and a bit: two come; with less than one there is still one. */
		OK(L.bm_sub_take(sub, next % 3 ? 7 : 1000, next % 2 ? 45 : 1, &f, &k, &err));
		TRUE(k >= 1 && k <= (next % 2 ? 2 : 1));
		for (unsigned i = 0; i < k; i++) EQ(v_num(frame_value(f, i)), next++);
		drop(&f);
	}
	TRUE(!readable(fd, 0));
	OK(L.bm_sub_available(sub, &n));
	EQ(n, 0);

	/* One that is large, one to one endpoint, one that is changed after it was published. */
	size_t size = 3 << 20;
	char *text = malloc(size + 1);
	memset(text, 'x', size);
	text[size] = 0;
	OK(publish(a, "/test", v_str(text)));
	char id[36];
	OK(L.bm_endpoint_id(b, id));
	val v = v_str("for you");
	OK(L.bm_publish_to(a, id, "/test/to", 8, v.p, v.n, &err));
	memset(v.p, 0, v.n);
	v_free(v);
	f = take(sub, fd, 2);
	TRUE(v_is(frame_value(f, 0), text));
	TRUE(v_is(frame_value(f, 1), "for you"));
	drop(&f);
	free(text);

	/* Topics come and go. */
	val add = VEC(v_str("/more"), v_str("/most")), del = VEC(v_str("/test"), v_str("/most"));
	OK(L.bm_sub_change(sub, add.p, add.n, del.p, del.n, &err));
	v_free(add);
	v_free(del);
	OK(L.bm_query(sub, "topics", NULL, 0, &f, &err));
	IS(f, VEC(v_str("/more")));
	OK(L.bm_query(sub, "dropped", NULL, 0, &f, &err));
	IS(f, v_count(0));
	OK(run(b, "sync", END, NULL));
	OK(publish(a, "/test", v_none()));
	OK(publish(a, "/most", v_none()));
	OK(publish(a, "/more", v_bool(true)));
	f = take(sub, fd, 1);
	EQ(frame_value(f, 0).p[0], 1);
	drop(&f);

	/* An endpoint sees nothing of what it publishes itself, and everything of what it asked to forward goes on. */
	bm_handle c = endpoint(END);
	int fd2, fdc;
	bm_handle own = subscribe(a, "/more", &fd2), far = subscribe(c, "/far", &fdc);
	bm_handle d = endpoint(END);
	OK(run(a, "forward", VEC(VEC(v_str("/far"))), &f));
	drop(&f);
	joined(d, a);
	joined(a, c);
	OK(publish(a, "/more", v_none()));
	f = take(sub, fd, 1);
	drop(&f);
	OK(publish(d, "/far", v_int(-5)));
	f = take(far, fdc, 1);
	drop(&f);
	TRUE(!readable(fd2, 0));
	OK(L.bm_query(a, "peers", NULL, 0, &f, &err));
	val peer = v_at(v_of(f), 0);
	TRUE(v_is(v_at(peer, 1), "127.0.0.1"));
	EQ(v_num(v_at(peer, 3)), 2);
	EQ(v_num(v_at(peer, 4)), 3);
	TRUE(v_is(v_at(peer, 6), "none"));
	v_at(v_of(f), 2);
	drop(&f);
	L.bm_close(own);
	L.bm_close(far);
	L.bm_close(sub);
	L.bm_close(a);
	L.bm_close(b);
	L.bm_close(c);
	L.bm_close(d);
}

/* The next status has the kind, code and words. */
static void status(bm_handle sub, int fd, const char *kind, uint64_t code, const char *address, const char *text) {
	bm_bytes f = take(sub, fd, 1);
	val v = frame_value(f, 0);
	EQ(frame_topic(f, 0).n, 0);
	TRUE(v_is(v_at(v, 0), kind));
	EQ(v_num(v_at(v, 1)), code);
	if (address) TRUE(v_is(v_at(v_at(v, 2), 1), address));
	else EQ(v_at(v_at(v, 2), 1).p[0], 0);
	char all[512] = {0};
	memcpy(all, v_at(v, 4).p, v_at(v, 4).n);
	if (!strstr(all, text)) fail(__FILE__, __LINE__, "%s doesn't say %s", all, text);
	drop(&f);
}

void test_statuses(void) {
	bm_handle a = endpoint(END), b = endpoint(END), sa, sb, errors;
	int fa, fb, fe;
	OK(L.bm_status_subscribe(a, 1, &sa, &fa, &err));
	OK(L.bm_status_subscribe(b, 1, &sb, &fb, &err));
	OK(L.bm_status_subscribe(a, 0, &errors, &fe, &err));
	int port = listens(b);
	bm_bytes out = {0};
	OK(run(a, "peer", VEC(v_str("127.0.0.1"), v_count((uint64_t)port), v_span(0)), &out));
	drop(&out);
	status(sa, fa, "status", 4, NULL, "endpoint_discovered(");
	status(sa, fa, "status", 1, "127.0.0.1", ", \"handshake successful\")");
	status(sb, fb, "status", 4, NULL, "endpoint_discovered(");
	status(sb, fb, "status", 1, "127.0.0.1", "peer_added(");
	/* Peered already: the same answer. */
	OK(run(a, "peer", VEC(v_str("127.0.0.1"), v_count((uint64_t)port), v_span(0)), &out));
	drop(&out);
	OK(run(a, "unpeer", VEC(v_str("127.0.0.1"), v_count((uint64_t)port)), NULL));
	status(sa, fa, "status", 2, "127.0.0.1", "peer_removed(");
	status(sa, fa, "status", 5, NULL, "endpoint_unreachable(");
	status(sb, fb, "status", 3, "127.0.0.1", "peer_lost(");
	TRUE(!readable(fe, 0));
	GIVES(3, run(a, "unpeer", VEC(v_str("127.0.0.1"), v_count(1)), NULL));
	drop(&err);
	status(errors, fe, "error", 3, "127.0.0.1", "peer_invalid(endpoint_info(00000000-0000-0000-0000-000000000000, *127.0.0.1:1), \"");
	GIVES(4, run(a, "peer", VEC(v_str("127.0.0.1"), v_count(1), v_span(900000000)), NULL));
	drop(&err);
	status(errors, fe, "error", 4, "127.0.0.1", "peer_unavailable(endpoint_info(00000000-0000-0000-0000-000000000000, *127.0.0.1:1), \"");
	OK(run(a, "peer_nosync", VEC(v_str("127.0.0.1"), v_count(1), v_span(0)), NULL));
	status(errors, fe, "error", 4, "127.0.0.1", "peer_unavailable(");
	OK(run(a, "peer_nosync", VEC(v_str("127.0.0.1"), v_count(1), v_span(1000000000)), NULL));
	status(errors, fe, "error", 4, "127.0.0.1", "peer_unavailable(");
	status(errors, fe, "error", 4, "127.0.0.1", "peer_unavailable(");

	/* Calls that wait in vain go on until they are given up. */
	bm_handle call;
	int fd;
	val args = VEC(v_str("no ID"));
	OK(L.bm_start(a, "await_peer", args.p, args.n, &call, &fd, &err));
	GIVES(BM_AGAIN, L.bm_result(call, &out, &err));
	TRUE(!readable(fd, 20));
	L.bm_cancel(call);
	GIVES(BM_CLOSED, L.bm_result(call, &out, &err));
	OK(L.bm_start(a, "await_peer", args.p, args.n, &call, &fd, &err));
	bm_handle silent;
	OK(L.bm_start(a, "await_any", NULL, 0, &silent, NULL, &err));
	GIVES(BM_BADARG, L.bm_fd(silent, &fd));
	OK(L.bm_fd(call, &fd));
	v_free(args);
	L.bm_close(a);
	GIVES(BM_CLOSED, result(call, fd, &out));
	L.bm_cancel(silent);
	/* What was told before the end can still be taken; then there is nothing any more. */
	unsigned n;
	int r;
	do {
		TRUE(readable(fa, 60000));
		r = L.bm_sub_take(sa, 10, 0, &out, &n, &err);
		drop(&out);
	} while (r == BM_OK);
	EQ(r, BM_CLOSED);
	TRUE(!err.data);
	L.bm_close(sa);
	L.bm_close(sb);
	L.bm_close(errors);
	L.bm_close(b);
}

void test_publisher(void) {
	bm_handle a = endpoint(TABLE(v_str("disable_ssl"), v_bool(true), v_str("peer_messages"), v_count(4))), b = endpoint(END), pub;
	int fd, fp;
	bm_handle sub = subscribe(b, "/p", &fd);
	joined(a, b);
	GIVES(BM_BADARG, L.bm_publisher(a, "<$>", 3, &pub, &fp, &err));
	SAYS("reserved");
	OK(L.bm_publisher(a, "/p", 2, &pub, &fp, &err));
	TRUE(readable(fp, 0));
	unsigned waiting, capacity;
	OK(L.bm_publisher_state(pub, &waiting, &capacity));
	EQ(waiting, 0);
	EQ(capacity, 128);
	val f = frame("/p", v_none());
	GIVES(BM_BADARG, L.bm_publisher_send(pub, f.p, f.n, NULL, &err));
	SAYS("topic");
	v_free(f);
	val all = frame("", v_count(0));
	for (uint64_t i = 1; i < 5000; i++) all = frames(all, frame("", v_count(i)));
	size_t at = 0, done;
	while (at < all.n) {
		TRUE(readable(fp, 60000));
		int r = L.bm_publisher_send(pub, all.p + at, all.n - at, &done, &err);
		at += done;
		EQ(r, at < all.n ? BM_AGAIN : BM_OK);
	}
	v_free(all);
	L.bm_close(pub); /* what it holds is sent all the same */
	GIVES(BM_CLOSED, L.bm_publisher_state(pub, &waiting, &capacity));
	bm_bytes got = take(sub, fd, 5000);
	for (unsigned i = 0, step = 0; i < 5000; i += ++step) EQ(v_num(frame_value(got, i)), i);
	EQ(v_num(frame_value(got, 4999)), 4999);
	drop(&got);
	L.bm_close(sub);
	L.bm_close(a);
	L.bm_close(b);
}
