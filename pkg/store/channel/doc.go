// SPDX-License-Identifier: Apache-2.0

// Package channel delivers numbered events from one producer to many consumers, in order and without gaps, over a bus that may lose,
// repeat and reorder. It follows spec/stores.md 4.
//
// Producer and Consumer are pure state machines: ticks and received messages go in; what is to be sent and what is delivered comes
// out, appended to an Output that the caller owns. There is no clock, no goroutine and no lock; one goroutine owns each machine.
//
// # Numbers
//
// Both sides count in 64 bits. A producer starts at 1, so its first event is number 2, and 0 never is an event. Numbers go on while
// there are no consumers (the reference uses none then), and over a restart if the owner says where to go on. A consumer knows nothing
// until the handshake tells it the offset: the number before the first event that it will see.
//
// # Bounds
//
// What a peer can make a machine keep is limited. A consumer buffers at most a window of numbers and a number of bytes; what is
// beyond is dropped and asked for again later. A nack lists at most MaxNack numbers, and no more of a received one are looked at. A
// producer keeps events until all consumers have them, up to a limit in bytes; then the consumers that are furthest behind are dropped.
//
// # Departures from the reference
//
// Heartbeats can also be addressed to each consumer; acks beyond the newest event count as acks of the newest event; once all
// events of a full nack have come, the next nack goes out at once.
package channel
