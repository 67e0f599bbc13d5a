// SPDX-License-Identifier: Apache-2.0

// Package zeek makes and reads the messages that Zeek sends over Broker: events,
// batches, the creation and writing of logs, and updates of identifiers. It
// follows spec/zeek.md 1 to 3.
//
// A Zeek message is a value like any other, a vector of version, type and
// content. Broker itself never looks at it; programs that speak with Zeek do.
// [TypeOf] tells what a value claims to be, [Validate] whether it is, and the
// Parse functions take it apart. What they answer shares the value's memory.
package zeek
