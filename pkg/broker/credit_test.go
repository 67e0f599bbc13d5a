// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/credit"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// flowNet is a mesh in memory, in a bubble.
type flowNet struct {
	t     *testing.T
	es    []*Endpoint
	doors map[string]*memListener
	ends  map[[2]int]*memConn // the dialing ends
}

// inFlowNet runs f with endpoints of some kinds, of which the links are connected ("0-1"), or within the process ("0=1").
func inFlowNet(t *testing.T, members []string, links []string, f func(t *testing.T, n *flowNet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &flowNet{t: t, doors: make(map[string]*memListener), ends: make(map[[2]int]*memConn)}
		for i, kind := range members {
			o := kinds[kind]
			o.ID = endpointID{byte(i + 1), 5: 0x40}
			n.add(o)
		}
		for _, l := range links {
			n.link(int(l[0]-'0'), int(l[2]-'0'), l[1] == '=')
		}
		n.settle()
		defer func() {
			for _, e := range n.es {
				e.Close(context.Background())
			}
		}()
		f(t, n)
	})
}

// settle gives everybody time to hear of everybody.
func (n *flowNet) settle() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

func (n *flowNet) add(o Options) *Endpoint {
	n.t.Helper()
	e, err := New(o)
	if err != nil {
		n.t.Fatal(err)
	}
	l := newMemListener()
	if err := e.listen(l); err != nil {
		n.t.Fatal(err)
	}
	at := len(n.es)
	n.doors[fmt.Sprintf("10.0.0.1:%d", at+1)] = l
	e.dialer.Connect = func(ctx context.Context, address string) (net.Conn, error) {
		c, err := n.doors[address].connect(ctx, address)
		var port int
		if fmt.Sscanf(address, "10.0.0.1:%d", &port); err == nil {
			n.ends[[2]int{at, port - 1}] = c.(*memConn)
		}
		return c, err
	}
	n.es = append(n.es, e)
	return e
}

func (n *flowNet) link(a, b int, local bool) {
	n.t.Helper()
	if local {
		connectLocal(n.t, n.es[a], n.es[b])
		return
	}
	if _, err := n.es[a].Peer(n.t.Context(), fmt.Sprintf("10.0.0.1:%d", b+1), PeerOptions{}); err != nil {
		n.t.Fatal(err)
	}
}

// freeze lets a connection carry nothing any more, in either direction.
func (n *flowNet) freeze(a, b int) {
	n.ends[[2]int{a, b}].in.setFull(true)
	n.ends[[2]int{a, b}].out.setFull(true)
}

// subscribe subscribes under flow control, and gives origins time to hear of it.
func (n *flowNet) subscribe(at, window int, prefixes ...string) *Subscriber {
	n.t.Helper()
	s, err := n.es[at].Subscribe(prefixes, QueueLimit{Messages: window, FlowControl: true})
	if err != nil {
		n.t.Fatal(err)
	}
	n.settle()
	return s
}

// publisher publishes numbers from a goroutine.
type publisher struct {
	sent atomic.Int64
	err  error
	done chan struct{}
}

func (n *flowNet) publish(ctx context.Context, at int, name string, count int) *publisher {
	p := &publisher{done: make(chan struct{})}
	to := n.es[at].NewPublisher(name, PublisherOptions{})
	go func() {
		defer close(p.done)
		for range count {
			if p.err = to.Publish(ctx, data.Count(uint64(p.sent.Load()))); p.err != nil {
				return
			}
			p.sent.Add(1)
		}
	}()
	return p
}

// take takes messages at a pace and looks whether each origin's come in order and without a gap.
func (n *flowNet) take(s *Subscriber, count int, pace time.Duration) {
	n.t.Helper()
	next := make(map[endpointID]uint64)
	for i := range count {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		m, err := s.Get(ctx)
		cancel()
		if err != nil {
			n.t.Fatalf("after %d messages: %v; flows %+v", i, err, n.es[0].Flows())
		}
		if got, _ := m.Value.AsCount(); got != next[m.Origin] {
			n.t.Fatalf("message %d of %v, want %d", got, m.Origin, next[m.Origin])
		}
		next[m.Origin]++
		time.Sleep(pace)
	}
}

