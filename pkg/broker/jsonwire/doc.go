// SPDX-License-Identifier: Apache-2.0

// Package jsonwire is the JSON form of values and messages that Broker's
// WebSocket protocol uses. It follows spec/websocket.md (2, 3, 6, 9) and
// spec/data.md 8.
//
// A value is an object {"@data-type":KIND,"data":X}. What is written is what
// the reference writes, byte for byte, but it is always valid JSON in valid
// UTF-8. These are the differences:
//
//   - A real is written with six decimals where these say it exactly
//     (1.000000), else in the shortest form that does (3.141592653589793,
//     1e-09). Infinities and NaN are the strings "inf", "-inf" and "nan".
//   - In strings, control bytes are \u0000 to \u001f. A byte that isn't part of
//     valid UTF-8 is the lone surrogate \udcXX, XX being the byte (80 to ff), as
//     Python's surrogateescape has it. Text never contains such a surrogate, so
//     that nothing else is read as that byte.
//   - A subnet as no writer makes it (host bits set, or a length that its
//     address family doesn't have) ends with an exclamation mark: what stands
//     before it is taken as it is, neither masked nor checked.
//
// Two things don't survive, as in the reference: timestamps are cut to
// milliseconds (before 1970 to seconds, toward 1970), and received reals below
// the smallest normal number become zero when they are read again. Where the
// cut would make two elements of a set or keys of a table the same, its
// timestamps are written to the nanosecond instead.
//
// Reading takes what the reference takes where no other meaning is possible:
// integers for reals, numbers like +1, .5, 1., 0x1f and 0b1, 1e400 for an
// infinity, the bare words nan and inf that C++ endpoints send, \v and raw
// control bytes in strings, timestamps with zones, timespans in all units (exact
// to the nanosecond), members in any order and unknown ones besides. It refuses
// numbers with redundant zeros in front, which the reference takes for octal,
// ports and subnets that are none, and text behind the value.
package jsonwire
