// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/credit"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// flowNet is a mesh in memory, in a bubble.
type flowNet struct {
	t     *testing.T
	es    []*Endpoint
	doors map[string]*memListener

	mu   sync.Mutex
	ends map[[2]int]*memConn // the dialing ends
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
			n.mu.Lock()
			n.ends[[2]int{at, port - 1}], _ = c.(*memConn)
			n.mu.Unlock()
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
	c := n.end([2]int{a, b})
	c.in.setFull(true)
	c.out.setFull(true)
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
				time.Sleep(time.Second)
				if f := n.es[0].Flows()[0]; f.Credit != 0 || f.Waiting != 1 || time.Since(f.StalledSince) > time.Second {
					t.Errorf("a publisher waits: %+v", f)
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

// TestFlowJoins: SubscribeSync subscribes to what is being published already, and nothing comes that there is no room for.
func TestFlowJoins(t *testing.T) {
	for _, last := range []string{"node", "client"} {
		t.Run(last, func(t *testing.T) {
			inFlowNet(t, []string{"node", "node", last}, []string{"0-1", "2-1"}, func(t *testing.T, n *flowNet) {
				other, err := n.es[1].Subscribe([]string{"/t"}, QueueLimit{})
				if err != nil {
					t.Fatal(err)
				}
				n.settle()
				var stop atomic.Bool
				var running sync.WaitGroup
				running.Go(func() {
					p := n.es[0].NewPublisher("/t", PublisherOptions{})
					for i := 0; !stop.Load(); i++ {
						if err := p.Publish(t.Context(), data.Count(uint64(i))); err != nil {
							t.Error(err)
						}
						if i%50 == 49 { // a burst now and then
							time.Sleep(time.Millisecond)
						}
					}
				})
				n.settle()
				before := other.Available()
				s, err := n.es[2].SubscribeSync(t.Context(), []string{"/t"}, QueueLimit{Messages: 64, FlowControl: true})
				if err != nil {
					t.Fatal(err)
				}
				first, err := s.Get(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				next, _ := first.Value.AsCount()
				for range 500 {
					time.Sleep(time.Millisecond)
					m, err := s.Get(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					next++
					if got, _ := m.Value.AsCount(); got != next {
						t.Fatalf("got %d, want %d", got, next)
					}
				}
				if s.Dropped() > 0 || before == 0 {
					t.Errorf("%d dropped, %d before", s.Dropped(), before)
				}
				s.Close()
				stop.Store(true)
				running.Wait()
			})
		})
	}
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
		{"behind a connection that was cut", func(n *flowNet, _ *Subscriber) { n.end([2]int{1, 2}).Close() }, true},
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
				time.Sleep(3 * time.Second) // all signs of life have been sent
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

// TestFlowStuck: who takes nothing is given up after five seconds, however much room there is left for origins that share the queue.
func TestFlowStuck(t *testing.T) {
	inFlowNet(t, []string{"node", "node", "node"}, []string{"0-1", "1-2"}, func(t *testing.T, n *flowNet) {
		n.subscribe(2, 4096, "/t")
		p := n.publish(t.Context(), 0, "/t", 10_000)
		q := n.publish(t.Context(), 1, "/t", 10_000)
		time.Sleep(20 * time.Second)
		for i, e := range n.es[:2] {
			if f := e.Flows(); len(f) != 1 || f[0].Counted {
				t.Errorf("node %d still waits: %+v", i, f)
			}
		}
		<-p.done
		<-q.done
	})
}

// TestFlowReturns: a subscriber that has stopped for a while is waited for again once it takes messages.
func TestFlowReturns(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		s := n.subscribe(1, 16, "/t")
		p := n.publish(t.Context(), 0, "/t", 1000)
		<-p.done
		synctest.Wait()
		if flows := n.es[0].Flows(); p.err != nil || s.Dropped() != 1000-16 || flows[0].Counted || flows[0].DroppedSince.IsZero() || n.es[0].Stats().FlowsDropped != 1 {
			t.Fatalf("%v, %d dropped, flows %+v", p.err, s.Dropped(), flows)
		}
		for _, ok := s.Poll(); ok; _, ok = s.Poll() {
		}
		time.Sleep(2 * time.Second)
		if flows := n.es[0].Flows(); !flows[0].Counted || !flows[0].DroppedSince.IsZero() || flows[0].Credit == 0 || flows[0].CreditBytes == 0 || flows[0].Waiting != 0 {
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
