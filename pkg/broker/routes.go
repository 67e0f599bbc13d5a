// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// maxCachedTopics bounds each cache of routes.
const maxCachedTopics = 4096

// snapshot is where messages go at one moment. It is immutable but for the cache of the own routes.
type snapshot struct {
	self   data.EndpointID
	mode   ForwardMode
	ttl    uint16 // of own messages
	closed bool
	peers  map[data.EndpointID]*peer
	remote *topic.Table[*peer]
	local  *topic.Table[*Subscriber]
	stores *topic.Table[*attachment]
	// greeting is the own filter as handshakes send it: to a peer whose class is not known yet.
	greeting []string
	mailbox  *mailbox

	last  atomic.Pointer[ownRoute]
	cache struct {
		sync.RWMutex
		routes map[string]*ownRoute
	}
}

// route is where a topic of one source goes.
type route struct {
	topic  string
	peers  []*peer
	subs   []*Subscriber
	stores []*attachment
}

// ownRoute is where a topic goes when this endpoint publishes, with the envelopes up to the payload and without the length.
type ownRoute struct {
	route                       // subs are all local consumers of the topic
	hubs          []*Subscriber // those of them that see what the endpoint publishes
	data, command []byte
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

// find computes the route of a topic that a peer sent.
func (s *snapshot) find(name []byte, from *peer) *route {
	rt := &route{topic: string(name)}
	if len(name) > 0 { // older versions close the connection on an empty topic
		rt.peers = slices.DeleteFunc(s.remote.AppendMatches(nil, name), func(p *peer) bool {
			return p == from || !mayForward(s.mode, from.class, p.class)
		})
	}
	rt.subs = s.local.AppendMatches(nil, name)
	rt.stores = s.stores.AppendMatches(nil, name)
	return rt
}

// own answers the route of a topic that this endpoint publishes.
func (s *snapshot) own(name string) (*ownRoute, error) {
	if o := s.last.Load(); o != nil && o.topic == name {
		return o, nil
	}
	s.cache.RLock()
	o := s.cache.routes[name]
	s.cache.RUnlock()
	if o == nil {
		if err := checkTopic(name); err != nil {
			return nil, err
		}
		o = s.makeOwn(name)
		s.cache.Lock()
		if len(s.cache.routes) >= maxCachedTopics {
			clear(s.cache.routes)
		}
		s.cache.routes[o.topic] = o
		s.cache.Unlock()
	}
	s.last.Store(o)
	return o, nil
}

func (s *snapshot) makeOwn(name string) *ownRoute {
	b := []byte(name)
	o := &ownRoute{route: route{topic: string(b), peers: s.remote.AppendMatches(nil, b), stores: s.stores.AppendMatches(nil, b)}}
	o.subs = s.local.AppendMatches(nil, b)
	for _, sub := range o.subs {
		if sub.hub {
			o.hubs = append(o.hubs, sub)
		}
	}
	o.data = s.header(wire.TypeData, data.EndpointID{}, b)
	o.command = s.header(wire.TypeCommand, data.EndpointID{}, b)
	return o
}

// header is an envelope of this endpoint without length and payload. The topic is not too long.
func (s *snapshot) header(t wire.Type, receiver data.EndpointID, name []byte) []byte {
	e := wire.Envelope{Sender: s.self, Receiver: receiver, Type: t, TTL: s.ttl, Topic: name}
	b, _ := wire.AppendFrame(nil, &e)
	return b[wire.FrameHeader:]
}
