// SPDX-License-Identifier: Apache-2.0

// Package gateway lets WebSocket clients take part in a mesh. It follows the
// WebSocket specification (spec/websocket.md), there section 9: it serves
// /v1/messages/json for clients of C++ Broker's former server as well as of
// Zeek's.
//
// A client's first message is the list of topic prefixes that it wants; the
// answer is an acknowledgement, sent when the subscription stands. From then
// on both sides send data messages. What a client publishes goes to the
// endpoint's peers as the endpoint's own, to its subscribers and to the other
// clients, and never back to the client. A client hears what peers send and
// what the other clients of its gateway publish; it doesn't hear what
// Endpoint.PublishLocal delivers, such as status events.
//
// # Order and limits
//
// Messages of one client and messages of one peer keep their order. While the
// queue of a peer is full, clients that publish to it wait. Nobody waits for a
// client that reads slowly: it is let go with code 1011 when too much has been
// waiting for it for a second, when 32 MiB wait, or when it leaves a ping
// unanswered. A burst alone doesn't end a session.
//
// # Who owns what
//
// A Gateway is a client of its endpoint and knows nothing of its insides. Each
// session has a goroutine for each direction of its connection, one that
// collects what peers send, and one for pings; they share the session's queue.
package gateway
