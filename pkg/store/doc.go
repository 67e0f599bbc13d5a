// SPDX-License-Identifier: Apache-2.0

// Package store has the two frontends of a distributed key-value store: a Master, which owns the entries and executes every change,
// and Clones, which hold a copy, answer reads from it and send writes to the master. It follows spec/stores.md and speaks with masters
// and clones of C++ Broker.
//
// Each frontend is one goroutine that owns all of its state. What arrives, from the bus or from callers, waits in an inbox that is
// bounded in bytes: callers wait while it is full, commands from the bus are dropped (the channel repairs that). The goroutine takes
// everything that waits as one batch.
//
// # Order of a batch at a master
//
//  1. every request and command is applied to the backend's transaction;
//  2. the transaction is committed;
//  3. callers get their answers;
//  4. store events are raised;
//  5. changes are replayed to clones, and acks go out.
//
// So whoever gets an answer, an event or an ack may rely on what is on disk. If the backend fails, the whole batch is answered with
// the failure and nothing of it is replayed; the master serves nothing from then on, and is silent, so that clones notice.
//
// # Numbers
//
// Every change that clones would see takes the next number of the store's history, whether or not there are clones (the reference
// uses no number without them). A new history begins with number 2. The number is at once that of the channel to clones, which a
// handshake names anyway, so clones of C++ Broker see nothing of it.
//
// # What a clone does about its master
//
// A clone looks for a master for as long as it lives. It takes the first that answers and follows it until it has been silent for
// 50 s, or for 3 s while another one of the name speaks up; until a number of the channel is gone for good; or until nothing comes
// although something is known to be missing. Then it asks for a new snapshot under a new identity, because masters answer an
// identity that they know with an old offset. Its content stays readable meanwhile, and Status says since when it may be stale.
//
// A master of this project says which history it has. If that is another one than the clone's, the clone keeps what it has, readable
// and stale, until Adopt is called; but what a master in memory had is gone for good, so that its clones take the next history at once.
//
// Writes that were sent but not acknowledged when a channel is lost may or may not have been executed. They are not sent again, and
// counted in Status.WritesUnknown; PutUnique answers ErrUnknown. Writes that were not sent yet wait and go to the next master.
package store
