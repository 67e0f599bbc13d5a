// SPDX-License-Identifier: Apache-2.0

// Package store has the two frontends of a distributed key-value store: a Master, which owns the entries and executes every change,
// and Clones, which hold a copy, answer reads from it and send writes to the master. It follows spec/stores.md and speaks with masters
// and clones of C++ Broker.
//
// Each frontend is one goroutine that owns all of its state. What arrives, from the bus or from callers, waits in an inbox that is
// bounded in bytes: callers wait while it is full, commands from the bus are dropped (the channel repairs that). The goroutine takes
// everything that waits as one group: while one is on its way to the disk the next one gathers, so no timer is needed. A read at a
// master that finds it at rest, with nothing in front, is answered in the caller's goroutine.
//
// # Order of a group at a master
//
//  1. every write and command is applied to the backend's transaction, each with the next number of the history;
//  2. the number is put beside it, and the transaction is committed;
//  3. writes are answered (Pending), then reads, from what is committed;
//  4. store events are raised, and watchers get the changes;
//  5. changes are replayed to clones, and acks go out.
//
// So whoever gets an answer, an event or an ack may rely on what is on disk. If the backend fails, the whole group is answered with
// the failure and nothing of it is told to anybody; the master serves nothing from then on, and is silent, so that clones notice. The
// failure (backend.Error) names the file and what can be done.
//
// # Writes
//
// Each write is there in two forms: Put, Erase, .. wait until it is done, PutAsync, WriteAsync, .. answer a Pending. Writes of one
// goroutine keep their order, and its reads come after them. An entry that would be larger than MaxEntryBytes is refused with
// ErrTooLarge, one that a bounded backend has no room for with backend.ErrFull. A Batch is carried out whole or not at all, if its
// conditions hold; clones see it as ordinary changes, one after the other. CompareAndSet is a batch of one.
//
// # Seeing changes
//
// A Snapshot is the content between two groups, and knows its number; it holds nobody up. Watch goes on after a number: with that of a
// snapshot, the two make up the whole story. Changes are recorded from the first Watch or Snapshot on, in a ring of WatchBytes, until
// nobody has watched for a minute; a watcher that falls out of the ring gets ErrHistoryGone. Nobody ever waits for a watcher. Store
// events are the reference's way to tell changes (spec/stores.md 9); they are made only while somebody subscribes to them.
//
// # Expiry
//
// The master removes entries whose time has come, at most one tick (100 ms) late, also those that came due while it was closed. It
// looks at the next deadline only; a clone removes nothing by itself.
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
// # Writes of clones
//
// Every write has an outcome. A master of this project says of each whether it executed it or why not, and keeps how far each writer
// has come in the transaction of the data: so the writes of a clone that was cut off, or whose master was started anew, are executed
// once, and answered when the clone has applied them. Only a promoted master that does not have the memory of the one before leaves
// them unknown. A foreign master says no more than that it has a write. When its channel is lost, writes that were sent and not
// acknowledged answer ErrUnknown, are not sent again, and are counted in Status.WritesUnknown. Writes that were not sent yet wait,
// bounded by QueueBytes, and go to the next master.
//
// # The extension
//
// Frontends of this project know each other by a trailer behind nack, attach_writer, keepalive and cumulative_ack commands (package
// command), which the reference ignores; commands beyond those of the reference go only to who showed itself. With them a clone goes
// on where it was if the master still has what it lacks, or gets the content in parts, with the time that entries have left, at most
// 1 MiB under way for each of at most eight clones at a time. What is said to frontends of C++ Broker is what the reference would say.
//
// # Two masters of one name
//
// Masters announce themselves to each other once a second. Of two epochs of one history the later one counts, and the other master
// refuses writes for ever, unless it is promoted itself (NewEpoch). At equal epochs both refuse until one is closed or promoted.
//
// # Handover and failover
//
// Clone.TakeOver makes the endpoint of a clone the master, over a database of its own. The target copies what the clone has, then sends
// Handover commands (number 90), which the master answers with HandoverState (91) and HandoverPart (92). All may be lost or come twice:
// the target repeats each, and the master goes by the number of the handover, drawn at random. With the target's first question the master
// begins a checksum of its content, and keeps it up to date for ten minutes after the last such question; the target does so for its own
// database once it has copied what there is. So writes don't wait for either.
//
//  1. freeze: the master executes nothing more, answers with its number, checksum and count, and is frozen for five seconds after each
//     word of the target; writes wait, reads go on.
//  2. fetch: the target gets the master's starts and what it executed of each writer, in parts.
//  3. The target has all up to the number, and compares what it has read back from its own database. It commits the later epoch and the mark
//     "prepared", with which NewMaster refuses the database.
//  4. equal: the master commits that it is fenced, and for which handover, and says so. Asked again, even after a restart, it says so again.
//  5. With that answer, and not before, the target removes the mark, and serves.
//
// Two sides that talk over a line which may fail can't agree at one moment. Here the master alone decides, by one commit: before it the
// handover may come to nothing, and is void as soon as the master has executed a write, for ever; after it the master never writes in its
// epoch. The target only learns of it. So there is no moment with two that write. There may be one with none: a target that was prepared
// and got no answer answers ErrUndecided, and asks again in its next TakeOver. Copies of messages that come late do no harm, as a handover
// that is over is not begun again, and equal names the number and the checksum.
//
// Writes that waited at the master are refused with ErrFenced, which says that they were certainly not executed, while clones keep theirs
// and send them to the next master, which knows what was executed. Remotes look for the next master by themselves.
//
// With Force nobody is asked. What the clone does not have is lost; the later epoch fences the master before as soon as it hears of it, and
// writes of clones under way answer ErrUnknown. Until it hears of it that master would write, so whoever forces has to know that it is gone,
// or use leases: a master with MasterOptions.Leased writes only for as long as Master.Lease permits. It looks before each write, and again
// when a group is committed: what took longer than the lease is told to nobody until there is another one.
//
// Master.Promote decides between two masters that refuse because of each other.
//
// The clones of C++ Broker do not follow. A master tells clones of our kind how many of them it has, in the trailer of keepalives; and in a
// trailer behind a put when the entry expires, where the reference says nothing of that (changes by add and subtract).
//
// # Clones of C++ Broker
//
// They follow one identity for ever and never ask for a second snapshot. The database keeps the identity of a master and, while such a
// clone is attached, the last 4,096 commands; so a clone goes on after a restart if the endpoint kept its ID as well, or is named in
// Status.Stranded. One that is so far behind that the history grows beyond HistoryBytes is cut, and named there too.
package store
