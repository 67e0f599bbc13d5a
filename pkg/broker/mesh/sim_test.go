// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// item is what travels over a link: link state or a message.
type item struct {
	ls  *wire.LinkState
	msg *simMessage
}

type simMessage struct {
	origin, entering ID
	number           uint64
	topic            string
	index            int // counts what the origin published
}

// simLink is one direction of a connection. What is in it when the connection breaks is lost.
type simLink struct {
	items []item
	open  bool
}

// simNode is a node under simulation.
type simNode struct {
	id      ID
	db      *Database
	peers   map[ID]bool // that it believes to be connected
	leaves  map[ID]*simLeaf
	streams map[[2]ID]*Stream
	numbers map[ID]uint64
	wants   topic.Filter
	seen    map[[2]ID][]int // by origin and entering node
}

// simLeaf is a leaf with the nodes that it is attached to.
type simLeaf struct {
	id    ID
	wants topic.Filter
	nodes []*simNode
	seen  map[[2]ID][]int
}

type sim struct {
	t       *testing.T
	r       *rand.Rand
	now     time.Time
	nodes   []*simNode
	byID    map[ID]*simNode
	leaves  []*simLeaf
	links   map[[2]ID]*simLink
	index   map[ID]int
	quiet   bool // nothing may be dropped
	dropped int
	steps   map[Step]int
}

func newSim(t *testing.T, r *rand.Rand, nodes, leaves int) *sim {
	s := &sim{t: t, r: r, now: start, byID: map[ID]*simNode{}, links: map[[2]ID]*simLink{}, index: map[ID]int{}, steps: map[Step]int{}}
	topics := []string{"/a", "/b", "/c", ""}
	for i := range nodes {
		n := &simNode{id: ID{1, byte(r.IntN(256)), byte(i)}, peers: map[ID]bool{}, leaves: map[ID]*simLeaf{}, streams: map[[2]ID]*Stream{},
			numbers: map[ID]uint64{}, seen: map[[2]ID][]int{}}
		n.wants = topic.NewFilter(topics[r.IntN(4)])
		n.db = NewDatabase(n.id, 1)
		s.nodes = append(s.nodes, n)
		s.byID[n.id] = n
		s.update(n)
	}
	for i := range leaves {
		l := &simLeaf{id: ID{2, byte(r.IntN(256)), byte(i)}, wants: topic.NewFilter(topics[r.IntN(4)]), seen: map[[2]ID][]int{}}
		s.leaves = append(s.leaves, l)
	}
	return s
}

// update sends a node's new advertisement, if there is one.
func (s *sim) update(n *simNode) {
	var leaves []Leaf
	for _, l := range n.leaves {
		leaves = append(leaves, Leaf{l.id, wire.LeafClient, l.wants})
	}
	if changed, loss := n.db.Own(n.wants, leaves, false); changed {
		s.flood(n, ID{}, n.id, loss)
	}
}

func (s *sim) flood(n *simNode, from, about ID, loss bool) {
	for _, p := range s.sorted(n.peers) {
		if p != from {
			s.sendState(n, p, about, loss)
		}
	}
}

func (s *sim) sorted(set map[ID]bool) []ID {
	var out []ID
	for p := range set {
		out = append(out, p)
	}
	slices.SortFunc(out, ID.Compare)
	return out
}

// sendState queues an advertisement: before the messages that wait, or behind them.
func (s *sim) sendState(n *simNode, to, about ID, behind bool) {
	l := s.links[[2]ID{n.id, to}]
	if !l.open {
		return
	}
	ls, err := wire.ParseLinkState(n.db.Advertisement(about))
	if err != nil {
		s.t.Fatal(err)
	}
	at, last := 0, -1
	for i, it := range l.items {
		if it.ls != nil {
			at = i + 1
			if it.ls.Node == about {
				last = i
			}
		}
	}
	if last >= 0 && (!behind || !slices.ContainsFunc(l.items[last:], func(it item) bool { return it.msg != nil })) {
		l.items[last].ls = ls // coalesced
		return
	}
	if behind {
		at = len(l.items)
	}
	l.items = slices.Insert(l.items, at, item{ls: ls})
}

func (s *sim) connect(a, b *simNode) {
	for _, n := range [][2]*simNode{{a, b}, {b, a}} {
		s.links[[2]ID{n[0].id, n[1].id}] = &simLink{open: true}
	}
	for _, n := range [][2]*simNode{{a, b}, {b, a}} {
		from, to := n[0], n[1]
		from.peers[to.id] = true
		from.db.Link(to.id, to.wants)
		for _, about := range from.db.All()[:len(from.db.All())-1] {
			s.sendState(from, to.id, about, false)
		}
		s.update(from)
		s.sendState(from, to.id, from.id, false)
	}
}

