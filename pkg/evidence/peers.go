// SPDX-License-Identifier: Apache-2.0

package evidence

import "github.com/brokermesh/brokermesh/pkg/statusapi"

// peers finds what a pod says of its connections: each link asks for one, and a pod may have thousands. Of several that fit, the first counts.
type peers struct {
	peered map[string]*statusapi.Peer    // by endpoint ID, of those that are connected
	uris   map[string]*statusapi.Peer    // by URI, of those that are connected
	named  map[[2]string]*statusapi.Peer // of those that the pod dials
	any    map[string]*statusapi.Peer    // of those that the pod dials, by peering: one that is connected, else any
}

// peersOf is made when a pod is first asked about, and kept for the judgement.
func (j *judge) peersOf(pod string, s sight) *peers {
	if known := j.peers[pod]; known != nil {
		return known
	}
	p := &peers{
		peered: make(map[string]*statusapi.Peer, len(s.status.Peers)), uris: make(map[string]*statusapi.Peer, len(s.status.Peers)),
		named: make(map[[2]string]*statusapi.Peer, len(s.status.Peers)), any: make(map[string]*statusapi.Peer),
	}
	for i := range s.status.Peers {
		e := &s.status.Peers[i]
		if e.State == statusapi.PeerPeered {
			first(p.peered, e.EndpointID, e)
			first(p.uris, e.URI, e)
		}
		if !e.Dialed {
			continue // a node may recognize who comes to it for the same peering
		}
		if e.State == statusapi.PeerPeered {
			if was := p.any[e.Peering]; was != nil && was.State != statusapi.PeerPeered {
				p.any[e.Peering] = e
			}
		}
		first(p.named, [2]string{e.Peering, e.Address}, e)
		first(p.any, e.Peering, e)
	}
	j.peers[pod] = p
	return p
}

func first[K comparable](m map[K]*statusapi.Peer, key K, e *statusapi.Peer) {
	if m[key] == nil {
		m[key] = e
	}
}
