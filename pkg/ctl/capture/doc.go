// SPDX-License-Identifier: Apache-2.0

// Package capture reads what tcpdump has written and finds the native Broker
// protocol in it (spec/wire.md 1 to 8): the frames of every connection, in both
// directions, decoded.
//
// A capture rarely holds whole connections. A direction whose beginning is
// missing, or that has a gap, is searched for the next bytes that can only be
// a frame; what was skipped is said. Connections that speak something else are
// counted, and TLS is named as what can't be looked into.
//
// Captures are input like any other: no content of one makes the package fail
// otherwise than with an error, or keep more memory than a few of the largest
// frames.
package capture