// TestFlowControl: a fast publisher goes at the pace of a slow subscriber, over any way, and nothing is lost.
func TestFlowControl(t *testing.T) {
	const window, messages = 32, 300
	for _, c := range []struct {
		name    string
		members []string
		links   []string
	}{
		{"one hop", []string{"node", "node"}, []string{"0-1"}},
		{"in the process", []string{"node", "node"}, []string{"0=1"}},
		{"three hops", []string{"node", "node", "node", "node"}, []string{"0-1", "1-2", "2=3"}},
		{"from client to node", []string{"client", "node"}, []string{"0-1"}},
		{"from node to client", []string{"node", "client"}, []string{"0-1"}},
		{"from client to client", []string{"client", "node", "node", "client"}, []string{"0-1", "1-2", "2-3"}},
		{"without a mesh", []string{"all", "all"}, []string{"0-1"}},
		{"a mesh with a cycle", []string{"node", "node", "node", "node"}, []string{"0-1", "1-2", "2-3", "3-0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFlowNet(t, c.members, c.links, func(t *testing.T, n *flowNet) {
				last := len(n.es) - 1
				s := n.subscribe(last, window, "/t")
				p := n.publish(t.Context(), 0, "/t/x", messages)
				synctest.Wait()
				if sent := p.sent.Load(); sent == 0 || sent > window {
					t.Errorf("%d messages went out at once, the window is %d", sent, window)
				}
				n.take(s, messages, 10*time.Millisecond)
				<-p.done
				if p.err != nil || s.Dropped() > 0 || s.Available() > 0 {
					t.Errorf("%v, %d dropped, %d more", p.err, s.Dropped(), s.Available())
				}
				flows := n.es[0].Flows()
				if len(flows) != 1 || flows[0].Subscriber != n.es[last].ID() || flows[0].Sent != messages || !flows[0].Counted || !slices.Equal(flows[0].Prefixes, []string{"/t"}) {
					t.Errorf("flows %+v", flows)
				}
				s.Close()
				synctest.Wait()
				if flows := n.es[0].Flows(); len(flows) > 0 || n.es[0].credits.asked.Load() != nil {
					t.Errorf("after the end: flows %+v", flows)
				}
			})
		})
	}
}

// TestFlowShared: several origins share the room of one subscriber, and of two subscribers the slower one counts.
func TestFlowShared(t *testing.T) {
	inFlowNet(t, []string{"node", "node", "client", "node"}, []string{"0-1", "2-1", "3-1"}, func(t *testing.T, n *flowNet) {
		const each = 200
		slow, quick := n.subscribe(3, 64, "/t"), n.subscribe(1, 16, "/t", "/u")
		hub, err := n.es[1].NewHub([]string{"/t"}, QueueLimit{Messages: 100, FlowControl: true})
		if err != nil {
			t.Fatal(err)
		}
		ps := []*publisher{n.publish(t.Context(), 0, "/t", each), n.publish(t.Context(), 2, "/t", each)}
		done := make(chan struct{}, 2)
		go func() { n.take(quick, 2*each, 0); done <- struct{}{} }()
		go func() { n.take(hub.Subscriber, 2*each, time.Millisecond); done <- struct{}{} }()
		n.take(slow, 2*each, 20*time.Millisecond)
		<-done
		<-done
		for i, p := range ps {
			<-p.done
			if p.err != nil {
				t.Errorf("publisher %d: %v", i, p.err)
			}
		}
		for i, s := range []*Subscriber{slow, quick, hub.Subscriber} {
			if s.Dropped() > 0 || s.Available() > 0 {
				t.Errorf("subscriber %d: %d dropped, %d more", i, s.Dropped(), s.Available())
			}
		}
	})
}

