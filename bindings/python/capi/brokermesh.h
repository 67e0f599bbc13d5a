/* SPDX-License-Identifier: Apache-2.0
 *
 * libbrokermesh: endpoints of a Broker mesh, and data stores, for programs that are not written in Go.
 *
 * An endpoint, a subscriber, a publisher, a store, a call under way: each is a handle, a number. Numbers are never used again; 0 is no
 * handle. Values come and go in Broker's binary form, version 1: one byte for the kind, then the content. That is also what is meant by
 * "a vector" or "a table" below. The library keeps no pointer that it was given, calls nobody back, and touches no signal handler but
 * those that every Go program needs for its own faults; SIGINT and the like stay as they are.
 *
 * Every function may be called from any thread. None waits, unless it has a timeout, and then no longer than that (in nanoseconds; 0 or
 * less: not at all). What takes time is begun with bm_start, and a descriptor tells when it is over: wait for it with poll or select,
 * beside whatever else you wait for. Descriptors belong to the library: never read, write or close them. They are closed by bm_close,
 * bm_result and bm_cancel; don't poll one then.
 *
 * The library can't be used in the child of a fork, nor be unloaded.
 *
 * Results. 0: done. Above 0: an error code of Broker, 1 to 14. Below 0: one of the following. Where there is a parameter err, it may be
 * NULL; else it gets a sentence in UTF-8, or {NULL, 0}. What is stored in bm_bytes was made with malloc and goes to bm_free. Output
 * parameters are set only if the result is 0, if nothing else is said.
 */
#ifndef BROKERMESH_H
#define BROKERMESH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BM_ABI 1

#define BM_OK 0
#define BM_CLOSED -1  /* the handle, or the endpoint that it belongs to, is closed or never was */
#define BM_AGAIN -2   /* not now, or not in the time given; nothing is lost, ask again */
#define BM_BADARG -3  /* an argument is not what it must be; *err names it */
#define BM_FAILED -4  /* anything else; *err says what */
#define BM_UNKNOWN -5 /* a write of which nobody knows whether it was carried out */

typedef uint64_t bm_handle;
typedef struct {
	unsigned char *data;
	size_t len;
} bm_bytes;

/* The version of this interface. A program that was made for BM_ABI works with libraries that answer the same number. */
int bm_abi(void);

/* Frees what came in a bm_bytes. NULL is fine. */
void bm_free(void *p);

/* Closes a handle of any kind, soon: it waits for nothing. Closing twice, or 0, does nothing.
 *   endpoint    everything that belongs to it ends: listening, peerings, stores, calls. What is queued is sent in the background, for 5
 *               seconds at most; who wants to know when that is over begins the operation "shutdown" and closes the handle afterwards.
 *               A process that ends at once takes what was not sent with it. Handles of subscribers stay until they are closed.
 *   subscriber  the subscription ends; so do statuses, watches and cursors. What was not taken is gone.
 *   publisher   what it holds is still sent, in the background, unless its endpoint ends first.
 *   store       only the handle. The store goes on until the endpoint is closed, or the operation "detach".
 *   call        as bm_cancel. */
void bm_close(bm_handle h);

/* The descriptor of a subscriber, publisher or call. */
int bm_fd(bm_handle h, int *fd);

/* ---- Frames: messages in a row, without gaps, nothing aligned. In the order of the machine:
 *        uint32_t length of the topic, uint32_t length of the value, the topic, the value. */

/* ---- Endpoints */

/* Makes an endpoint. It does nothing until it listens or peers. options is a table whose keys are strings, or nothing (0 bytes):
 *   "disable_ssl"          boolean, false   plain TCP
 *   "certificate" "key" "passphrase" "cafile" "capath"
 *                          string, ""       TLS with certificates on both ends (PEM files). If any of them is set, the first two are needed,
 *                                           and a file or folder of CAs. If none is, TLS is anonymous: encrypted, but without any proof
 *                                           of who is there.
 *   "forward"              boolean, true    whether messages of peers go on to other peers
 *   "id"                   string           a UUID in the place of a random one
 *   "threads"              count            looked at and not used: there are as many as the machine has processors
 *   "memory_limit"         count            bytes that all queues of the endpoint may hold together, 256 MiB
 *   "peer_messages" "peer_bytes"            count: what may wait for one peer, 8192 messages and 32 MiB
 *   "subscriber_messages" "subscriber_bytes"
 *                                           count: what may wait in one subscriber, 65536 messages and 32 MiB. Then the oldest go.
 *   "flow_control"         boolean, true    publishers of this project, wherever they are, wait for subscribers of this endpoint before
 *                                           anything is lost; not for one that takes nothing for five seconds
 *   "plain_protocol"       boolean, false   keep to what C++ Broker knows
 *   "log"                  string, ""       a file that gets a line for what happens to connections; "-" is standard error
 * BM_BADARG: another key, or a value of another kind. BM_FAILED: a file that can't be used; *err names it. */
int bm_endpoint_new(const void *options, size_t len, bm_handle *out, bm_bytes *err);

