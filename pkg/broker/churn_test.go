// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// watch checks, until the endpoint closes, that the messages of each origin come in rising order, and counts them.
type watch struct {
	sub  *Subscriber
	mu   sync.Mutex
	last map[endpointID]uint64
	got  map[endpointID]int
	bad  string
}

func (w *watch) run() {
	for {
		m, err := w.sub.Get(context.Background())
		if err != nil {
			return
		}
		n, _ := m.Value.AsCount()
		w.mu.Lock()
		if n <= w.last[m.Origin] && w.bad == "" {
			w.bad = fmt.Sprintf("%d came after %d from %v", n, w.last[m.Origin], m.Origin)
		}
		w.last[m.Origin] = n
		w.got[m.Origin]++
		w.mu.Unlock()
	}
}

// TestLinksComeAndGo peers and unpeers the nodes of a mesh at random while all of them and two clients publish. Nobody gets a message
// twice or out of order. When the links are at rest everything arrives again.
func TestLinksComeAndGo(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 3))
	const nodes = 7
	names := append(nodesOf(nodes), "client", "client")
	ms := membersOf(t, names, append(ring(nodes), [2]int{7, 0}, [2]int{8, 3}, [2]int{8, 5})...)
	settled(t, nodes, ms...)
	var watches []*watch
	var all sync.WaitGroup
	for _, m := range ms {
		m.sub.Close()
		sub, err := m.e.Subscribe([]string{"/m"}, wait)
		if err != nil {
			t.Fatal(err)
		}
		w := &watch{sub: sub, last: make(map[endpointID]uint64), got: make(map[endpointID]int)}
		watches = append(watches, w)
		all.Go(w.run)
	}
	permits := make(chan struct{}, 8*100) // each step of the churn allows some messages, so that no relay has too much to do
	var publishing sync.WaitGroup
	counts := make([]uint64, len(ms))
	for i, m := range ms[:8] { // the client with two attachments only listens: its entry changes
		publishing.Go(func() {
			pub := m.e.NewPublisher("/m/x", PublisherOptions{})
			for range permits {
				counts[i]++
				if err := pub.Publish(context.Background(), data.Count(counts[i])); err != nil {
					t.Error(err)
				}
			}
		})
	}
	churn(t, r, ms[:nodes], permits)
	close(permits)
	publishing.Wait()
	repair(t, ms[:nodes])
	settled(t, nodes, ms...)
	// Now at rest: one more of each arrives everywhere.
	for i, m := range ms[:8] {
		counts[i]++
		publish(t, m.e, "/m/x", data.Count(counts[i]))
		poll(t, "the last message of everybody", func() bool {
			for k, w := range watches {
				w.mu.Lock()
				last := w.last[m.e.ID()]
				w.mu.Unlock()
				if k != i && last < counts[i] {
					return false
				}
			}
			return true
		})
	}
	for _, m := range ms {
		m.e.Close(within(t))
	}
	all.Wait()
	for k, w := range watches {
		if w.bad != "" {
			t.Errorf("member %d: %s", k, w.bad)
		}
		for i, m := range ms[:8] {
			if got := w.got[m.e.ID()]; k != i && got == 0 || got > int(counts[i]) {
				t.Errorf("member %d has got %d of %d messages from %d", k, got, counts[i], i)
			}
		}
	}
	t.Logf("dropped: %v", meshDrops(ms))
}

// churn ends and makes connections at random.
func churn(t *testing.T, r *rand.Rand, ms []*member, permits chan<- struct{}) {
	t.Helper()
	for range 60 {
		for range 8 * 50 {
			permits <- struct{}{}
		}
		a, b := r.IntN(len(ms)), r.IntN(len(ms))
		if a == b {
			continue
		}
		if ms[a].e.routes.Load().peers[ms[b].e.ID()] == nil {
			ms[a].e.Peer(within(t), ms[b].e.Listeners()[0].String(), PeerOptions{})
		} else if r.IntN(2) == 0 {
			ms[a].e.UnpeerID(within(t), ms[b].e.ID())
		} else if p := ms[a].e.routes.Load().peers[ms[b].e.ID()]; p != nil {
			p.Fail(nil) // at once, with everything that is under way
			<-p.gone
		}
	}
}