// TestFlowDead: nobody waits for more than about five seconds for a subscriber that is dead in some way, and an event tells of it.
func TestFlowDead(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(n *flowNet, s *Subscriber)
		event bool
	}{
		{"takes nothing", func(*flowNet, *Subscriber) {}, true},
		{"behind a frozen connection", func(n *flowNet, _ *Subscriber) { n.freeze(1, 2) }, true},
		{"behind a connection that was cut", func(n *flowNet, _ *Subscriber) { n.ends[[2]int{1, 2}].Close() }, true},
		{"closed", func(_ *flowNet, s *Subscriber) { s.Close() }, false},
		{"endpoint closed", func(n *flowNet, _ *Subscriber) { n.es[2].Close(context.Background()) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFlowNet(t, []string{"node", "node", "node"}, []string{"0-1", "1-2"}, func(t *testing.T, n *flowNet) {
				events, err := n.es[0].SubscribeStatus(true)
				if err != nil {
					t.Fatal(err)
				}
				s := n.subscribe(2, 16, "/t")
				n.take(s, n.sent(t, 0, 10), 0)
				p := n.publish(t.Context(), 0, "/t", 1000)
				synctest.Wait()
				if sent := p.sent.Load(); sent > 16 {
					t.Errorf("%d went out", sent)
				}
				began := time.Now()
				c.do(n, s)
				<-p.done
				waited := time.Since(began)
				if p.err != nil || c.event && (waited < credit.Patience || waited > credit.Patience+2*time.Second) || !c.event && waited > time.Second {
					t.Errorf("%v after %v", p.err, waited)
				}
				synctest.Wait()
				var got []string
				for ev, ok := events.Poll(); ok; ev, ok = events.Poll() {
					got = append(got, ev.Code+" "+ev.ID.String()+" "+ev.Message)
				}
				if want := code.PeerTimeout.String() + " " + n.es[2].ID().String() + " " + NoCredit; c.event != slices.Contains(got, want) || len(got) > 1 {
					t.Errorf("events %q", got)
				}
			})
		})
	}
}

// sent publishes so many messages and answers how many.
func (n *flowNet) sent(t *testing.T, at, count int) int {
	t.Helper()
	p := n.publish(t.Context(), at, "/t", count)
	<-p.done
	if p.err != nil {
		t.Fatal(p.err)
	}
	return count
}

// TestFlowReturns: a subscriber that has stopped for a while is waited for again once it takes messages.
func TestFlowReturns(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		s := n.subscribe(1, 16, "/t")
		p := n.publish(t.Context(), 0, "/t", 1000)
		<-p.done
		synctest.Wait()
		if flows := n.es[0].Flows(); p.err != nil || s.Dropped() != 1000-16 || flows[0].Counted {
			t.Fatalf("%v, %d dropped, flows %+v", p.err, s.Dropped(), flows)
		}
		for _, ok := s.Poll(); ok; _, ok = s.Poll() {
		}
		time.Sleep(2 * time.Second)
		if flows := n.es[0].Flows(); !flows[0].Counted {
			t.Fatalf("%+v", flows)
		}
		lost := s.Dropped()
		p = n.publish(t.Context(), 0, "/t", 200)
		n.take(s, 200, time.Millisecond)
		<-p.done
		if p.err != nil || s.Dropped() != lost {
			t.Errorf("%v, %d dropped", p.err, s.Dropped()-lost)
		}
	})
}

// TestFlowFull: those who don't wait are told, or counted, and Publish cares for nothing.
func TestFlowFull(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		e := n.es[0]
		s := n.subscribe(1, 8, "/t")
		failing := e.NewPublisher("/t", PublisherOptions{Full: FullFail})
		sent := 0
		for range 4 { // an origin that has been silent has less room at first
			for failing.Publish(t.Context(), data.None()) == nil {
				sent++
			}
			time.Sleep(time.Second)
		}
		if sent != 8 {
			t.Errorf("%d went out", sent)
		}
		if err := failing.Publish(t.Context(), data.None()); !errors.Is(err, ErrFull) {
			t.Errorf("%v", err)
		}
		if err := e.NewPublisher("/other", PublisherOptions{Full: FullFail}).Publish(t.Context(), data.None()); err != nil {
			t.Errorf("another topic: %v", err)
		}
		waiting := e.NewPublisher("/t", PublisherOptions{})
		marked := context.WithValue(t.Context(), callbackKey{e}, true)
		if err := waiting.Publish(marked, data.None()); !errors.Is(err, ErrWouldBlock) {
			t.Errorf("in a callback: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := waiting.Publish(ctx, data.None()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that ends: %v", err)
		}
		synctest.Wait()
		if s.Available() != sent || s.Dropped() > 0 {
			t.Errorf("%d came, want %d; %d dropped", s.Available(), sent, s.Dropped())
		}
		dropping := e.NewPublisher("/t", PublisherOptions{Full: FullDrop})
		if err := dropping.Publish(t.Context(), data.None()); err != nil || dropping.Dropped() != 1 {
			t.Errorf("dropping: %v, %d dropped", err, dropping.Dropped())
		}
		for range 20 {
			publish(t, e, "/t", data.None())
		}
		synctest.Wait()
		if got := uint64(s.Available()) + s.Dropped(); got != uint64(sent)+21 {
			t.Errorf("%d came, want %d", got, sent+21)
		}
		closing := make(chan error)
		go func() { closing <- waiting.Publish(context.Background(), data.None()) }()
		synctest.Wait()
		e.Close(context.Background())
		if err := <-closing; !errors.Is(err, ErrClosed) {
			t.Errorf("while the endpoint closes: %v", err)
		}
	})
}

