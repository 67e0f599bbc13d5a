// SPDX-License-Identifier: Apache-2.0

// Package zeek makes and reads the messages that Zeek sends over Broker: events,
// batches, the creation and writing of logs, and updates of identifiers. It
// follows spec/zeek.md 1 to 5.
//
// A Zeek message is a value like any other, a vector of version, type and
// content. Broker itself never looks at it; programs that speak with Zeek do.
// [TypeOf] tells what a value claims to be, [Validate] whether it is, and the
// Parse functions take it apart. What they answer shares the value's memory.
//
// # Events from Go
//
// [Marshal] makes the message of an event from Go values, and [Event.Scan] and
// [Event.Unmarshal] read the arguments back, by the rules of package data. Zeek
// converts nothing: a count is no int. These Go types are Zeek's types:
//
//	Zeek                     Go
//	bool                     bool
//	int                      int, int64, …
//	count                    uint64, uint, …
//	double                   float64
//	time, interval           time.Time, time.Duration
//	string                   string, []byte
//	enum                     data.EnumName, or a string with the option enum
//	port, addr, subnet       data.PortNumber, netip.Addr, netip.Prefix
//	set[T]                   map[T]struct{}, or []T with the option set
//	set[T1, T2]              the same of a struct of two fields
//	table[T] of V            map[T]V
//	vector of T              []T
//	record                   struct; &optional fields are pointers or have omitempty
//	pattern                  [2]string: for exact and for embedded matches
//	any, opaque              data.Value
//
// # Logs
//
// A [LogCreate] announces a log's columns; each [LogWrite], which Zeek sends
// within batches, is a record of [Cell]s. Type numbers are those of Zeek 5.0 and
// later.
package zeek
