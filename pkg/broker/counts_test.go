// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// wantExact checks that nothing is missing in the figures: what was queued was written, dropped, or is queued still, and what was written
// was received or is in doubt.
func wantExact(t *testing.T, from, to *Endpoint) {
	t.Helper()
	out, in := from.Stats(), to.Stats()
	for _, l := range []LaneStats{out.Data, out.Commands} {
		if sum := l.Written.Plus(l.Dropped).Plus(l.Still()); l.Queued != sum {
			t.Errorf("queued %v, but %+v", l.Queued, l)
		}
	}
	written := out.Data.Written.Plus(out.Commands.Written).Messages
	if written != out.Confirmed+out.InDoubt || in.Received < out.Confirmed || in.Received > written {
		t.Errorf("%d written, %d confirmed, %d in doubt; %d received", written, out.Confirmed, out.InDoubt, in.Received)
	}
}

// TestCounts has both ends count the same, over peerings that end with the closing handshake of either side.
func TestCounts(t *testing.T) {
	for _, kinds := range [][2]string{{"node", "node"}, {"client", "node"}, {"all", "client"}} {
		for _, local := range []bool{false, true} {
			for ender := range 2 {
				t.Run(fmt.Sprint(kinds, local, ender), func(t *testing.T) { testCounts(t, kinds, local, ender) })
			}
		}
	}
}

var kindOptions = map[string]Options{"node": {}, "client": {Forward: ForwardNone}, "all": {Forward: ForwardAll}}