// TestFlowLoss: what is lost on the way does not use up credit.
func TestFlowLoss(t *testing.T) {
	inFlowNet(t, []string{"node"}, nil, func(t *testing.T, n *flowNet) {
		n.add(Options{ID: endpointID{2}, PeerQueue: QueueLimit{Messages: 2, Overflow: OverflowDropNewest}})
		n.add(Options{ID: endpointID{3}})
		n.link(0, 1, false)
		n.link(1, 2, false)
		n.settle()
		s := n.subscribe(2, 16, "/t")
		p := n.publish(t.Context(), 0, "/t", 300)
		go func() {
			for range s.All(context.Background()) {
			}
		}()
		for range 20 { // a connection that is stuck for a while now and then
			n.ends[[2]int{1, 2}].out.setFull(true)
			time.Sleep(100 * time.Millisecond)
			n.ends[[2]int{1, 2}].out.setFull(false)
			time.Sleep(100 * time.Millisecond)
		}
		<-p.done
		time.Sleep(5 * time.Second)
		flows := n.es[0].Flows()
		if p.err != nil || n.es[1].Stats().Dropped[DropPeerQueue] == 0 || len(flows) != 1 || flows[0].Arrived != 300 || !flows[0].Counted {
			t.Errorf("%v, drops %v, flows %+v", p.err, n.es[1].Stats().Dropped, flows)
		}
		s.Close()
	})
}

// TestFlowBytes: the window counts bytes too, and a message that is larger than it goes out alone.
func TestFlowBytes(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		s, err := n.es[1].Subscribe([]string{"/t"}, QueueLimit{Messages: 1000, Bytes: 1000, FlowControl: true})
		if err != nil {
			t.Fatal(err)
		}
		n.settle()
		p := n.es[0].NewPublisher("/t", PublisherOptions{})
		sizes := []int{100, 200, 300, 400, 5000, 10, 20, 800, 3000, 7}
		done := make(chan error, 1)
		go func() {
			for _, size := range sizes {
				if err := p.Publish(t.Context(), data.String(strings.Repeat("x", size))); err != nil {
					done <- err
				}
			}
			done <- nil
		}()
		for _, size := range sizes {
			time.Sleep(time.Second)
			m, err := s.Get(t.Context())
			if text, _ := m.Value.AsString(); err != nil || len(text) != size {
				t.Errorf("%d bytes, want %d; %v", len(text), size, err)
			}
		}
		if err := <-done; err != nil || s.Dropped() > 0 {
			t.Errorf("%v, %d dropped", err, s.Dropped())
		}
	})
}

// TestFlowPrefixes: a message to one endpoint counts there as well, and so do changed prefixes.
func TestFlowPrefixes(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		s := n.subscribe(1, 16, "/t")
		if err := s.AddPrefixes("/u"); err != nil {
			t.Fatal(err)
		}
		n.settle()
		if err := n.es[0].PublishTo(n.es[1].ID(), "/u", data.Count(0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if f := n.es[0].Flows(); len(f) != 1 || f[0].Sent != 1 || f[0].Arrived != 1 || !slices.Equal(f[0].Prefixes, []string{"/t", "/u"}) {
			t.Errorf("flows %+v", f)
		}
		var many []string
		for i := range credit.MaxPrefixes {
			many = append(many, fmt.Sprintf("/%03d", i))
		}
		if err := s.AddPrefixes(many...); !errors.Is(err, ErrPrefixes) {
			t.Errorf("AddPrefixes: %v", err)
		}
		if _, err := n.es[1].Subscribe(append(many, "/x"), QueueLimit{FlowControl: true}); !errors.Is(err, ErrPrefixes) {
			t.Errorf("Subscribe: %v", err)
		}
		if err := s.SetPrefixes(append(many, "")); err != nil {
			t.Fatal(err)
		}
		s.RemovePrefixes("")
		time.Sleep(2 * time.Second)
		if f := n.es[0].Flows(); len(f) != 1 || len(f[0].Prefixes) != credit.MaxPrefixes {
			t.Errorf("flows %+v", f)
		}
	})
}

