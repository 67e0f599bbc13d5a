// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// open makes an endpoint that listens at a free port of this machine.
func open(o broker.Options) (e *broker.Endpoint, address string) {
	e, err := broker.New(o)
	check(err)
	at, err := e.Listen("127.0.0.1:0")
	check(err)
	return e, at.String()
}

// soon is a context for things that take no time.
func soon() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// Two endpoints: one listens and subscribes, the other one connects and publishes.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	sensor, err := broker.New(broker.Options{})
	check(err)
	defer sensor.Close(ctx)
	console, err := broker.New(broker.Options{})
	check(err)
	defer console.Close(ctx)

	alarms, err := console.Subscribe([]string{"/alarms/"}, broker.QueueLimit{})
	check(err)
	address, err := console.Listen("127.0.0.1:0")
	check(err)

	_, err = sensor.Peer(ctx, address.String(), broker.PeerOptions{})
	check(err)
	check(sensor.Publish("/alarms/door", data.Vector(data.String("open"), data.Count(2))))

	m, err := alarms.Get(ctx)
	check(err)
	what, _ := m.Value.Index(0)
	fmt.Println(m.Topic, m.Value, what)
	fmt.Println(m.From == sensor.ID())
	// Output:
	// /alarms/door (open, 2) open
	// true
}

// A loop over everything that comes, until the subscriber is closed.
func ExampleSubscriber_All() {
	e, _ := open(broker.Options{})
	defer e.Close(soon())
	sub, err := e.Subscribe([]string{"/n"}, broker.QueueLimit{})
	check(err)
	for i := range 3 {
		e.PublishLocal("/n", data.Count(uint64(i)))
	}
	for m := range sub.All(context.Background()) {
		fmt.Println(m.Value)
		if sub.Available() == 0 {
			sub.Close()
		}
	}
	// Output:
	// 0
	// 1
	// 2
}

// Many messages at once: fewer locks for those who receive a lot.
func ExampleSubscriber_Batches() {
	e, _ := open(broker.Options{})
	defer e.Close(soon())
	sub, err := e.Subscribe([]string{"/n"}, broker.QueueLimit{})
	check(err)
	for i := range 10 {
		e.PublishLocal("/n", data.Count(uint64(i)))
	}
	sub.Close() // what is queued can still be read
	sum := uint64(0)
	for batch := range sub.Batches(context.Background(), 256) {
		for _, m := range batch {
			n, _ := m.Value.AsCount()
			sum += n
		}
	}
	fmt.Println(sum)
	// Output: 45
}

// A channel, for programs that wait for several things.
func ExampleSubscriber_Chan() {
	e, _ := open(broker.Options{})
	defer e.Close(soon())
	sub, err := e.Subscribe([]string{"/n"}, broker.QueueLimit{})
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends what feeds the channel
	e.PublishLocal("/n", data.String("here"))
	select {
	case m := <-sub.Chan(ctx):
		fmt.Println(m.Value)
	case <-time.After(20 * time.Second):
		fmt.Println("nothing came")
	}
	// Output: here
}

// A callback that answers. Its context keeps it from waiting for itself.
func ExampleSubscriber_Handle() {
	e, _ := open(broker.Options{})
	defer e.Close(soon())
	questions, err := e.NewHub([]string{"/questions/"}, broker.QueueLimit{})
	check(err)
	asker, err := e.NewHub([]string{"/answers/"}, broker.QueueLimit{})
	check(err)

	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		m, err := asker.Get(soon())
		check(err)
		fmt.Println(m.Topic, m.Value)
		cancel()
	}()
	check(asker.Publish(ctx, "/questions/1", data.Count(20)))
	err = questions.Handle(ctx, func(ctx context.Context, m broker.Message) {
		n, _ := m.Value.AsCount()
		check(questions.Publish(ctx, "/answers/1", data.Count(n+1)))
	})
	fmt.Println(err)
	// Output:
	// /answers/1 21
	// context canceled
}

// Whoever is interested in something else says so, and waits until the peers know.
func ExampleSubscriber_SetPrefixesSync() {
	a, _ := open(broker.Options{})
	defer a.Close(soon())
	b, address := open(broker.Options{})
	defer b.Close(soon())
	_, err := a.Peer(soon(), address, broker.PeerOptions{})
	check(err)
	check(b.AwaitPeer(soon(), a.ID()))

	sub, err := b.Subscribe([]string{"/old/"}, broker.QueueLimit{})
	check(err)
	check(sub.SetPrefixesSync(soon(), []string{"/new/"}))
	check(a.Publish("/old/1", data.Count(1)))
	check(a.Publish("/new/1", data.Count(2)))
	m, err := sub.Get(soon())
	check(err)
	fmt.Println(m.Topic, m.Value, sub.Prefixes())
	// Output: /new/1 2 [/new/]
}

