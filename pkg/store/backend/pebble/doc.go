// SPDX-License-Identifier: Apache-2.0

// Package pebble is the backend that keeps a store in a folder of Pebble, a log-structured merge tree. It takes the place that RocksDB
// had in C++ Broker 1.x (spec/stores.md 7.5); the layout is its own.
//
// Each commit is one batch, synced once. Keys in the database begin with a byte that says what they are:
//
//	m NAME          -> facts about the whole: "version", "state" (number of entries, their bytes, number of commits; 8 bytes each)
//	e KEY           -> flags (1 byte), deadline (8 bytes, if the flags say so), value, CRC-32C of KEY and all before it (4 bytes)
//	n NAME          -> a meta of the store
//	x DEADLINE KEY  -> nothing; for each entry with a deadline, in their order
//
// KEY and value are binary v1, numbers are big endian. Layout 1 had entries under d, without checksum; opening such a folder keeps a
// copy of it beside it and rewrites the entries.
//
// # What is noticed
//
// Pebble checks a CRC of each block of its tables and of each record of its logs. What it takes for the torn end of a log could also be
// damage there; so the number of commits is kept once more, in the file brokermesh.mark, written after each synced commit. A folder in
// which fewer commits are found than that file knows of has lost some, and is refused. The checksum of an entry is looked at whenever
// the entry is read. Not noticed is damage that leaves both the folder and its mark as they were at an earlier commit, such as an old
// copy of the whole.
//
// # When a write fails
//
// The first failed write or sync, whatever file it was for, ends the service: from then on nothing is written to the folder, every call
// answers the same error, and opening the folder again finds all that was acknowledged.
package pebble
