// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// addLocal adds the consumers of this endpoint. Internal topics have their own.
func (s *snapshot) addLocal(rt *route, name []byte) {
	rt.subs = s.local.AppendMatches(nil, name)
	if topic.IsInternal(name) {
		rt.subs = slices.DeleteFunc(rt.subs, func(sub *Subscriber) bool {
			return !sub.internal && (sub.flow == nil || sub.flow.topic != string(name))
		})
		rt.subs = slices.Compact(rt.subs)
	}
	rt.stores = s.stores.AppendMatches(nil, name)
}

// mayGet tells whether a peer may be sent messages of a topic: foreign ones don't know internal topics.
func (p *peer) mayGet(name []byte) bool { return p.class() != ClassForeign || !topic.IsInternal(name) }

// add adds a peer: a leaf that takes stamps gets them if the message has one.
func (rt *route) add(p *peer, stamped bool) {
	if stamped && p.is.Load().takes {
		rt.stamped = append(rt.stamped, p)
	} else {
		rt.peers = append(rt.peers, p)
	}
}

// addPeers adds the peers that get messages of this endpoint, or of a peer that sent them without a stamp.
func (s *snapshot) addPeers(rt *route, name []byte, from *peer) {
	if len(name) == 0 { // older versions close the connection on an empty topic
		return
	}
	var few [8]*peer
	for _, p := range s.remote.AppendMatches(few[:0], name) {
		if p != from && (from == nil || mayForward(s.mode, from.class(), p.class())) && s.falls(from, p) {
			rt.add(p, from == nil || from.class() != ClassNode)
		}
	}
	if s.view != nil && s.entersHere(from) {
		s.addChildren(rt, name, s.view.Tree(s.self))
	}
}

// falls tells whether it falls to this endpoint to pass what a peer (nil: the endpoint itself) sent on to another: where both are
// attached to several nodes, or the mesh delivers, it may be somebody else who does. Nodes of the mesh are reached along trees.
func (s *snapshot) falls(from, to *peer) bool {
	switch {
	case s.view == nil:
		return true
	case to.is.Load().mesh:
		return false
	case to.class() == ClassNode:
		return from == nil || s.isJoint(from, to)
	case from != nil && from.class() == ClassNode:
		return s.isJoint(from, to)
	}
	exit, _ := s.view.Exit(to.Peer)
	return exit == s.self && s.entersHere(from)
}

func (s *snapshot) isJoint(a, b *peer) bool {
	joint, ok := s.view.Joint(a.Peer, b.Peer)
	return !ok || joint == s.self
}

// entersHere tells whether the messages of a leaf come into the mesh at this node. Those of a node that takes no part in the mesh don't
// come into it; the own ones (nil) always do.
func (s *snapshot) entersHere(from *peer) bool {
	if from == nil {
		return true
	}
	entry, ok := s.view.Exit(from.Peer)
	return from.class() != ClassNode && (!ok || entry == s.self)
}

func (s *snapshot) addChildren(rt *route, name []byte, tree *mesh.Tree) {
	for _, id := range s.view.AppendChildren(nil, tree, name) {
		if p := s.peers[id]; p != nil && p.is.Load().mesh {
			rt.stamped = append(rt.stamped, p)
		}
	}
}

// find computes the route of a topic that a peer sent without a stamp.
func (s *snapshot) find(name []byte, from *peer) *route {
	rt := &route{topic: string(name)}
	s.addPeers(rt, name, from)
	if s.view == nil || from.class() == ClassNode || s.entersHere(from) {
		s.addLocal(rt, name)
	} else if rt.others() == 0 {
		rt.drop = DropEntry
	}
	return rt
}

// findStamped computes the route of a topic of an origin that comes along a tree, nil for a leaf of the mesh.
func (s *snapshot) findStamped(name []byte, tree *mesh.Tree, origin data.EndpointID) *route {
	rt := &route{topic: string(name)}
	s.addLocal(rt, name)
	if tree == nil || s.view == nil || len(name) == 0 {
		return rt
	}
	s.addChildren(rt, name, tree)
	var few [8]*peer
	for _, p := range s.remote.AppendMatches(few[:0], name) {
		if p.class() == ClassNode || p.Peer == origin || s.view.Apart(origin, p.Peer) {
			continue
		}
		if exit, _ := s.view.Exit(p.Peer); exit == s.self {
			rt.add(p, true)
		}
	}
	return rt
}

// toSelf is the route of a message that is addressed to this endpoint.
func (s *snapshot) toSelf(name []byte) *route {
	rt := &route{topic: string(name)}
	s.addLocal(rt, name)
	return rt
}

var noWay = route{drop: DropNoPath}

// findDirect computes the route of a message to one endpoint that a peer sent without a stamp. A direct peer gets it from any node;
// what a leaf sends to others goes through the mesh.
func (s *snapshot) findDirect(name []byte, from *peer, to data.EndpointID) *route {
	switch {
	case to == s.self:
		return s.toSelf(name)
	case len(name) == 0 || to == from.Peer:
		return &noWay
	}
	if p := s.peers[to]; s.view == nil || from.class() == ClassNode {
		if p == nil || p.is.Load().mesh || !mayForward(s.mode, from.class(), p.class()) || !p.mayGet(name) {
			return &noWay
		}
		return &route{topic: string(name), peers: []*peer{p}}
	}
	p, stamped := s.wayTo(to)
	if p == nil || s.view.Apart(from.Peer, to) || p.Peer == to && !p.mayGet(name) {
		return &noWay
	}
	rt := &route{topic: string(name)}
	rt.add(p, stamped)
	return rt
}

// findStampedDirect computes the route of a message to one endpoint that comes along a tree.
func (s *snapshot) findStampedDirect(name []byte, tree *mesh.Tree, origin, to data.EndpointID) *route {
	if to == s.self {
		return s.toSelf(name)
	}
	if tree == nil || s.view == nil || len(name) == 0 || s.view.Apart(origin, to) {
		return &noWay
	}
	hop, ok := s.view.NextHop(tree, to)
	if hop == s.self {
		hop = to
	}
	p := s.peers[hop]
	if !ok || p == nil || hop == to && !p.mayGet(name) {
		return &noWay
	}
	rt := &route{topic: string(name)}
	rt.add(p, true)
	return rt
}

// wayTo is whom a message to one endpoint goes to that this endpoint sends or lets in, and whether with a stamp; nil if there is no way.
func (s *snapshot) wayTo(id data.EndpointID) (p *peer, stamped bool) {
	p = s.peers[id]
	if s.view == nil {
		if p == nil {
			p = s.someNode()
		}
		return p, false
	}
	if p != nil && !p.is.Load().mesh {
		// Stamped messages reach a leaf through its exit only, so that their numbers rise.
		exit, _ := s.view.Exit(id)
		return p, exit == s.self && p.is.Load().takes
	}
	hop, ok := s.view.NextHop(s.view.Tree(s.self), id)
	if !ok {
		return nil, false
	}
	return s.peers[hop], true
}

// someNode is the node that a leaf asks to pass on what goes to an endpoint that is no peer: the same one that lets its messages in.
func (s *snapshot) someNode() (node *peer) {
	if s.mode != ForwardNone {
		return nil
	}
	for _, p := range s.peers {
		if p.is.Load().sends && (node == nil || p.Peer.Compare(node.Peer) < 0) {
			node = p
		}
	}
	return node
}