// repair makes sure that the ring stands.
func repair(t *testing.T, ms []*member) {
	t.Helper()
	for i, m := range ms {
		next := ms[(i+1)%len(ms)]
		poll(t, "the ring", func() bool {
			if m.e.routes.Load().peers[next.e.ID()] == nil || next.e.routes.Load().peers[m.e.ID()] == nil {
				m.e.Peer(within(t), next.e.Listeners()[0].String(), PeerOptions{})
				return false
			}
			return true
		})
	}
}

// TestPublishAndClose publishes and closes at once. Receivers several hops away, some of them over either of two ways, get everything.
func TestPublishAndClose(t *testing.T) {
	const messages = 500
	for name, links := range map[string][][2]int{"line": chain(5), "ring": ring(6), "grid": grid(3, 2)} {
		t.Run(name, func(t *testing.T) {
			n := 0
			for _, l := range links {
				n = max(n, l[0]+1, l[1]+1)
			}
			ms := membersOf(t, nodesOf(n), links...)
			settled(t, n, ms...)
			for round := range 5 {
				// A node that joins at both ends, and a client.
				for k, o := range []Options{{}, {Forward: ForwardNone}} {
					e := endpoint(t, o)
					for _, at := range []int{0, n - 1} {
						if _, err := e.Peer(within(t), addressOf(t, ms[at].e), PeerOptions{}); err != nil {
							t.Fatal(err)
						}
						if name == "line" || k == 1 {
							break
						}
					}
					if len(e.routes.Load().peers) > 1 && k == 0 {
						settled(t, n+1, append(slices.Clone(ms), &member{e: e})...) // paths change until both connections are known
					}
					for i := range messages {
						publish(t, e, "/m/close", data.Count(uint64(i)))
					}
					if err := e.Close(within(t)); err != nil {
						t.Fatal(err)
					}
					for i, m := range ms {
						for want := range messages {
							msg, err := m.sub.Get(within(t))
							if got, _ := msg.Value.AsCount(); err != nil || got != uint64(want) {
								t.Fatalf("round %d, endpoint %d: node %d got %d, want %d: %v; dropped: %v", round, k, i, got, want, err, meshDrops(ms))
							}
						}
					}
				}
			}
		})
	}
}

func addressOf(t testing.TB, e *Endpoint) string {
	t.Helper()
	if l := e.Listeners(); len(l) > 0 {
		return l[0].String()
	}
	return listening(t, e)
}

// TestManySources publishes from several goroutines at once, to several peers and over hops: the messages of each stay in order.
func TestManySources(t *testing.T) {
	const sources, messages = 4, 2000
	ms := membersOf(t, append(nodesOf(4), "client"), append(grid(2, 2), [2]int{4, 3})...)
	settled(t, 4, ms...)
	var all sync.WaitGroup
	for s := range sources {
		all.Go(func() {
			pub := ms[0].e.NewPublisher(fmt.Sprintf("/m/%d", s), PublisherOptions{})
			for i := range messages {
				if err := pub.Publish(context.Background(), data.Count(uint64(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for k, m := range ms[1:] {
		next := make([]uint64, sources)
		for range sources * messages {
			msg := get(t, m.sub)
			var s int
			fmt.Sscanf(msg.Topic, "/m/%d", &s)
			if n, _ := msg.Value.AsCount(); n != next[s] {
				t.Fatalf("member %d got %d of source %d, want %d", k+1, n, s, next[s])
			}
			next[s]++
		}
	}
	all.Wait()
	if drops := meshDrops(ms); len(drops) > 0 {
		t.Errorf("dropped: %v", drops)
	}
}
