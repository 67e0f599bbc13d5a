// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

const (
	dialedAddress   = "10.0.0.7:9999"
	acceptedAddress = "10.0.0.2:2" // of connections in memory
)

// couple is two endpoints in a bubble: a dials b.
type couple struct {
	t    *testing.T
	a, b *Endpoint
	net  *memListener // where b listens
	mu   sync.Mutex
	ends []net.Conn // connections that a made
	down bool       // nobody listens
	// Events of both.
	atA, atB *StatusSubscriber
}

func newCouple(t *testing.T, o Options) *couple {
	c := &couple{t: t, net: newMemListener()}
	for i, e := range []**Endpoint{&c.a, &c.b} {
		o.ID = data.EndpointID{byte(i + 1), 6: 0x40}
		var err error
		if *e, err = New(o); err != nil {
			t.Fatal(err)
		}
	}
	c.a.dialer.Connect = c.connect
	if err := c.b.listen(c.net); err != nil {
		t.Fatal(err)
	}
	c.atA, _ = c.a.SubscribeStatus(false)
	c.atB, _ = c.b.SubscribeStatus(false)
	return c
}

func (c *couple) connect(ctx context.Context, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errors.New("refused")
	}
	conn, err := c.net.connect(ctx, address)
	c.ends = append(c.ends, conn)
	return conn, err
}

// peer dials, and discards the events.
func (c *couple) peer(retry time.Duration) {
	c.t.Helper()
	if err := c.a.PeerAsync(dialedAddress, PeerOptions{Retry: retry}); err != nil {
		c.t.Fatal(err)
	}
	for _, at := range []*StatusSubscriber{c.atA, c.atB} {
		wantEvents(c.t, at, "endpoint_discovered", "peer_added")
	}
}

// cut ends the newest connection as a network does.
func (c *couple) cut(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
	c.ends[len(c.ends)-1].Close()
}

// hold stops everything that is written to the newest connection, or lets it go.
func (c *couple) hold(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := c.ends[len(c.ends)-1].(*memConn)
	conn.in.setFull(on)
	conn.out.setFull(on)
}

// events are those that are queued, with ADDR, BACK and the IDs A and B for what stands there.
func (c *couple) events(s *StatusSubscriber) (out []string) {
	synctest.Wait()
	r := strings.NewReplacer(c.a.ID().String(), "A", c.b.ID().String(), "B", dialedAddress, "ADDR", acceptedAddress, "BACK")
	for ev, ok := s.Poll(); ok; ev, ok = s.Poll() {
		out = append(out, r.Replace(ev.String()))
	}
	return out
}

// The events of routing.md 6 as one side raises them.
const (
	discoveredB  = `endpoint_discovered(B, "found a new peer in the network")`
	addedB       = `peer_added(B, ADDR, "handshake successful")`
	removedB     = `peer_removed(B, ADDR, "removed connection to remote peer")`
	overflowB    = `peer_removed(B, ADDR, "removed connection to remote peer (caf::sec::backpressure_overflow)")`
	lostB        = `peer_lost(B, ADDR, "lost connection to remote peer")`
	unreachableB = `endpoint_unreachable(B, "lost the last path")`
	unavailable  = `peer_unavailable(ADDR, "unable to connect to remote peer")`
	invalid      = `peer_invalid(ADDR, "cannot unpeer from unknown peer")`
	invalidID    = `peer_invalid(B, "cannot unpeer from unknown peer")`
	discoveredA  = `endpoint_discovered(A, "found a new peer in the network")`
	addedA       = `peer_added(A, BACK, "handshake successful")`
	removedA     = `peer_removed(A, BACK, "removed connection to remote peer")`
	lostA        = `peer_lost(A, BACK, "lost connection to remote peer")`
	unreachableA = `endpoint_unreachable(A, "lost the last path")`
)

