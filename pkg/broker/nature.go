// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// nature is what a peer is, as it has announced.
type nature struct {
	class PeerClass
	// mesh: the connection is a link of the mesh; both ends are nodes that route through it.
	mesh bool
	// takes: the peer understands stamped messages of this endpoint; sends: it may send some.
	takes, sends bool
	// counts: both ends understand pings that say how much was received.
	counts bool
	// known: it has announced itself.
	known bool
}

var foreign = nature{class: ClassForeign}

// natureOf is a peer with some features to an endpoint with some.
func natureOf(own, peer uint64) *nature {
	n := &nature{class: ClassClient, known: true}
	if peer&wire.FeatureNode != 0 {
		n.class = ClassNode
	}
	n.mesh = own&peer&wire.FeatureMesh != 0
	n.takes = own&wire.FeatureMesh != 0 && peer&wire.FeatureStamps != 0
	n.sends = peer&wire.FeatureMesh != 0 && own&wire.FeatureStamps != 0
	n.counts = own&peer&wire.FeatureCounts != 0
	return n
}

// outside tells whether the connection keeps to what C++ Broker knows.
func (p *peer) outside() bool { return p.e.opt.PlainProtocol || p.e.opt.ForeignGuests && p.guest() }

// guest tells whether the peer came in without a proof of who it is.
func (p *peer) guest() bool {
	return !p.dialed && (p.Security == "none" || strings.HasPrefix(p.Security, "anonymous"))
}

func (p *peer) class() PeerClass { return p.is.Load().class }

// leafClass is the class under which the peer, which is no node of the mesh, is advertised.
func (n *nature) leafClass() uint8 {
	switch n.class {
	case ClassNode:
		return wire.LeafNode
	case ClassClient:
		return wire.LeafClient
	}
	return wire.LeafForeign
}