/* The endpoint's ID, 36 characters without a zero at the end. It works until the handle is closed, also after "shutdown". */
int bm_endpoint_id(bm_handle ep, char out[36]);

/* Listens at an address, "" for all interfaces, and a port, 0 for any that is free. *bound gets the port. */
int bm_listen(bm_handle ep, const char *addr, size_t addr_len, int port, int *bound, bm_bytes *err);

/* Publishes one value. The bytes are checked before anything is sent (BM_BADARG). While a queue that the message has to go through is
 * full, the call waits; BM_AGAIN: it was full all the time, and nobody has got the message. */
int bm_publish(bm_handle ep, const char *topic, size_t topic_len, const void *value, size_t value_len, int64_t timeout_ns, bm_bytes *err);

/* Publishes frames. All of them are checked before the first is sent. *done, which may be NULL, always gets how many bytes of the frames
 * have been published: with BM_AGAIN go on from there. */
int bm_publish_batch(bm_handle ep, const void *frames, size_t len, int64_t timeout_ns, size_t *done, bm_bytes *err);

/* Sends a value to one endpoint, whatever that has subscribed to. Never waits. Code 4: no way leads there. */
int bm_publish_to(bm_handle ep, const char id[36], const char *topic, size_t topic_len, const void *value, size_t value_len, bm_bytes *err);

/* What is known at once. The answer is a value.
 *   endpoint: "peers"()      vector of the peers that stand: vector(string ID, string address or none, count port or none, count flags, count
 *                            status, string class, string security)
 *             "listening"()  vector of count: the ports
 *             "stats"()      table of string to count
 *   store:    "status"()     table, see bm_store_read
 *             "name"()       string
 *   subscriber: "topics"()   vector of string
 *               "dropped"()  count: messages that were lost because they were not taken in time
 * args is a vector, or nothing. */
int bm_query(bm_handle h, const char *op, const void *args, size_t len, bm_bytes *out, bm_bytes *err);

/* ---- Subscribers. Their descriptor is readable while something waits to be taken, and when they have ended. */

/* Subscribes to all topics that begin with one of the strings of a vector. *fd may be NULL. */
int bm_subscribe(bm_handle ep, const void *topics, size_t len, bm_handle *out, int *fd, bm_bytes *err);

/* Subscribes to errors and, if statuses is not 0, to statuses of peerings. Frames have an empty topic; values are
 * vector(string "status" or "error", count code, context, string message, string text) where context is none or
 * vector(string ID, string address or none, count port or none) and text is what the reference prints. An unknown ID is all zeros. */
int bm_status_subscribe(bm_handle ep, int statuses, bm_handle *out, int *fd, bm_bytes *err);

/* Takes at most max messages that wait; as many as fit into max_bytes, but one at least (0: no limit). Never waits. *count 0 and
 * *frames {NULL, 0}: nothing there. BM_CLOSED: nothing there, and nothing will come; *err says why, if it was not closed on purpose.
 * The same function reads statuses, cursors and watches. */
int bm_sub_take(bm_handle sub, unsigned max, size_t max_bytes, bm_bytes *frames, unsigned *count, bm_bytes *err);

/* How many messages wait. */
int bm_sub_available(bm_handle sub, unsigned *n);

/* Adds topics, then takes others away; both are vectors of strings, or nothing. What is queued stays. Subscribers of bm_subscribe only. */
int bm_sub_change(bm_handle sub, const void *add, size_t add_len, const void *remove, size_t remove_len, bm_bytes *err);

/* ---- Publishers: a queue of 128 messages to one topic, sent in the background as fast as the queues behind it take them. The descriptor
 * is readable while there is room. */
int bm_publisher(bm_handle ep, const char *topic, size_t topic_len, bm_handle *out, int *fd, bm_bytes *err);

/* Takes frames; their topics must be empty. *done (may be NULL) always gets how many bytes were taken. BM_AGAIN: not all of them fitted. */
int bm_publisher_send(bm_handle pub, const void *frames, size_t len, size_t *done, bm_bytes *err);

/* How many messages wait, and how many may. Each may be NULL. */
int bm_publisher_state(bm_handle pub, unsigned *buffered, unsigned *capacity);

/* ---- Stores */

/* Attaches a master, or a clone if master is 0, to the endpoint, or answers another handle of the one that is there by that name. It does
 * not wait for other endpoints; it does wait for the files of a backend to be opened. options is a table, or nothing; unknown keys are
 * ignored, as the reference does.
 *   masters: "backend" string: memory (the default), sqlite, pebble
 *            "path"    string: file of sqlite, folder of pebble
 *            sqlite:   "synchronous", "journal_mode", "failure_mode" enum (Broker::SQLITE_...), "integrity_check" boolean
 *            pebble:   "synchronous" enum Broker::SQLITE_SYNCHRONOUS_OFF: commits are not waited for; otherwise they are
 *            memory:   "max_bytes" count
 *            all:      "expiry" timespan: of entries that are written without one
 *   clones:  "stale_interval" timespan: after so long without being in sync, reads answer code 14. 0 or less, and by default: never.
 *            "resync_interval", "mutation_buffer_interval" timespan: looked at and not used
 * Codes: 7, a master of the name is known already; 8, a clone where the master is; 13, the backend can't be opened. */
