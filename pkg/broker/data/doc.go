// SPDX-License-Identifier: Apache-2.0

// Package data is Zeek's data model as Broker carries it: fifteen kinds of
// values, their total order, their text and their binary form (version 1).
// It follows the data model specification (spec/data.md) and the value
// sections of the wire specification (spec/wire.md, 3 and 4).
//
// A [Value] is immutable and holds its own validated encoding: scalars sit in
// the struct, strings and the contents of containers in one piece of memory.
// So decoding is validation, relaying is copying, and reading an element of a
// container answers a Value that shares the container's memory. Nothing is
// decoded into a tree.
//
// Sets and tables that are built here are in ascending order. Received ones
// keep the order in which they came, since bytes are passed on unchanged;
// [Compare], [Equal], [Value.Lookup], [Value.Contains] and [Value.String]
// give the same answers for any order. [Canonical] brings a value into the one
// form that every writer agrees on.
//
// There are three texts of a value. [Value.String] prints what the reference
// prints, for people and logs. [Value.Text] is a literal that [ParseText] reads
// back. The JSON of the WebSocket protocol is in package jsonwire, which imports
// this one.
//
// Where this package departs from the reference: NaN sorts before all other
// reals and equals itself; subnormal reals are written as zero with their sign;
// values nested deeper than [MaxDepth] are refused; texts of addresses,
// subnets, ports and times are parsed strictly, with the reason in the error.
package data