// TestEventSequences has the rows of routing.md 6.1 and what each side sees.
func TestEventSequences(t *testing.T) {
	const retry = 4 * time.Second
	for _, c := range []struct {
		name     string
		act      func(t *testing.T, c *couple)
		atA, atB []string
	}{
		{"peering", func(t *testing.T, c *couple) {
			if _, err := c.a.Peer(t.Context(), dialedAddress, PeerOptions{}); err != nil {
				t.Error(err)
			}
		}, []string{discoveredB, addedB}, []string{discoveredA, addedA}},
		{"second Peer", func(t *testing.T, c *couple) {
			c.peer(retry)
			if id, err := c.a.Peer(t.Context(), dialedAddress, PeerOptions{}); err != nil || id != c.b.ID() {
				t.Errorf("Peer: %v, %v", id, err)
			}
		}, nil, nil},
		{"Unpeer", func(t *testing.T, c *couple) {
			c.peer(retry)
			c.a.Unpeer(t.Context(), dialedAddress)
			time.Sleep(time.Minute)
		}, []string{removedB, unreachableB}, []string{lostA, unreachableA}},
		{"Unpeer of an accepted peer", func(t *testing.T, c *couple) {
			c.peer(retry)
			c.mu.Lock()
			c.down = true
			c.mu.Unlock()
			c.b.Unpeer(t.Context(), acceptedAddress)
		}, []string{lostB, unreachableB}, []string{removedA, unreachableA}},
		{"Close", func(t *testing.T, c *couple) {
			c.peer(retry)
			c.a.Close(t.Context())
		}, []string{removedB, unreachableB}, []string{lostA, unreachableA}},
		{"crash, nobody there any more", func(t *testing.T, c *couple) {
			c.peer(retry)
			time.Sleep(time.Minute)
			c.cut(true)
		}, []string{lostB, unreachableB, unavailable}, []string{lostA, unreachableA}},
		{"crash, later back", func(t *testing.T, c *couple) {
			c.peer(retry)
			time.Sleep(time.Minute)
			c.cut(true)
			synctest.Wait()
			c.mu.Lock()
			c.down = false
			c.mu.Unlock()
			time.Sleep(time.Minute)
		}, []string{lostB, unreachableB, unavailable, discoveredB, addedB}, []string{lostA, unreachableA, discoveredA, addedA}},
		{"both unpeer at once", func(t *testing.T, c *couple) {
			c.peer(retry)
			c.hold(true) // until both have begun
			var both sync.WaitGroup
			defer both.Wait()
			both.Go(func() { c.a.Unpeer(t.Context(), dialedAddress) })
			both.Go(func() { c.b.UnpeerID(t.Context(), c.a.ID()) })
			synctest.Wait()
			c.hold(false)
		}, []string{removedB, unreachableB}, []string{removedA, unreachableA}},
		{"overflow", func(t *testing.T, c *couple) {
			sub, _ := c.b.Subscribe([]string{"/t"}, QueueLimit{})
			c.peer(retry)
			synctest.Wait()
			c.hold(true)
			c.mu.Lock()
			c.down = true
			c.mu.Unlock()
			for c.a.Stats().Peers > 0 {
				c.a.Publish("/t", data.None())
				synctest.Wait()
			}
			sub.Close()
		}, []string{overflowB, unreachableB}, []string{lostA, unreachableA}},
		{"dial refused", func(t *testing.T, c *couple) {
			c.down = true
			if _, err := c.a.Peer(t.Context(), dialedAddress, PeerOptions{}); err == nil {
				t.Error("peered")
			}
			time.Sleep(time.Minute)
		}, []string{unavailable}, nil},
		{"wrong version", func(t *testing.T, c *couple) {
			near, far := memPipe()
			c.a.dialer.Connect = func(context.Context, string) (net.Conn, error) { return near, nil }
			far.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.a.Peer(t.Context(), dialedAddress, PeerOptions{})
			far.Close()
		}, []string{unavailable}, nil},
		{"stranger at the door", func(t *testing.T, c *couple) {
			conn, _ := c.net.connect(t.Context(), "")
			conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			time.Sleep(time.Minute)
		}, nil, nil},
		{"unpeer of an unknown", func(t *testing.T, c *couple) {
			for _, err := range []error{c.a.Unpeer(t.Context(), dialedAddress), c.a.UnpeerID(t.Context(), c.b.ID())} {
				if !errors.Is(err, code.PeerInvalid) {
					t.Errorf("answer %v", err)
				}
			}
		}, []string{invalid, invalidID}, nil},
		{"unpeer while dialing", func(t *testing.T, c *couple) {
			c.down = true
			c.a.PeerAsync(dialedAddress, PeerOptions{Retry: retry})
			synctest.Wait()
			if err := c.a.Unpeer(t.Context(), dialedAddress); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
		}, []string{unavailable}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCouple(t, Options{PeerQueue: QueueLimit{Messages: 100}})
				c.act(t, o)
				if got := o.events(o.atA); !slices.Equal(got, c.atA) {
					t.Errorf("the one that acts saw\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.atA, "\n"))
				}
				if got := o.events(o.atB); !slices.Equal(got, c.atB) {
					t.Errorf("the other one saw\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.atB, "\n"))
				}
				o.a.Close(context.Background())
				o.b.Close(context.Background())
			})
		})
	}
}

