// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// peerOf is what an endpoint says of the peer with an ID; zero if it has none.
func peerOf(e *Endpoint, id data.EndpointID) PeerInfo {
	for _, p := range e.Peers() {
		if p.ID == id {
			return p
		}
	}
	return PeerInfo{}
}

// TestRecognize: an accepted peer is recognized by its certificate, before it is peered and again with a new recognizer.
func TestRecognize(t *testing.T) {
	one, two, uri := certified(t)
	door, guest := endpoint(t, Options{TLS: one, PeerQueue: QueueLimit{Messages: 70, Bytes: 7000}}), endpoint(t, Options{TLS: two})
	var asked []Arrival
	door.SetRecognizer(func(_ context.Context, who Arrival) Recognized {
		asked = append(asked, who) // one accepted peer: it is asked by one goroutine at a time
		return Recognized{Name: "expected", Queue: &QueueLimit{Messages: 5, Overflow: OverflowDropOldest}}
	})
	connect(t, guest, door)
	if len(asked) != 1 || asked[0].ID != guest.ID() || asked[0].URI != uri || asked[0].Subject != "CN=two" || !strings.HasPrefix(asked[0].Address, "127.0.0.1:") {
		t.Fatalf("asked of %+v", asked)
	}
	p := peerOf(door, guest.ID())
	if p.Name != "expected" || p.Subject != "CN=two" || p.Queue != (QueueLimit{Messages: 5, Bytes: 7000, Overflow: OverflowDropOldest}) {
		t.Errorf("recognized: %+v", p)
	}
	door.SetRecognizer(func(context.Context, Arrival) Recognized {
		return Recognized{Name: "wrong", Queue: &QueueLimit{Overflow: OverflowWait}}
	})
	if p := peerOf(door, guest.ID()); p.Name != "wrong" || p.Queue != (QueueLimit{Messages: 70, Bytes: 7000}) {
		t.Errorf("with a limit that can't be: %+v", p)
	}
	door.SetRecognizer(nil)
	if p := peerOf(door, guest.ID()); p.Name != "" || p.Queue != (QueueLimit{Messages: 70, Bytes: 7000}) {
		t.Errorf("forgotten: %+v", p)
	}
	if err := door.PeerLocal(within(t), endpoint(t, Options{})); err != nil {
		t.Fatal(err)
	}
	door.SetRecognizer(func(_ context.Context, who Arrival) Recognized {
		if who.ID != guest.ID() {
			t.Errorf("asked of %+v, which isn't accepted", who)
		}
		return Recognized{}
	})
}

// TestRecognizeWhileAsked: an answer of a recognizer that was replaced meanwhile doesn't count.
func TestRecognizeWhileAsked(t *testing.T) {
	door, guest := endpoint(t, Options{}), endpoint(t, Options{})
	begun, answer := make(chan struct{}), make(chan struct{})
	door.SetRecognizer(func(context.Context, Arrival) Recognized {
		close(begun)
		<-answer
		return Recognized{Name: "old"}
	})
	address := listening(t, door)
	if err := guest.PeerAsync(address, PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	<-begun
	door.SetRecognizer(func(context.Context, Arrival) Recognized { return Recognized{Name: "new"} })
	close(answer)
	if err := door.AwaitPeer(within(t), guest.ID()); err != nil {
		t.Fatal(err)
	}
	if p := peerOf(door, guest.ID()); p.Name != "new" {
		t.Errorf("recognized as %q", p.Name)
	}
}

// TestQueueOfADial: a dialed address has the limit of its options, which change while it is connected; an accepted connection that
// serves the address as well.
func TestQueueOfADial(t *testing.T) {
	e, peer := endpoint(t, Options{}), endpoint(t, Options{})
	address := listening(t, peer)
	usual := QueueLimit{Messages: DefaultPeerMessages, Bytes: DefaultQueueBytes}
	for _, c := range []struct {
		queue *QueueLimit
		want  QueueLimit
	}{
		{&QueueLimit{Messages: 9, Bytes: 900, Overflow: OverflowDropNewest}, QueueLimit{Messages: 9, Bytes: 900, Overflow: OverflowDropNewest}},
		{&QueueLimit{Bytes: 800}, QueueLimit{Messages: DefaultPeerMessages, Bytes: 800}},
		{nil, usual},
	} {
		if err := e.PeerAsync(address, PeerOptions{Queue: c.queue}); err != nil {
			t.Fatal(err)
		}
		if err := e.AwaitPeer(within(t), peer.ID()); err != nil {
			t.Fatal(err)
		}
		if p := peerOf(e, peer.ID()); p.Queue != c.want {
			t.Errorf("%+v: got %+v, want %+v", c.queue, p.Queue, c.want)
		}
	}
	if p := peerOf(peer, e.ID()); p.Queue != usual {
		t.Errorf("the other end: %+v", p.Queue)
	}
	back := listening(t, e)
	if err := peer.PeerAsync(back, PeerOptions{Name: "back", Queue: &QueueLimit{Messages: 3}}); err != nil {
		t.Fatal(err)
	}
	until(t, peer, "the accepted connection serves the address", func() bool {
		p := peerOf(peer, e.ID())
		return p.Name == "back" && p.Queue.Messages == 3
	})
	peer.SetRecognizer(func(context.Context, Arrival) Recognized {
		return Recognized{Name: "other", Queue: &QueueLimit{Messages: 4}}
	})
	if p := peerOf(peer, e.ID()); p.Name != "back" || p.Queue.Messages != 3 {
		t.Errorf("recognized, though it serves an address: %+v", p)
	}
	if err := e.PeerAsync(address, PeerOptions{Queue: &QueueLimit{FlowControl: true}}); err == nil {
		t.Error("a limit that a peer's queue can't have is taken")
	}
	if got := e.peerLimit(&QueueLimit{Messages: -1}); got != usual.toPeer() {
		t.Errorf("a negative limit: %+v", got)
	}
}
