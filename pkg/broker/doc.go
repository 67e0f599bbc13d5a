// SPDX-License-Identifier: Apache-2.0

// Package broker is an endpoint of a Broker mesh: it peers with other endpoints (C++ Broker, Zeek, or this package), publishes and
// subscribes to topics, and carries the commands of data stores. It follows the wire specification and the routing specification.
//
// # Concepts
//
// An [Endpoint] has a random ID, listens at addresses and dials others; a connection that stands is a peering. Messages are a topic and
// a value (package data). A topic is any string; a subscription is a list of prefixes, compared byte by byte: "/a" takes in "/ab". Each
// endpoint tells its peers which prefixes it wants, and gets nothing else.
//
//	e, err := broker.New(broker.Options{})
//	if err != nil {
//		return err
//	}
//	defer e.Close(ctx)
//	sub, err := e.Subscribe([]string{"/news/"}, broker.QueueLimit{})
//	if err != nil {
//		return err
//	}
//	if _, err := e.Peer(ctx, "broker.example.org:9999", broker.PeerOptions{Retry: 10 * time.Second}); err != nil {
//		return err
//	}
//	for m := range sub.All(ctx) {
//		fmt.Println(m.Topic, m.Value)
//	}
//
// There are few types: [Endpoint] with its [Options]; [Publisher] for flow control; [Subscriber] to receive; [Hub], which is both at
// once; [StatusSubscriber] for what happens to peerings; [PeerInfo] and [Stats] to look at it all. Everything may be used from any
// goroutine unless it says otherwise. Durations are time.Duration, sizes are bytes, queue lengths are messages.
//
// # Publishing
//
// [Endpoint.Publish] never waits. [Endpoint.PublishBatch] takes several messages, [Endpoint.PublishBytes] a value that is encoded
// already, [Endpoint.PublishTo] sends to one endpoint, whether it subscribed or not. [Endpoint.PublishLocal] stays inside of the
// endpoint. A [Publisher] can wait for room, see below. A value is encoded once, whatever the number of peers; nobody is encoded for if
// nobody wants the topic. Topics below "<$>" are the protocol's own, and publishing to them fails with [ErrTopic].
//
// # Receiving
//
// A [Subscriber] has a queue of its own and offers it in the ways that programs like: [Subscriber.Get] waits, [Subscriber.Poll] doesn't,
// [Subscriber.Available] counts; [Subscriber.All] is for loops, [Subscriber.Chan] for select, [Subscriber.Handle] calls a function, and
// [Subscriber.Batches] and [Subscriber.GetBatch] take many messages under one lock. After Close, of the subscriber or of the endpoint,
// what is queued can still be read, and then comes [ErrClosed].
//
// Values are views of the bytes that came: they have been validated, but nothing is decoded before it is asked for, and reading an
// element doesn't decode the others. Messages that came together share memory, so who keeps a small part of a large message for long
// keeps a Clone of it.
//
// Prefixes can be changed at any time ([Subscriber.SetPrefixes], AddPrefixes, RemovePrefixes); filters shrink as well as grow, and peers
// are told. When Subscribe or a change has returned, local messages that come later are seen. [Endpoint.SubscribeSync] and
// [Subscriber.SetPrefixesSync] also wait until the direct peers have taken notice.
//
// # Who sees what
//
// Publishing is meant for others. Within an endpoint, only a [Hub] sees what is published beside it:
//
//	published by                        Subscribers  other Hubs  the Hub itself  peers
//	Endpoint.Publish, Publisher         no           yes         -               yes
//	Hub.Publish                         yes          yes         no              yes
//	a peer                              yes          yes         -               as Options.Forward says
//	Endpoint.PublishLocal               yes          yes         -               no
//	Endpoint.PublishTo another endpoint no           no          -               that one
//	Endpoint.PublishTo the own ID       yes          yes         -               no
//
// Everybody gets a message once, however many of its prefixes match.
//
// # Order
//
// Messages of one source arrive in the order in which they were published, whatever their topics. A source is one goroutine that
// publishes with an Endpoint, a Publisher or a Hub, or one peer; over a mesh, however many nodes lie between, it is the endpoint that
// published. Nothing is said about the order between sources.
//
// A subscriber that also receives events sees peer_added before the first message of a peer, and peer_lost or peer_removed after the
// last one. What was published while a peering was down is not repeated when it is up again.
//
// # Peers
//
// [Endpoint.Peer] waits for a peering, [Endpoint.PeerAsync] makes it in the background, [Endpoint.PeerAll] makes several, and
// [Endpoint.AwaitPeer] waits for an endpoint, whoever dialed. With PeerOptions.Retry an address is dialed again after each failure and
// loss: after a loss at once, then after pauses that grow from 100 ms to the interval, with jitter, so that many clients of one server
// don't come back in step. [Endpoint.Unpeer] ends that too, and closes a peering by a handshake after everything queued has been written.
//
// Two endpoints that dial each other end up with one connection; both addresses count as peered. A peer is pinged when it is silent, at
// least every 30 s in any case, and counts as lost after 15 s without a byte, after 60 s if it is not of this project.
//
// Endpoints of one process are peered without a network by [Endpoint.PeerLocal].
//
// # Meshes
//
// Peers are of three classes ([PeerClass]): nodes, which forward; clients, which have Options.Forward set to [ForwardNone]; and foreign
// endpoints, which is everything that does not announce itself, C++ Broker for instance. Options.Forward says what is passed on between
// them.
//
// Nodes that are peered in whatever way, cycles included, form a mesh. They tell each other who is peered with whom and who wants what,
// and each message takes one path to every node where it is wanted: it arrives once, and in the order of its origin. Clients and foreign
// endpoints take part through the nodes that they are peered with. When a peering of the mesh ends, what was under way on it may be lost
// and is not repeated; nothing arrives twice for that. Peerings between foreign endpoints are invisible, and cycles through them are not
// protected.
//
// [Message] says which endpoint published ([Message.Origin]), which one passed the message on to this one (From), over how many
// connections it came (Hops), and, if somebody asks for times with [Endpoint.RequestTimes], when it entered the mesh (Sent).
// [Endpoint.PublishTo] finds its way over nodes. [Endpoint.MeshView] is the mesh as this endpoint knows it, and [Endpoint.Trace] records
// what becomes of messages here.
//
// # Overload
//
// Every queue is bounded, in messages and in bytes ([QueueLimit]), and each slow part harms itself only.
//
// Towards a peer, within the process too, Options.PeerQueue says what happens when its queue is full: the peer is disconnected and dialed again later (the
// default), or its newest or its oldest message is dropped. What programs publish with a Publisher or Hub can wait for room instead, fail
// with [ErrFull], or skip the peers that are full, see [Full]. Waiting concerns queues of this endpoint only and ends with the context;
// what is received from peers and passed on never waits for a peer.
//
// A Subscriber that is full loses its oldest or its newest messages, as its limit says. With [OverflowWait] it loses nothing, and the
// peers that send to it wait with everything else that they have to say.
//
// With QueueLimit.FlowControl a subscriber or hub is waited for wherever in the mesh it is, and loses nothing either: it tells every
// endpoint of this project that publishes to it how much room it has left, and a Publisher or Hub there that waits goes no faster than
// messages are taken. Neither peers nor nodes on the way wait for it. Who takes nothing for five seconds while somebody waits, or is not
// heard of any more, is not waited for until that changes; an error event "peer_timeout" with the text [NoCredit] says so where
// it is published. [Endpoint.Flows] shows who asks an endpoint for flow control, and Options.NoFlowControl has it ignored.
//
// From a callback (see [Subscriber.Handle]) nothing of the same endpoint can be waited for: Publish fails with [ErrWouldBlock] where it
// would have to.
//
// Whatever is dropped is counted, by cause in [Stats] and for each peer in [PeerInfo]; the first drop also ends the wait of
// [Endpoint.Changed].
//
// # Events
//
// [Endpoint.SubscribeStatus] receives events with the codes, contexts and texts of the reference:
//
//	a peering stands                 endpoint_discovered, peer_added
//	this side ended it               peer_removed, endpoint_unreachable
//	the other side, or the network   peer_lost, endpoint_unreachable
//	its queue overflowed             peer_removed (with "caf::sec::backpressure_overflow" in its text), endpoint_unreachable
//	a failed attempt                 peer_unavailable (an error)
//	Unpeer of what isn't peered      peer_invalid (an error)
//
// The same events are ordinary local messages below "<$>/local/data/", which other subscribers may ask for. They are not repeated:
// who subscribes later looks at [Endpoint.Peers], which answers the state of everything at once.
//
// # Errors
//
// [ErrClosed], [ErrTopic], [ErrValue], [ErrFull], [ErrWouldBlock] and [ErrNotFlushed] are there to branch on with errors.Is. A
// [*PeerError] says why a connection could not be made, with a class in one word; [*NotFlushedError] says what Close could not deliver.
// Sending to an endpoint that can't be reached is code.NoPathToPeer, unpeering from what isn't peered code.PeerInvalid. Errors of a
// context are passed on as they are. What goes wrong without a caller who could be told is logged (Options.Logger, with the attributes
// peer, address, topic, code and error) and counted.
//
// # Who owns what
//
// Peers, subscribers, attached stores and wanted prefixes are guarded by one mutex of the Endpoint. Each change publishes an
// immutable snapshot of what follows from them, and messages look at nothing else: a reader of a peer and a publishing goroutine
// take no lock but those of the queues that a message ends in and, where there is a mesh, a short one that keeps numbers in order.
// Each peer has a goroutine that reads and routes, and one that writes. Close waits for all of them.
//
// Callers own their contexts, and the slices that they pass are theirs again when the call has returned. Values are immutable.
package broker
