// SPDX-License-Identifier: Apache-2.0

// Package gateway lets WebSocket clients take part in a mesh. It follows the
// WebSocket specification (spec/websocket.md), there section 9: it serves
// /v1/messages/json for clients of C++ Broker's former server as well as of
// Zeek's.
//
// A client's first message is the list of topic prefixes that it wants; the
// answer is an acknowledgement, sent when the subscription stands. From then
// on both sides send data messages. What a client publishes goes to the
// endpoint's peers, its own subscribers and the other clients, and never back
// to the client.
//
// A gateway is a client of its endpoint and knows nothing of its insides. A
// client that doesn't read what it asked for is let go with code 1011 when its
// queue is full, or when it doesn't answer a ping.
package gateway
