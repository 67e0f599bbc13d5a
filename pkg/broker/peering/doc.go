// SPDX-License-Identifier: Apache-2.0

// Package peering makes and keeps one connection between two Broker endpoints: listening and dialing, TLS, the handshake, and then
// the reader, the output queue and the writer of the established link. It follows sections 1, 5, 6, 9, 10 and 13 of the wire
// specification and knows nothing of subscriptions: what frames mean is the business of the package above.
//
// [TLS] says how connections are protected: with certificates on both ends, or anonymously as Zeek does by default (package anontls).
// Whoever speaks something else than the handshake expects is recognised by the first bytes; the texts of its [Error] name it.
//
// The handshake is a [Machine]: frames in, frames and an outcome out, no socket and no clock. [Negotiate] is the shell that runs it
// on a connection. A [Registry] is shared by all machines of an endpoint and decides which of several connections to one peer stays.
package peering