int bm_store(bm_handle ep, int master, const char *name, size_t name_len, const void *options, size_t len, bm_handle *out, bm_bytes *err);

/* Reads. Nothing changes, so after BM_AGAIN simply ask again. args is a vector:
 *   "get"(key)         the value; code 9: no such key
 *   "exists"(key)      boolean
 *   "index"(key,index) element of a vector, entry of a table, boolean for a set; code 9
 *   "keys"()           set
 *   "size"()           vector(count entries, count bytes)
 *   "status"()         table: "name" "role" "state" string, "entries" "bytes" "sequence" "lag" "clones" "writes_waiting" "writes_unknown"
 *                      "writes_failed" count, "stale" boolean, "error" "last_failure" string
 * Code 14: a clone that has nothing, or is out of sync for longer than "stale_interval". 13: the backend failed. */
int bm_store_read(bm_handle st, const char *op, const void *args, size_t len, int64_t timeout_ns, bm_bytes *out, bm_bytes *err);

/* Writes, without waiting until it is done. Writes of one thread keep their order, and reads of the same thread at a master come after
 * them. args is a vector; expiry is a timespan or none, and may be left out:
 *   "put"(key, value, expiry) "erase"(key) "clear"() "increment"(key, amount, expiry) "decrement"(key, amount, expiry)
 *   "append"(key, string, expiry) "insert_into"(key, index, expiry) "insert_into_table"(key, index, value, expiry)
 *   "remove_from"(key, index, expiry) "push"(key, value, expiry) "pop"(key, expiry)
 * While more than 4 MiB of writes are under way, the call waits; BM_AGAIN: all the time, and nothing was done. What fails, at once or
 * later, is counted in "status". */
int bm_store_write(bm_handle st, const char *op, const void *args, size_t len, int64_t timeout_ns, bm_bytes *err);

/* ---- Calls: what takes time. */

/* Begins an operation. *fd (may be NULL: then no descriptor is made) becomes readable when it is over. args is a vector, or nothing.
 * endpoint:
 *   "peer"(string address, count port, timespan retry)
 *                          the peer's ID, a string. The retry interval is cut to whole seconds. Without one there is one attempt (codes 2,
 *                          4, 6); else it goes on until it succeeds or is cancelled, and after losses.
 *   "peer_nosync"(address, port, retry)  none, at once; the rest goes on in the background and shows in statuses
 *   "unpeer"(address, port)              none, when the peering has ended. An unknown one is code 3 here and in the statuses.
 *   "await_peer"(string ID)              none, when there is a way to that endpoint. Text that is no ID is waited for in vain.
 *   "await_any"()                        the ID of any peer, when there is one
 *   "forward"(vector of topics)          none: ask peers for topics without receiving them, in addition to earlier ones
 *   "flush"()                            none, when everything queued so far has been handed to the operating system
 *   "sync"()                             none, when all direct peers know what is subscribed to here
 *   "shutdown"()                         none, when the endpoint has ended. Handles stay until they are closed. -4: some messages were lost
 * store:
 *   all of bm_store_write                none, when it has been carried out. BM_UNKNOWN: see there; codes 9, 10, 11, 12, 13
 *   all of bm_store_read                 its answer
 *   "put_unique"(key, value, expiry)     boolean: whether it was stored
 *   "compare_and_set"(key, old, boolean present, new, expiry)
 *                                        boolean: whether it was stored, because what was there equals old, or with present F because
 *                                        nothing was there
 *   "batch"(vector of conditions, vector of writes)
 *                                        boolean: F if a condition did not hold, and nothing was done. Condition: vector(key, boolean
 *                                        present, value); write: vector(string op, arguments...), of the writes above
 *   "await_idle"()                       none, when nothing is on its way
 *   "entries"()                          count: a handle for bm_sub_take, that ends after the last entry. Frames: topic empty, value
 *                                        vector(key, value, timespan that is left or none). Close it.
 *   "watch"(key or none, count after or none)
 *                                        count: a handle for bm_sub_take. Frames: topic empty, value vector(string insert, update, erase or
 *                                        expire, key, old or none, new or none, count number). With after it goes on behind the change of
 *                                        that number. Close it.
 *   "detach"()                           none: the store on this endpoint has ended, for all its handles
 * Calls of one handle that are begun one after the other may be carried out in any order. */
int bm_start(bm_handle target, const char *op, const void *args, size_t len, bm_handle *call, int *fd, bm_bytes *err);

/* The outcome of a call. BM_AGAIN: it is not over. Any other result is the operation's, and ends the call, its handle and descriptor. */
int bm_result(bm_handle call, bm_bytes *out, bm_bytes *err);

/* Gives a call up, and ends its handle and descriptor. What was begun may still be carried out. */
void bm_cancel(bm_handle call);

#ifdef __cplusplus
}
#endif

#endif
