// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

const (
	// ForgetAfter is how long the advertisement and the last tree of a node that can't be reached are kept.
	ForgetAfter = time.Minute
	// Bounds of a database; what is above is refused.
	maxNodes = 4096
	maxBytes = 64 << 20
	// versionJump is by how much an own version rises when an earlier life of the node turns out to have been ahead.
	versionJump = 1 << 40
)

// Database holds the newest advertisement of each node of a mesh. One goroutine at a time may use it.
type Database struct {
	self    ID
	records map[ID]*record
	peers   map[ID]*link
	kept    map[ID]keptGraph
	bytes   int
	view    *View
	stale   bool // the view is
}

// record is a node's newest advertisement.
type record struct {
	node  Node
	raw   []byte
	since time.Time // when it was first seen to be unreachable; zero while it is reachable
	// met are the neighbours that have spoken of the connection too, since the node has been speaking of it.
	met map[ID]bool
	// again: it has been passed on although it was no news, since the node has been unreachable.
	again bool
}

func (r *record) meet(neighbour ID) {
	if r.met == nil {
		r.met = make(map[ID]bool)
	}
	r.met[neighbour] = true
}

// link is a connection to a neighbour.
type link struct {
	wants topic.Filter
	// heard: the neighbour has said over this connection that it knows of it. Until then that is taken for granted.
	heard bool
}

// keptGraph is the last graph in which a node could be reached.
type keptGraph struct {
	graph *graph
	since time.Time
}

// NewDatabase makes the database of a node. version is where its own advertisements begin: its start in nanoseconds.
func NewDatabase(self ID, version uint64) *Database {
	d := &Database{self: self, records: map[ID]*record{}, peers: map[ID]*link{}, kept: map[ID]keptGraph{}, stale: true}
	own := &record{node: Node{ID: self, Version: version}}
	own.encode(nil)
	d.records[self] = own
	return d
}

// encode makes the record's bytes from its node; leaves are the node's own with filters as they are to be told.
func (r *record) encode(leaves []Leaf) {
	ls := wire.LinkState{Node: r.node.ID, Version: r.node.Version, Times: r.node.Times, Neighbours: r.node.Neighbours, Wants: r.node.Wants}
	if len(ls.Wants) > wire.MaxFilterEntries {
		ls.Wants = []string{""}
	}
	for _, l := range leaves {
		ls.Leaves = append(ls.Leaves, wire.Leaf{ID: l.ID, Class: l.Class, Filter: l.Wants})
	}
	r.raw = ls.Append(nil)
	if over := len(r.raw) - wire.MaxLinkState; over > 0 {
		shorten(&ls, over)
		r.raw = ls.Append(nil)
	}
}

// shorten makes the largest filters of an advertisement ask for everything, until it is smaller by a number of bytes.
func shorten(ls *wire.LinkState, over int) {
	all := []*[]string{&ls.Wants}
	for i := range ls.Leaves {
		all = append(all, &ls.Leaves[i].Filter)
	}
	sizes := make(map[*[]string]int, len(all))
	for _, f := range all {
		for _, prefix := range *f {
			sizes[f] += 1 + len(prefix)
		}
	}
	slices.SortStableFunc(all, func(a, b *[]string) int { return sizes[b] - sizes[a] })
	for _, f := range all {
		if over <= 0 || sizes[f] <= 1 {
			return
		}
		*f = []string{""}
		over -= sizes[f] - 1
	}
}

// Version is the version of the own advertisement.
func (d *Database) Version() uint64 { return d.records[d.self].node.Version }

// Link enters a connection to another node of the mesh, or what it wants as far as it has said so on that connection.
func (d *Database) Link(peer ID, wants topic.Filter) {
	l := d.peers[peer]
	if l == nil {
		l = &link{}
		d.peers[peer] = l
	} else if l.wants.Equal(wants) {
		return
	}
	l.wants = wants
	d.stale = true
}

// Unlink removes a connection.
func (d *Database) Unlink(peer ID) {
	if d.peers[peer] != nil {
		delete(d.peers, peer)
		d.stale = true
	}
}