// Flow control: this publisher never waits, and tells when a queue is full.
func ExampleEndpoint_NewPublisher() {
	a, _ := open(broker.Options{PeerQueue: broker.QueueLimit{Messages: 1000}})
	defer a.Close(soon())
	p := a.NewPublisher("/logs", broker.PublisherOptions{Full: broker.FullFail})
	switch err := p.Publish(context.Background(), data.String("line")); {
	case errors.Is(err, broker.ErrFull):
		fmt.Println("later, perhaps")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(p.Buffered(), "of", p.Capacity())
	// Output: 0 of 1000
}

// Several messages with one call.
func ExampleEndpoint_PublishBatch() {
	e, _ := open(broker.Options{})
	defer e.Close(soon())
	hub, err := e.NewHub([]string{"/"}, broker.QueueLimit{})
	check(err)
	check(e.PublishBatch([]broker.TopicValue{{Topic: "/a", Value: data.Count(1)}, {Topic: "/b", Value: data.Count(2)}}))
	for range 2 {
		m, _ := hub.Poll()
		fmt.Println(m.Topic, m.Value)
	}
	// Output:
	// /a 1
	// /b 2
}

// Bytes that are a value already, from a file perhaps.
func ExampleEndpoint_PublishBytes() {
	e, _ := open(broker.Options{})
	defer e.Close(soon())
	hub, err := e.NewHub([]string{"/"}, broker.QueueLimit{})
	check(err)
	encoded := data.Vector(data.Boolean(true)).AppendBinary(nil)
	check(e.PublishBytes("/t", encoded))
	m, _ := hub.Poll()
	fmt.Println(m.Value)
	fmt.Println(errors.Is(e.PublishBytes("/t", []byte("no value")), broker.ErrValue))
	// Output:
	// (T)
	// true
}

// A message for one endpoint only.
func ExampleEndpoint_PublishTo() {
	a, _ := open(broker.Options{})
	defer a.Close(soon())
	b, address := open(broker.Options{})
	defer b.Close(soon())
	sub, err := b.Subscribe([]string{"/t"}, broker.QueueLimit{})
	check(err)
	id, err := a.Peer(soon(), address, broker.PeerOptions{})
	check(err)

	check(a.PublishTo(id, "/t", data.String("for you")))
	m, err := sub.Get(soon())
	check(err)
	fmt.Println(m.Value)
	nobody := data.NewEndpointID()
	fmt.Println(errors.Is(a.PublishTo(nobody, "/t", data.None()), code.NoPathToPeer))
	// Output:
	// for you
	// true
}

// Two endpoints of one process: values are handed over, not encoded.
func ExampleEndpoint_PeerLocal() {
	a, err := broker.New(broker.Options{})
	check(err)
	defer a.Close(soon())
	b, err := broker.New(broker.Options{})
	check(err)
	defer b.Close(soon())
	sub, err := b.Subscribe([]string{"/t"}, broker.QueueLimit{})
	check(err)
	check(a.PeerLocal(soon(), b))
	check(a.Publish("/t", data.String("next door")))
	m, err := sub.Get(soon())
	check(err)
	fmt.Println(m.Value, b.Peers()[0].Local)
	// Output: next door true
}

// Hubs of one endpoint talk to each other, and to peers.
func ExampleHub() {
	e, _ := open(broker.Options{})
	defer e.Close(soon())
	first, err := e.NewHub([]string{"/chat"}, broker.QueueLimit{})
	check(err)
	second, err := e.NewHub([]string{"/chat"}, broker.QueueLimit{})
	check(err)
	check(first.Publish(context.Background(), "/chat", data.String("hello")))
	m, _ := second.Poll()
	fmt.Println(m.Value, first.Available())
	// Output: hello 0
}

// What happens to peerings.
func ExampleEndpoint_SubscribeStatus() {
	a, _ := open(broker.Options{})
	defer a.Close(soon())
	b, address := open(broker.Options{})
	defer b.Close(soon())
	events, err := a.SubscribeStatus(false)
	check(err)
	_, err = a.Peer(soon(), address, broker.PeerOptions{})
	check(err)
	check(a.Unpeer(soon(), address))
	for range 4 {
		ev, err := events.Get(soon())
		check(err)
		fmt.Println(ev.Code, ev.ID == b.ID(), ev.Address == address)
	}
	// Output:
	// endpoint_discovered true false
	// peer_added true true
	// peer_removed true true
	// endpoint_unreachable true false
}

// Several peers at once, of which one is not there.
func ExampleEndpoint_PeerAll() {
	e, _ := open(broker.Options{})
	defer e.Close(soon())
	b, first := open(broker.Options{})
	defer b.Close(soon())
	ids, err := e.PeerAll(soon(), []string{first, "127.0.0.1:1"}, broker.PeerOptions{})
	var failed *broker.PeerError
	fmt.Println(len(ids), ids[first] == b.ID(), errors.As(err, &failed))
	for _, p := range e.Peers() {
		fmt.Println(p.State, p.Class, p.Address == first)
	}
	// Output:
	// 1 true true
	// Peered Node true
}

// A peer that comes back whenever it is there.
func ExampleEndpoint_PeerAsync() {
	a, _ := open(broker.Options{})
	defer a.Close(soon())
	b, address := open(broker.Options{})
	defer b.Close(soon())
	check(a.PeerAsync(address, broker.PeerOptions{Retry: 10 * time.Second, Name: "b"}))
	check(a.AwaitPeer(soon(), b.ID()))
	i := slices.IndexFunc(a.Peers(), func(p broker.PeerInfo) bool { return p.Name == "b" })
	fmt.Println(a.Peers()[i].State)
	// Output: Peered
}

// Close writes what is queued, and tells what it could not write.
func ExampleEndpoint_Close() {
	a, _ := open(broker.Options{})
	b, address := open(broker.Options{})
	defer b.Close(soon())
	sub, err := b.Subscribe([]string{"/t"}, broker.QueueLimit{})
	check(err)
	_, err = a.Peer(soon(), address, broker.PeerOptions{})
	check(err)
	check(a.Publish("/t", data.String("the last")))

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var lost *broker.NotFlushedError
	if err := a.Close(ctx); errors.As(err, &lost) {
		for _, p := range lost.Peers {
			fmt.Println(p.Address, "missed", p.Messages)
		}
	}
	m, err := sub.Get(soon())
	check(err)
	fmt.Println(m.Value)
	// Output: the last
}
