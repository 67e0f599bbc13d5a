// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// act does one random thing.
func (s *sim) act() {
	a, b := s.nodes[s.r.IntN(len(s.nodes))], s.nodes[s.r.IntN(len(s.nodes))]
	k := [2]ID{a.id, b.id}
	switch s.r.IntN(17) {
	case 0:
		if l := s.links[k]; a != b && !a.peers[b.id] && !b.peers[a.id] && (l == nil || !l.open) {
			s.connect(a, b)
		}
	case 1:
		if l := s.links[k]; l != nil && l.open {
			s.breakLink(a.id, b.id)
		}
	case 2, 3:
		if l := s.links[k]; l != nil && !l.open && a.peers[b.id] {
			s.notice(a, b.id)
		}
	case 4:
		s.now = s.now.Add(time.Duration(s.r.IntN(int(20 * time.Second))))
		a.db.Expire(s.now)
	case 5:
		a.wants = topic.NewFilter([]string{"/a", "/b", "/c", ""}[s.r.IntN(4)])
		s.update(a)
	case 6:
		if len(s.leaves) > 0 {
			l := s.leaves[s.r.IntN(len(s.leaves))]
			if len(l.nodes) > 1 {
				s.detach(l, s.r.IntN(len(l.nodes)))
			} else if !slices.Contains(l.nodes, a) {
				s.attach(l, a)
			}
		}
	case 7, 8, 9:
		s.publishAt(a)
	case 10:
		if len(s.leaves) > 0 {
			s.publishLeaf(s.leaves[s.r.IntN(len(s.leaves))])
		}
	default:
		if l := s.links[k]; l != nil && len(l.items) > 0 {
			s.step(k)
		}
	}
}

// finish lets every end notice what has broken, and everything arrive.
func (s *sim) finish() {
	for _, n := range s.nodes {
		for _, p := range s.sorted(n.peers) {
			if !s.links[[2]ID{n.id, p}].open {
				s.notice(n, p)
			}
		}
	}
	s.settle()
}

// rising checks that nothing came twice or was overtaken.
func (s *sim) rising(who ID, seen map[[2]ID][]int) {
	for origin, got := range seen {
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] {
				s.t.Fatalf("%v got %d after %d from %v", who, got[i], got[i-1], origin)
			}
		}
	}
}

// check publishes at every node and leaf of a quiet mesh, and compares who got it with who can be reached, and which way it took with
// what Route predicts.
func (s *sim) check() {
	s.quiet = true
	for _, n := range s.nodes {
		s.checkOne(n, n.id, func(name string) { s.publish(n, n.id, name, s.index[n.id]) })
	}
	for _, l := range s.leaves {
		if len(l.nodes) == 0 {
			continue
		}
		reach := l.nodes[0]
		entry, _ := reach.db.View(s.now).Exit(l.id)
		joined := true // all its nodes in one part of the mesh; else it counts once in each, which nobody can know
		for _, n := range l.nodes {
			joined = joined && reach.db.View(s.now).Reaches(n.id)
		}
		if joined {
			s.checkOne(s.byID[entry], l.id, func(name string) {
				for _, n := range l.nodes {
					s.publish(n, l.id, name, s.index[l.id])
				}
			})
		}
	}
}

func (s *sim) checkOne(entry *simNode, origin ID, publish func(name string)) {
	name := []string{"/a", "/b", "/c"}[s.r.IntN(3)]
	for _, n := range s.nodes {
		clear(n.seen)
	}
	for _, l := range s.leaves {
		clear(l.seen)
	}
	clear(s.steps)
	key := [2]ID{origin, entry.id}
	s.index[origin]++
	view := entry.db.View(s.now)
	publish(name)
	s.settle()
	for _, n := range s.nodes {
		want := 0
		if n.id != origin && view.Reaches(n.id) && n.wants.Matches(name) {
			want = 1
		}
		if got := len(n.seen[key]); got != want {
			s.t.Errorf("node %v got %d messages of %v, want %d", n.id, got, origin, want)
		}
	}
	for _, l := range s.leaves {
		want := 0
		if l.id != origin && slices.ContainsFunc(l.nodes, func(n *simNode) bool { return view.Reaches(n.id) }) && l.wants.Matches(name) {
			want = 1
		}
		if got := len(l.seen[key]); got != want {
			s.t.Errorf("leaf %v got %d messages of %v, want %d", l.id, got, origin, want)
		}
	}
	for _, step := range s.nodes[0].anyView(view, s.now).Route(entry.id, origin, name) {
		step.Hops, step.Wants = 0, false
		if s.steps[step] != 1 {
			s.t.Errorf("%v to %v was predicted, and happened %d times", step.From, step.To, s.steps[step])
		}
		delete(s.steps, step)
	}
	for step := range s.steps {
		s.t.Errorf("%v to %v was not predicted", step.From, step.To)
	}
}

// anyView is the node's own view if it is in the same part of the mesh as another one's.
func (n *simNode) anyView(other *View, now time.Time) *View {
	if other.Reaches(n.id) {
		return n.db.View(now)
	}
	return other
}

// TestRandomMeshes lets links of random meshes come and go under traffic. No message ever comes twice or too late; when all is quiet,
// everything reaches everybody once.
func TestRandomMeshes(t *testing.T) {
	for _, seed := range seed.Several(t, 15) {
		t.Run(fmt.Sprintf("SEED=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			s := newSim(t, r, 2+r.IntN(14), r.IntN(5))
			for round := range 4 {
				for range 300 * (1 + round) {
					s.act()
				}
				for _, n := range s.nodes {
					s.rising(n.id, n.seen)
				}
				s.finish()
				for _, n := range s.nodes {
					s.rising(n.id, n.seen)
				}
				s.check()
				if s.quiet = false; t.Failed() {
					t.Fatalf("replay with SEED=%d (round %d)", seed, round)
				}
			}
		})
	}
}

// TestSteadyPaths: news of leaves, wants and nodes at the edge, and links that end after their messages, lose nothing.
func TestSteadyPaths(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 7))
	s := newSim(t, r, 8, 0)
	for i := range 7 {
		s.connect(s.nodes[r.IntN(i+1)], s.nodes[i+1]) // a tree
	}
	for _, n := range s.nodes {
		n.wants = topic.NewFilter("")
		s.update(n)
	}
	s.settle()
	for range 2000 {
		n := s.nodes[r.IntN(len(s.nodes))]
		switch r.IntN(3) {
		case 0:
			s.publishAt(n)
		case 1:
			n.wants = []topic.Filter{topic.NewFilter(""), topic.NewFilter("/a", "/b", "/c")}[r.IntN(2)]
			s.update(n)
		default:
			s.stepAny()
		}
	}
	s.settle()
	for _, n := range s.nodes {
		s.rising(n.id, n.seen)
		for _, m := range s.nodes {
			if got := len(n.seen[[2]ID{m.id, m.id}]); n != m && got != s.index[m.id] {
				t.Errorf("%d of %d messages", got, s.index[m.id])
			}
		}
	}
	if s.dropped > 0 {
		t.Errorf("%d were dropped", s.dropped)
	}
}
