// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// flowStorm is a flowNet with publishers and subscribers under flow control, to which faults happen.
type flowStorm struct {
	*flowNet
	r        *rand.Rand
	links    [][2]int
	subs     []*stormSub
	origins  []int
	stop     chan struct{}
	running  sync.WaitGroup
	longest  atomic.Int64 // time that a Publish took
	faultily bool
}

// stormSub is a subscriber with a consumer.
type stormSub struct {
	*Subscriber
	paused atomic.Bool
	next   map[endpointID]uint64
	got    atomic.Int64
	bad    atomic.Pointer[string]
}

// TestFlowRandom: whatever happens, nobody waits for long, messages come once and in order, and when all is well again, so is flow
// control. Without faults nothing is lost.
func TestFlowRandom(t *testing.T) {
	for i, s := range seed.Several(t, 6) {
		faulty := i%3 != 0
		t.Run(fmt.Sprintf("SEED=%d, faulty %v", s, faulty), func(t *testing.T) {
			r := rand.New(rand.NewPCG(s, 11))
			members := []string{"node", "node"}
			var links [][2]int
			for len(members) < 3+r.IntN(4) {
				members = append(members, []string{"node", "node", "client"}[r.IntN(3)])
			}
			nodes := 0
			for i, kind := range members {
				if i > 0 {
					links = append(links, [2]int{i, r.IntN(max(nodes, 1))})
				}
				if kind == "node" && nodes == i {
					nodes++
				}
			}
			if nodes > 2 {
				links = append(links, [2]int{nodes - 1, 0})
			}
			inFlowNet(t, members, nil, func(t *testing.T, n *flowNet) {
				storm := &flowStorm{flowNet: n, r: r, links: links, stop: make(chan struct{}), faultily: faulty}
				storm.run(t)
			})
		})
	}
}

func (f *flowStorm) run(t *testing.T) {
	for _, l := range f.links {
		if err := f.es[l[0]].PeerAsync(fmt.Sprintf("10.0.0.1:%d", l[1]+1), PeerOptions{Retry: time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second)
	for range 1 + f.r.IntN(3) {
		f.consume(t, f.r.IntN(len(f.es)), 16+f.r.IntN(200))
	}
	f.settle()
	for range 1 + f.r.IntN(3) {
		f.produce(f.r.IntN(len(f.es)))
	}
	for range 20 {
		if f.faultily {
			f.fault()
		}
		time.Sleep(time.Second)
	}
	close(f.stop)
	f.running.Wait()
	time.Sleep(time.Minute)
	if took := time.Duration(f.longest.Load()); took > 30*time.Second {
		t.Errorf("somebody waited for %v", took)
	}
	for _, s := range f.subs {
		t.Logf("a subscriber got %d and dropped %d; the longest wait was %v", s.got.Load(), s.Dropped(), time.Duration(f.longest.Load()))
	}
	f.calm(t)
	for _, s := range f.subs {
		s.Close()
		if bad := s.bad.Load(); bad != nil {
			t.Error(*bad)
		}
	}
	synctest.Wait()
}

// consume reads at a pace of its own.
func (f *flowStorm) consume(t *testing.T, at, window int) {
	sub, err := f.es[at].Subscribe([]string{"/t"}, QueueLimit{Messages: window, FlowControl: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &stormSub{Subscriber: sub, next: make(map[endpointID]uint64)}
	f.subs = append(f.subs, s)
	pace := time.Duration(f.r.IntN(20)) * time.Millisecond
	go func() {
		for m := range s.All(context.Background()) {
			n, _ := m.Value.AsCount()
			if n < s.next[m.Origin] || !f.faultily && n != s.next[m.Origin] {
				bad := fmt.Sprintf("message %d of %v, want %d", n, m.Origin, s.next[m.Origin])
				s.bad.CompareAndSwap(nil, &bad)
			}
			s.next[m.Origin] = n + 1
			s.got.Add(1)
			time.Sleep(pace)
			for s.paused.Load() {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
}

// produce publishes without a pause while there is room. One origin has one producer, so that the numbers of an origin rise.
func (f *flowStorm) produce(at int) {
	for _, o := range f.origins {
		if o == at {
			return
		}
	}
	f.origins = append(f.origins, at)
	to := f.es[at].NewPublisher("/t", PublisherOptions{})
	f.running.Go(func() {
		for i := uint64(0); ; i++ {
			select {
			case <-f.stop:
				return
			case <-time.After(time.Millisecond): // so that time goes on where nobody holds it up
			}
			began := time.Now()
			if err := to.Publish(context.Background(), data.Count(i)); err != nil {
				f.t.Error(err)
				return
			}
			f.longest.Store(max(f.longest.Load(), int64(time.Since(began))))
		}
	})
}

// fault lets something go wrong for a while.
func (f *flowStorm) fault() {
	d := time.Duration(f.r.IntN(8000)) * time.Millisecond
	switch f.r.IntN(3) {
	case 0:
		s := f.subs[f.r.IntN(len(f.subs))]
		s.paused.Store(true)
		time.AfterFunc(d, func() { s.paused.Store(false) })
	case 1:
		if c := f.end(f.links[f.r.IntN(len(f.links))]); c != nil {
			c.Close()
		}
	default:
		if c := f.end(f.links[f.r.IntN(len(f.links))]); c != nil {
			c.in.setFull(true)
			c.out.setFull(true)
			time.AfterFunc(d, func() {
				c.in.setFull(false)
				c.out.setFull(false)
			})
		}
	}
}

// calm looks whether everything works again: from every origin, all messages come to everybody.
func (f *flowStorm) calm(t *testing.T) {
	synctest.Wait()
	const more = 50
	dropped, got := make([]uint64, len(f.subs)), make([]int64, len(f.subs))
	for i, s := range f.subs {
		dropped[i], got[i] = s.Dropped(), s.got.Load()
		if s.Available() > 0 {
			t.Errorf("subscriber %d has %d messages left", i, s.Available())
		}
	}
	f.faultily = true // the numbers go on higher up
	for _, at := range f.origins {
		p := f.es[at].NewPublisher("/t", PublisherOptions{})
		for i := range more {
			if err := p.Publish(t.Context(), data.Count(uint64(1_000_000+i))); err != nil {
				t.Error(err)
			}
		}
	}
	time.Sleep(20 * time.Second)
	synctest.Wait()
	for i, s := range f.subs {
		want := int64(0)
		for _, at := range f.origins {
			if f.es[at] != s.e {
				want += more
			}
		}
		if s.Dropped() != dropped[i] || s.got.Load()-got[i] != want {
			t.Errorf("subscriber %d got %d more, want %d; %d dropped", i, s.got.Load()-got[i], want, s.Dropped()-dropped[i])
		}
	}
	for _, at := range f.origins {
		for _, flow := range f.es[at].Flows() {
			if !flow.Counted || flow.Sent != flow.Arrived {
				t.Errorf("origin %d: %+v", at, flow)
			}
		}
	}
}

// end is the dialing end of a link's newest connection.
func (n *flowNet) end(l [2]int) *memConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ends[l]
}