// Own sets what the node itself has to say, with the present connections as its neighbours. changed tells that there is a new
// advertisement to be sent to all of them; loss that it takes something away.
func (d *Database) Own(wants topic.Filter, leaves []Leaf, times bool) (changed, loss bool) {
	own := d.records[d.self]
	n := Node{ID: d.self, Version: own.node.Version + 1, Times: times, Wants: wants, Leaves: slices.Clone(leaves)}
	for p := range d.peers {
		n.Neighbours = append(n.Neighbours, p)
	}
	n.sort()
	if n.says(&own.node) {
		return false, false
	}
	loss = n.lacks(&own.node)
	own.node = n
	own.encode(n.Leaves)
	d.stale = true
	return true, loss
}

// Renew makes a new version of the own advertisement that says the same.
func (d *Database) Renew() { d.raise(1) }

func (d *Database) raise(by uint64) {
	own := d.records[d.self]
	own.node.Version += by
	own.encode(own.node.Leaves)
}

// News is what an advertisement that came in turned out to be.
type News uint8

// The kinds of news.
const (
	// Known: nothing is to be done.
	Known News = iota
	// Newer: it is to be passed on to all neighbours but the one that it came from.
	Newer
	// Less is Newer, and takes a link or a leaf away: it must not overtake messages.
	Less
	// Older: the one who sent it is to be told what is known here.
	Older
	// Ahead: an earlier life of this node said it. The own advertisement has risen above it and is to be sent to all neighbours. The
	// numbers of the own messages must go on above its version.
	Ahead
	// Refused: there are too many nodes.
	Refused
)

// Apply takes an advertisement that a neighbour sent; raw are its bytes, which are kept.
func (d *Database) Apply(from ID, ls *wire.LinkState, raw []byte) News {
	if ls.Node == d.self {
		return d.applyOwn(ls)
	}
	old := d.records[ls.Node]
	switch {
	case old == nil:
		if len(d.records) >= maxNodes || d.bytes+len(raw) > maxBytes {
			return Refused
		}
		d.heard(from, ls)
	case ls.Version < old.node.Version:
		return Older
	case ls.Version == old.node.Version:
		if d.heard(from, ls); old.since.IsZero() || old.again {
			return Known
		}
		// Others behind us may have forgotten the node already: it may be about to come back.
		old.again = true
		return Newer
	default:
		if d.bytes+len(raw)-len(old.raw) > maxBytes {
			return Refused
		}
		d.heard(from, ls)
		d.bytes -= len(old.raw)
	}
	r := &record{node: nodeOf(ls), raw: raw}
	d.bytes += len(raw)
	d.records[ls.Node] = r
	if old == nil {
		d.stale = true
		return Newer
	}
	r.since, r.again = old.since, old.again
	for id := range old.met {
		if r.node.linked(id) {
			r.meet(id)
		}
	}
	if r.node.says(&old.node) {
		return Newer
	}
	d.stale = true
	if r.node.lacks(&old.node) {
		return Less
	}
	return Newer
}

func (d *Database) applyOwn(ls *wire.LinkState) News {
	switch own := d.Version(); {
	case ls.Version > own:
		d.raise(ls.Version - own + versionJump)
		return Ahead
	case ls.Version < own:
		return Older
	}
	return Known
}

// heard notes that a neighbour knows of the connection.
func (d *Database) heard(from ID, ls *wire.LinkState) {
	if l := d.peers[from]; l != nil && !l.heard && ls.Node == from && slices.Contains(ls.Neighbours, d.self) {
		l.heard, d.stale = true, true
	}
}

// Advertisement answers the bytes of a node's newest advertisement, nil if there is none.
func (d *Database) Advertisement(node ID) []byte {
	if r := d.records[node]; r != nil {
		return r.raw
	}
	return nil
}

// All names every node of which there is an advertisement, this one last: whoever is told in this order knows what is behind this
// node before it learns that the connection to it stands.
func (d *Database) All() []ID {
	var all []ID
	for id := range d.records {
		if id != d.self {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, ID.Compare)
	return append(all, d.self)
}

// Expire forgets what has been unreachable for long.
func (d *Database) Expire(now time.Time) {
	for id, r := range d.records {
		if !r.since.IsZero() && now.Sub(r.since) >= ForgetAfter {
			d.bytes -= len(r.raw)
			delete(d.records, id)
			d.stale = true
		}
	}
	for id, k := range d.kept {
		if now.Sub(k.since) >= ForgetAfter {
			delete(d.kept, id)
			d.stale = true
		}
	}
}

// Stale tells whether something has changed since the last View.
func (d *Database) Stale() bool { return d.stale }