// breakLink loses what is under way; the ends notice it later.
func (s *sim) breakLink(a, b ID) {
	for _, k := range [][2]ID{{a, b}, {b, a}} {
		l := s.links[k]
		l.open = false
		l.items = l.items[:s.r.IntN(len(l.items)+1)]
	}
}

// notice lets a node see that a connection has ended, when it has read everything that came.
func (s *sim) notice(n *simNode, peer ID) {
	for len(s.links[[2]ID{peer, n.id}].items) > 0 {
		s.step([2]ID{peer, n.id})
	}
	delete(n.peers, peer)
	n.db.Unlink(peer)
	s.update(n)
}

func (s *sim) attach(l *simLeaf, n *simNode) {
	l.nodes = append(l.nodes, n)
	n.leaves[l.id] = l
	n.numbers[l.id] = uint64(s.now.UnixNano())
	s.update(n)
}

func (s *sim) detach(l *simLeaf, i int) {
	n := l.nodes[i]
	l.nodes = slices.Delete(l.nodes, i, i+1)
	delete(n.leaves, l.id)
	s.update(n)
}

// publish lets a node publish, for itself or for a leaf.
func (s *sim) publish(n *simNode, origin ID, name string, index int) {
	n.numbers[origin]++
	m := &simMessage{origin: origin, entering: n.id, number: n.numbers[origin], topic: name, index: index}
	if origin != n.id {
		if exit, _ := n.db.View(s.now).Exit(origin); exit != n.id {
			return
		}
	}
	s.forward(n, m)
}

func (s *sim) forward(n *simNode, m *simMessage) {
	key := [2]ID{m.origin, m.entering}
	v := n.db.View(s.now)
	tree := v.Tree(m.entering)
	if m.origin != n.id && n.wants.Matches(m.topic) {
		n.seen[key] = append(n.seen[key], m.index)
	}
	for _, c := range v.AppendChildren(nil, tree, []byte(m.topic)) {
		if l := s.links[[2]ID{n.id, c}]; l != nil && n.peers[c] && l.open {
			l.items = append(l.items, item{msg: m})
			s.steps[Step{From: n.id, To: c}]++
		}
	}
	for _, l := range n.leaves {
		if exit, _ := v.Exit(l.id); exit == n.id && l.id != m.origin && l.wants.Matches(m.topic) {
			l.seen[key] = append(l.seen[key], m.index)
			s.steps[Step{From: n.id, To: l.id, Leaf: true}]++
		}
	}
}

// step delivers the first item of a link.
func (s *sim) step(k [2]ID) {
	l, n := s.links[k], s.byID[k[1]]
	it := l.items[0]
	l.items = l.items[1:]
	if !n.peers[k[0]] {
		return
	}
	if it.ls != nil {
		switch n.db.Apply(k[0], it.ls, it.ls.Append(nil)) {
		case Newer:
			s.flood(n, k[0], it.ls.Node, false)
		case Less:
			s.flood(n, k[0], it.ls.Node, true)
		case Older:
			s.sendState(n, k[0], it.ls.Node, false)
		case Known:
		default:
			s.t.Fatal("unexpected news")
		}
		return
	}
	m := it.msg
	key := [2]ID{m.origin, m.entering}
	if n.streams[key] == nil {
		n.streams[key] = &Stream{}
	}
	tree := n.db.View(s.now).Tree(m.entering)
	verdict := NotParent
	if tree != nil {
		verdict = n.streams[key].Accept(k[0], tree.Parent, LaneData, m.number)
	}
	if verdict == Accepted {
		s.forward(n, m)
	} else if s.dropped++; s.quiet {
		s.t.Errorf("a message of %v was dropped in a quiet mesh: %d", m.entering, verdict)
	}
}

// settle delivers everything that is under way, in random order.
func (s *sim) settle() {
	for s.stepAny() {
	}
}

// stepAny delivers one item; false if there is none.
func (s *sim) stepAny() bool {
	var busy [][2]ID
	for k, l := range s.links {
		if len(l.items) > 0 {
			busy = append(busy, k)
		}
	}
	if len(busy) == 0 {
		return false
	}
	slices.SortFunc(busy, func(a, b [2]ID) int { return cmp.Or(a[0].Compare(b[0]), a[1].Compare(b[1])) })
	s.step(busy[s.r.IntN(len(busy))])
	return true
}

func (s *sim) publishAt(n *simNode) {
	s.index[n.id]++
	s.publish(n, n.id, []string{"/a", "/b", "/c"}[s.r.IntN(3)], s.index[n.id])
}

func (s *sim) publishLeaf(l *simLeaf) {
	s.index[l.id]++
	name := []string{"/a", "/b", "/c"}[s.r.IntN(3)]
	for _, n := range l.nodes {
		s.publish(n, l.id, name, s.index[l.id])
	}
}
