// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// maxCachedTopics bounds each cache of routes, and each of the two generations of own ones.
const maxCachedTopics = 4096

// snapshot is where messages go at one moment. It is immutable but for the cache of the own routes.
type snapshot struct {
	self data.EndpointID
	mode ForwardMode
	ttl  uint16 // of own messages
	// view is the mesh that the endpoint is a node of, if it is.
	view       *mesh.View
	stampedTTL uint16
	closed     bool
	peers      map[data.EndpointID]*peer
	remote     *topic.Table[*peer]
	local      *topic.Table[*Subscriber]
	stores     *topic.Table[*attachment]
	// greeting is the own filter as handshakes send it: to a peer whose class is not known yet.
	greeting []string
	mailbox  *mailbox

	last  atomic.Pointer[ownRoute]
	cache struct {
		sync.RWMutex
		routes ownRoutes
	}
}

// ownRoutes are the routes of the topics that were published last. When there are enough of them they become the older generation, and
// those that are still used come back from there, so that topics in use survive others that come once.
type ownRoutes struct{ young, old map[string]*ownRoute }

// add makes a route one of the young ones.
func (r *ownRoutes) add(o *ownRoute) {
	if len(r.young) >= maxCachedTopics {
		r.old, r.young = r.young, r.old
		clear(r.young)
	}
	if r.young == nil {
		r.young = make(map[string]*ownRoute)
	}
	r.young[o.topic] = o
}

// route is where a topic of one source goes.
type route struct {
	topic   string
	peers   []*peer // without a stamp
	stamped []*peer // with one
	subs    []*Subscriber
	stores  []*attachment
	// drop, if not zero, is why the message goes nowhere. (The zero cause, DropPeerQueue, is none here.)
	drop DropCause
}

// others is the number of peers that a message goes to.
func (r *route) others() int { return len(r.peers) + len(r.stamped) }

// ownRoute is where a topic goes when this endpoint publishes, with the envelopes up to the stamp or payload and without the length.
type ownRoute struct {
	route                       // subs are all local consumers of the topic
	hubs          []*Subscriber // those of them that see what the endpoint publishes
	data, command []byte
	// The same with a stamp behind it, whose number is still missing.
	stampedData, stampedCommand []byte
}

// mayForward tells whether messages of one peer go to another under a forwarding mode.
func mayForward(mode ForwardMode, from, to PeerClass) bool {
	switch mode {
	case ForwardAll:
		return true
	case ForwardNone:
		return false
	}
	switch from {
	case ClassNode:
		return to != ClassNode
	case ClassForeign:
		return to != ClassForeign
	default:
		return true
	}
}

// own answers the route of a topic that this endpoint publishes.
func (s *snapshot) own(name string) (*ownRoute, error) {
	if o := s.last.Load(); o != nil && o.topic == name {
		return o, nil
	}
	s.cache.RLock()
	o := s.cache.routes.young[name]
	if o != nil {
		s.cache.RUnlock()
		s.last.Store(o)
		return o, nil
	}
	o = s.cache.routes.old[name]
	s.cache.RUnlock()
	if o == nil {
		if err := checkTopic(name); err != nil {
			return nil, err
		}
		o = s.makeOwn(name)
	}
	s.cache.Lock()
	s.cache.routes.add(o)
	s.cache.Unlock()
	s.last.Store(o)
	return o, nil
}

func (s *snapshot) makeOwn(name string) *ownRoute {
	b := []byte(name)
	o := &ownRoute{route: route{topic: string(b)}}
	s.addLocal(&o.route, b)
	s.addPeers(&o.route, b, nil)
	for _, sub := range o.subs {
		if sub.hub {
			o.hubs = append(o.hubs, sub)
		}
	}
	block := make([]byte, 0, 4*(wire.FrameHeader+wire.HeaderSize+len(b)+ownStamp))
	next := func(head []byte) []byte {
		block = block[:len(block)+wire.FrameHeader+len(head)]
		return slices.Clip(head)
	}
	o.data = next(s.header(block, wire.TypeData, data.EndpointID{}, b))
	o.command = next(s.header(block, wire.TypeCommand, data.EndpointID{}, b))
	o.stampedData = next(s.stampedHead(block, wire.TypeStampedData, data.EndpointID{}, b))
	o.stampedCommand = next(s.stampedHead(block, wire.TypeStampedCommand, data.EndpointID{}, b))
	slices.SortFunc(o.stamped, func(a, b *peer) int { return a.Peer.Compare(b.Peer) })
	return o
}

// ownStamp is the size of the stamp of an own message without a time.
const ownStamp = 10

// header is an envelope of this endpoint without length and payload, in the room behind a block. The topic is not too long.
func (s *snapshot) header(block []byte, t wire.Type, receiver data.EndpointID, name []byte) []byte {
	e := wire.Envelope{Sender: s.self, Receiver: receiver, Type: t, TTL: s.ttl, Topic: name}
	if t >= wire.TypeStampedData {
		e.TTL = s.stampedTTL
	}
	b, _ := wire.AppendHeader(block, &e, 0)
	return b[len(block)+wire.FrameHeader:]
}

// stampedHead is header with the stamp of a message of this endpoint, whose number is still missing.
func (s *snapshot) stampedHead(block []byte, t wire.Type, receiver data.EndpointID, name []byte) []byte {
	return wire.AppendOwn(s.header(block, t, receiver, name), 0)
}
