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
// [Compare], [Equal], [Value.Hash], [Value.Lookup], [Value.Contains] and
// [Value.String] give the same answers for any order. [Canonical] brings a
// value into the one form that every writer agrees on.
//
// # Making values
//
// The function named like a kind makes a value of it. [Vector], [Set] and
// [Table] copy what they hold, which is fine for small things; a [Builder]
// writes a whole tree into one buffer and is what a program uses that makes
// many. [Marshal] takes what a program has anyway:
//
//	Go                                      value
//	bool                                    boolean
//	int, int8 … int64                       integer; count with the option count
//	uint, uint8 … uint64                    count; integer with the option integer
//	float32, float64                        real
//	string, []byte, [N]byte                 string; enum value with the option enum
//	EnumName                                enum value
//	netip.Addr, netip.Prefix, PortNumber    address, subnet, port
//	time.Time, time.Duration                timestamp, timespan
//	EndpointID                              string; none if it is zero
//	[]T, [N]T                               vector; set with the option set
//	map[K]struct{}                          set; also map[K]bool with the option set
//	map[K]V                                 table
//	struct                                  vector of its fields in order: a record of Zeek
//	struct with the option table            table from the fields' names to their values
//	*T                                      none if nil, else what it points to
//	any                                     none if nil, else what it holds
//	Value                                   itself
//	Marshaler, Unmarshaler                  what they say
//	encoding.TextMarshaler and its reader   string; enum value with the option enum
//
// [Unmarshal] goes the other way. Kinds must fit exactly, as they must in Zeek;
// numbers that don't fit their Go type are errors, not cut off. A record may
// have more fields than the struct. Into an any goes the type of the table
// above (uint64, int64, float64, string, []any, map[any]any, map[any]struct{});
// what Go's maps have no key for stays a Value.
//
// Fields of structs are described by tags: `broker:"name,option,…"`. The name is
// the key in a table, and what errors say; it is the field's own by default, and
// "-" leaves the field out. Options other than omitempty and set reach through
// pointers into elements, members of sets and values of tables.
//
//	omitempty     a field that is zero, or holds nothing, becomes none or is
//	              missing in a table; none or a missing one makes it zero
//	enum, count, integer, set, table    see above
//
// An embedded struct's fields stand in its place unless it has a tag. A field
// `_ struct{}` with `broker:",table"` gives its struct that form everywhere.
// None is for pointers, any, Value, EndpointID, Unmarshalers and fields with
// omitempty, which is how optional fields of Zeek's records are declared.
//
// # Texts
//
// There are three texts of a value. [Value.String] prints what the reference
// prints, for people and logs. [Value.Text] is a literal that [ParseText] reads
// back. The JSON of the WebSocket protocol is in package jsonwire, which imports
// this one.
//
// # Differences
//
// Where this package departs from the reference: NaN sorts before all other
// reals and equals itself; subnormal reals are written as zero with their sign;
// values nested deeper than [MaxDepth] are refused; texts of addresses,
// subnets, ports and times are parsed strictly, with the reason in the error.
package data