// TestEventValues has the values of routing.md 6, and reads what it wrote.
func TestEventValues(t *testing.T) {
	id := data.NewEndpointID()
	str, none := data.String, data.None()
	address := []data.Value{str("::1"), data.Port(9999, data.ProtocolTCP), data.Count(3)}
	for _, c := range []struct {
		ev   StatusEvent
		want data.Value
		text string
	}{
		{StatusEvent{Code: code.PeerAdded.String(), ID: id, Address: "[::1]:9999", Retry: 3 * time.Second, Message: "m"},
			data.Vector(str("status"), data.Enum("peer_added"), data.Vector(append([]data.Value{str(id.String())}, address...)...), str("m")),
			`peer_added(` + id.String() + `, [::1]:9999, "m")`},
		{StatusEvent{Code: code.EndpointUnreachable.String(), ID: id, Message: "m"},
			data.Vector(str("status"), data.Enum("endpoint_unreachable"), data.Vector(str(id.String()), none, none, none), str("m")),
			`endpoint_unreachable(` + id.String() + `, "m")`},
		{StatusEvent{Error: true, Code: code.PeerUnavailable.String(), Address: "[::1]:9999", Retry: 3 * time.Second, Message: "m"},
			data.Vector(str("error"), data.Enum("peer_unavailable"), data.Vector(data.Vector(append([]data.Value{none}, address...)...), str("m"))),
			`peer_unavailable([::1]:9999, "m")`},
	} {
		if got := c.ev.Value(); !data.Equal(got, c.want) {
			t.Errorf("%v:\n got %v\nwant %v", c.ev, got, c.want)
		}
		if got, err := ParseStatus(c.want); err != nil || got != c.ev {
			t.Errorf("read %+v, %v; want %+v", got, err, c.ev)
		}
		if c.ev.String() != c.text {
			t.Errorf("text %q", c.ev)
		}
	}
	// Forms of other programs.
	for _, c := range []struct {
		v    data.Value
		want StatusEvent
		ok   bool
	}{
		{data.Vector(str("error"), data.Enum("no_such_key"), none), StatusEvent{Error: true, Code: "no_such_key"}, true},
		{data.Vector(str("error"), data.Enum("type_clash"), data.Vector(str("why"))), StatusEvent{Error: true, Code: "type_clash", Message: "why"}, true},
		{data.Vector(str("status"), data.Enum("unspecified"), none, none), StatusEvent{Code: "unspecified"}, true},
		{data.Vector(str("error"), none, none), StatusEvent{}, false}, {data.Vector(str("news"), data.Enum("x"), none, none), StatusEvent{}, false},
		{none, StatusEvent{}, false}, {data.Vector(), StatusEvent{}, false}, {str("status"), StatusEvent{}, false},
	} {
		if got, err := ParseStatus(c.v); (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%v: read %+v, %v", c.v, got, err)
		}
	}
}

// TestStatusForms receives events in each way; other values on the topics are passed over.
func TestStatusForms(t *testing.T) {
	e := endpoint(t, Options{})
	raise := func() (all, errorsOnly *StatusSubscriber) {
		all, _ = e.SubscribeStatus(false)
		errorsOnly, _ = e.SubscribeStatus(true)
		for i := range 3 {
			e.PublishLocal(topic.Errors, data.None())
			e.raiseError(code.PeerInvalid, StatusEvent{Retry: time.Duration(i)}, "x")
		}
		e.PublishLocal(topic.Statuses, StatusEvent{Code: code.PeerLost.String()}.Value())
		return all, errorsOnly
	}
	for name, receive := range map[string]func(s *StatusSubscriber) []string{
		"Get": func(s *StatusSubscriber) (out []string) {
			for ev, err := s.Get(t.Context()); err == nil; ev, err = s.Get(t.Context()) {
				out = append(out, ev.Code)
			}
			return out
		},
		"Poll": func(s *StatusSubscriber) (out []string) {
			for ev, ok := s.Poll(); ok; ev, ok = s.Poll() {
				out = append(out, ev.Code)
			}
			return out
		},
		"All": func(s *StatusSubscriber) (out []string) {
			for ev := range s.All(t.Context()) {
				out = append(out, ev.Code)
			}
			return out
		},
		"Handle": func(s *StatusSubscriber) (out []string) {
			err := s.Handle(t.Context(), func(_ context.Context, ev StatusEvent) { out = append(out, ev.Code) })
			if !errors.Is(err, ErrClosed) {
				t.Errorf("Handle: %v", err)
			}
			return out
		},
	} {
		all, errorsOnly := raise()
		if all.Available() != 7 || errorsOnly.Available() != 6 || all.Dropped() != 0 {
			t.Errorf("%d and %d available", all.Available(), errorsOnly.Available())
		}
		all.Close()
		errorsOnly.Close()
		want := []string{"peer_invalid", "peer_invalid", "peer_invalid"}
		if got := receive(errorsOnly); !slices.Equal(got, want) {
			t.Errorf("%s: errors %q", name, got)
		}
		if got := receive(all); !slices.Equal(got, append(want, "peer_lost")) {
			t.Errorf("%s: all %q", name, got)
		}
	}
}
