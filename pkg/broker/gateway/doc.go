// SPDX-License-Identifier: Apache-2.0

// Package gateway lets WebSocket clients take part in a mesh. It follows the WebSocket specification (spec/websocket.md), there section
// 9: it serves /v1/messages/json for clients of C++ Broker's former server as well as of Zeek's. Where the two can't both be satisfied,
// a [Dialect] decides.
//
// A client's first message is the list of topic prefixes that it wants; the answer is an acknowledgement, sent when the subscription
// stands and the direct peers know it. From then on both sides send data messages. Each session is a [broker.Hub]: what a client
// publishes goes to the peers as the endpoint's own, to its subscribers and to the other clients, and never back to the client; it hears
// what the endpoint itself publishes, the other clients, and the peers. Topics of the endpoint itself (status events below
// "<$>/local/") are only for clients that ask for them by name.
//
// # Who may come
//
// [Access] has it: tokens, of which only hashes are known here, origins of web pages, and permissions by token or by the URI of a client
// certificate. Who may not come is refused before the upgrade.
//
// # Order and limits
//
// Messages of one client and messages of one peer keep their order. While the queue of a peer is full, or a client sends more than
// [Rate] allows, it has to wait: it isn't read. Nobody waits for a client that reads slowly. By default it is let go with code 1011 when
// too much has been waiting for it for a second, when 32 MiB wait, or when it leaves a ping unanswered, and a burst alone doesn't end a
// session; with another policy of its queue it loses messages instead.
//
// # Who owns what
//
// A Gateway is a client of its endpoint and knows nothing of its insides. Each session has a goroutine for each direction of its
// connection, one that collects what arrives for it, and one for pings; they share the session's queue. Clients come and go as status
// events of the endpoint, like peers.
package gateway