// TestFlowForeign: foreign endpoints see nothing of flow control, and origins that don't want it do as they like.
func TestFlowForeign(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		r := rawDial(t, n.dial(0), n.es[0], "/t")
		plain := rawDialAs(t, n.dial(1), n.es[1], endpointID{0xff, 2})
		time.Sleep(2 * time.Second) // they say nothing, so that they are foreign
		s := n.subscribe(0, 16, "/t")
		plain.send(wire.TypeData, "/t", []byte{0})
		r.send(wire.TypeData, "/t", []byte{0})
		for range 2 {
			if _, err := s.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(3 * time.Second)
		for _, peer := range []*rawPeer{r, plain} {
			if err := n.es[1].SendInternal(peer.id, creditTopic, data.None()); !errors.Is(err, code.NoPathToPeer) && peer == plain {
				t.Errorf("sent to a foreign endpoint: %v", err)
			}
			synctest.Wait()
			in := peer.conn.(*memConn).in
			in.mu.Lock()
			seen := string(in.buf)
			in.mu.Unlock()
			if strings.Contains(seen, topic.InternalPrefix) {
				t.Errorf("%v has seen %q", peer.id, seen)
			}
			peer.conn.Close()
		}
		s.Close()
	})
	inFlowNet(t, []string{"node"}, nil, func(t *testing.T, n *flowNet) {
		n.add(Options{ID: endpointID{2}, NoFlowControl: true})
		n.link(0, 1, false)
		s := n.subscribe(0, 16, "/t")
		p := n.publish(t.Context(), 1, "/t", 100)
		<-p.done
		synctest.Wait()
		if p.err != nil || s.Available() != 16 || len(n.es[1].Flows()) > 0 {
			t.Errorf("%v, %d came", p.err, s.Available())
		}
	})
}

// dial connects a test to an endpoint.
func (n *flowNet) dial(to int) net.Conn {
	c, err := n.doors[fmt.Sprintf("10.0.0.1:%d", to+1)].connect(n.t.Context(), "")
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// TestFlowBounds: nobody can make an origin keep flows without end, nor grant for others.
func TestFlowBounds(t *testing.T) {
	inFlowNet(t, []string{"node", "node", "node"}, []string{"0-1", "1-2"}, func(t *testing.T, n *flowNet) {
		for i := range 2 * maxOutletsEach {
			g := credit.Grant{Flow: uint64(i + 1), Number: 1, Prefixes: []string{"/t"}}
			if err := n.es[2].SendInternal(n.es[0].ID(), creditTopic, g.Value()); err != nil {
				t.Fatal(err)
			}
		}
		n.es[2].SendInternal(n.es[0].ID(), creditTopic, data.String("nonsense"))
		n.es[2].SendInternal(n.es[0].ID(), creditTopic+"/more", credit.Grant{Flow: 1000, Number: 1}.Value())
		synctest.Wait()
		if f := n.es[0].Flows(); len(f) != maxOutletsEach || f[0].Subscriber != n.es[2].ID() {
			t.Errorf("%d flows", len(f))
		}
		n.es[1].Subscribe([]string{"/t"}, QueueLimit{})
		n.settle()
		p := n.publish(t.Context(), 0, "/t", 1)
		synctest.Wait()
		n.es[1].SendInternal(n.es[0].ID(), creditTopic, credit.Withdrawal{Flow: 1}.Value())
		g := credit.Grant{Flow: 1, Number: 9, Room: credit.Amount{Messages: 9, Bytes: 900}}
		n.es[1].SendInternal(n.es[0].ID(), creditTopic, g.Value())
		synctest.Wait()
		if p.sent.Load() != 0 {
			t.Error("somebody else could grant")
		}
		<-p.done // those who grant nothing are given up
		time.Sleep(credit.Forget)
		synctest.Wait()
		if f := n.es[0].Flows(); len(f) > 0 || !n.es[0].credits.idle() {
			t.Errorf("%d flows", len(f))
		}
	})
}