func testCounts(t *testing.T, kinds [2]string, local bool, ender int) {
	ends := [2]*Endpoint{endpoint(t, kindOptions[kinds[0]]), endpoint(t, kindOptions[kinds[1]])}
	a, b := ends[0], ends[1]
	for _, e := range ends {
		subscribe(t, e, "/t")
		if _, err := e.AttachStore("/s", func([]byte) {}); err != nil {
			t.Fatal(err)
		}
	}
	if local {
		connectLocal(t, a, b)
	} else {
		connect(t, a, b)
	}
	for _, e := range ends {
		if err := e.syncPeers(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	send := func(n int) {
		for i := range n {
			publish(t, a, "/t", data.Count(uint64(i)))
			publish(t, b, "/t", data.String(strings.Repeat("x", 20*i)))
			if err := a.SendCommand("/s", b.ID(), []byte{1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(300)
	for i, e := range ends { // the pong comes behind the count
		other := ends[1-i]
		if err := e.Flush(within(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Ping(within(t), other.ID()); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range ends {
		p, o := e.Peers()[0], ends[1-i].Peers()[0]
		if p.Sent != 300*uint64(2-i) || p.Confirmed != p.Sent || o.Received != p.Sent || p.Commands.Written.Messages != 300*uint64(1-i) {
			t.Errorf("end %d: %d sent, %d confirmed, %d received, %+v", i, p.Sent, p.Confirmed, o.Received, p.Commands)
		}
		wantExact(t, e, ends[1-i])
	}
	send(300)
	if err := ends[ender].UnpeerID(within(t), ends[1-ender].ID()); err != nil {
		t.Fatal(err)
	}
	poll(t, "the end", func() bool { return len(a.Peers())+len(b.Peers()) == 0 })
	for i, e := range ends {
		wantExact(t, e, ends[1-i])
		st := e.Stats()
		if st.InDoubt != 0 || st.Data.Still() != (Tally{}) || st.Received != ends[1-i].Stats().Confirmed {
			t.Errorf("end %d: %+v", i, st)
		}
	}
}

// TestInDoubt loses connections while messages are on their way.
func TestInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCouple(t, Options{})
		sub, _ := c.b.Subscribe([]string{"/t"}, QueueLimit{})
		c.peer(time.Second)
		synctest.Wait()
		var doubt uint64
		for round := range 4 {
			for i := range 100 {
				publish(t, c.a, "/t", data.Count(uint64(i)))
			}
			synctest.Wait()
			time.Sleep(7 * time.Second) // b tells what it has received
			if p := c.a.Peers()[0]; p.Confirmed != p.Sent || p.InDoubt != doubt {
				t.Errorf("round %d: %+v", round, p)
			}
			for i := range 10 + round {
				publish(t, c.a, "/t", data.Count(uint64(i)))
			}
			synctest.Wait()
			c.cut(false)
			doubt += uint64(10 + round)
			time.Sleep(20 * time.Second)
		}
		if p := c.a.Peers()[0]; p.State != Peered || p.InDoubt != doubt || c.a.Stats().InDoubt != doubt {
			t.Errorf("%d in doubt, want %d", p.InDoubt, doubt)
		}
		time.Sleep(10 * time.Second)
		wantExact(t, c.a, c.b)
		wantExact(t, c.b, c.a)
		if n := sub.Available(); uint64(n) != 400+doubt {
			t.Errorf("%d arrived", n)
		}
		c.a.Close(t.Context())
		c.b.Close(t.Context())
	})
}

// TestCountsOfOthers sends no counts to peers that didn't say that they know them, and takes none.
func TestCountsOfOthers(t *testing.T) {
	for _, features := range []uint64{wire.FeatureNode, wire.FeatureNode | wire.FeatureStamps} {
		inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
			sub, _ := e.Subscribe([]string{"/x"}, QueueLimit{})
			r := rawDial(t, l.dial(t), e, "/t")
			r.send(wire.TypePing, topic.Reserved, wire.Announcement{Version: 1, Features: features}.Append(nil))
			synctest.Wait()
			publish(t, e, "/t", data.None())
			r.send(wire.TypeData, "/x", data.None().AppendBinary(nil))
			r.send(wire.TypePing, topic.Reserved, wire.AppendCount(nil, 1, 1))
			time.Sleep(12 * time.Second)
			p := e.Peers()[0]
			if p.Confirmed != 0 || p.Sent != 1 || p.Received != 1 || sub.Available() != 1 {
				t.Errorf("%+v", p)
			}
			r.conn.Close()
			for {
				body, err := r.tryRead()
				if err != nil {
					break
				}
				env, err := wire.ParseEnvelope(body)
				if _, ok := wire.ParseCount(env.Payload); err == nil && ok && env.Type == wire.TypePing {
					t.Errorf("a count was sent: %q", env.Payload)
				}
			}
			synctest.Wait()
			if st := e.Stats(); st.InDoubt != 0 || st.Data.Written.Messages != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestCountsAreBounded takes a count that can't be for what can be.
func TestCountsAreBounded(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
		r := rawDial(t, l.dial(t), e, "/t")
		r.send(wire.TypePing, topic.Reserved, wire.Announcement{Version: 1, Features: wire.FeatureCounts}.Append(nil))
		go r.answer()
		synctest.Wait()
		publish(t, e, "/t", data.None())
		for _, n := range []uint64{1 << 63, 0, 7} {
			r.send(wire.TypePing, topic.Reserved, wire.AppendCount(nil, 1, n))
		}
		synctest.Wait()
		if p := e.Peers()[0]; p.Confirmed != 1 || p.Sent != 1 {
			t.Errorf("%+v", p)
		}
		r.conn.Close()
	})
}

// TestDropEvents raises one event a second while messages are dropped, and says of which topics.
func TestDropEvents(t *testing.T) {
	for _, policy := range []Overflow{OverflowDropNewest, OverflowDropOldest} {
		synctest.Test(t, func(t *testing.T) {
			c := newCouple(t, Options{PeerQueue: QueueLimit{Messages: 10, Overflow: policy}})
			c.b.Subscribe([]string{"/"}, QueueLimit{})
			c.peer(time.Second)
			synctest.Wait()
			events, _ := c.a.SubscribeStatus(true)
			c.hold(true)
			publish(t, c.a, "/in/hand", data.None()) // the writer takes this one
			synctest.Wait()
			began := time.Now()
			for i := range 110 {
				publish(t, c.a, fmt.Sprintf("/zeek/%d/x", i%3), data.None())
			}
			synctest.Wait()
			first, ok := events.Poll()
			if !ok || first.Code != MessagesDropped || !first.Error || first.ID != c.b.ID() || first.Address != dialedAddress || first.Retry != time.Second ||
				!strings.Contains(first.Message, "messages for the peer were dropped: ") {
				t.Fatalf("%+v", first)
			}
			for time.Since(began) < 4500*time.Millisecond {
				publish(t, c.a, "/zeek/9/x", data.None())
				time.Sleep(10 * time.Millisecond)
			}
			if n := events.Available(); n != 4 {
				t.Errorf("%d more events in 4.5 s", n)
			}
			p, st := c.a.Peers()[0], c.a.Stats()
			var sum uint64
			for _, n := range p.DroppedTopics {
				sum += n
			}
			if sum != p.Dropped || p.Data.Dropped.Messages != p.Dropped || p.Dropped != 100+450 || st.DroppedTopics["/zeek/9"] != p.DroppedTopics["/zeek/9"] {
				t.Errorf("%d dropped, %v", p.Dropped, p.DroppedTopics)
			}
			c.hold(false)
			synctest.Wait()
			time.Sleep(20 * time.Second)
			wantExact(t, c.a, c.b)
			c.cut(false)
			time.Sleep(20 * time.Second)
			if again := c.a.Peers()[0]; again.State != Peered || again.Dropped != 0 || again.DroppedTopics["/zeek/9"] != p.DroppedTopics["/zeek/9"] {
				t.Errorf("on the next connection: %+v", again)
			}
			c.a.Close(t.Context())
			c.b.Close(t.Context())
		})
	}
}

// TestOverflowCounts counts the topics of everything that an overflow costs.
func TestOverflowCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCouple(t, Options{PeerQueue: QueueLimit{Messages: 10}})
		c.b.Subscribe([]string{"/"}, QueueLimit{})
		c.peer(0)
		synctest.Wait()
		events, _ := c.a.SubscribeStatus(false)
		c.hold(true)
		publish(t, c.a, "/in/hand", data.None())
		synctest.Wait()
		for i := range 11 {
			publish(t, c.a, fmt.Sprintf("/zeek/%d", i%2), data.None())
		}
		synctest.Wait()
		if ev, _ := events.Poll(); !strings.Contains(ev.Message, "backpressure_overflow") {
			t.Errorf("event %v", ev)
		}
		st := c.a.Stats()
		if fmt.Sprint(st.DroppedTopics) != "map[/in/hand:1 /zeek/0:6 /zeek/1:5]" || st.Data.Dropped.Messages != 12 || st.Data.Queued.Messages != 12 {
			t.Errorf("%+v", st)
		}
		if err := c.a.Close(t.Context()); err != nil && !errors.Is(err, ErrNotFlushed) {
			t.Error(err)
		}
		c.b.Close(t.Context())
	})
}
