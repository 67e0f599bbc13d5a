// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

func TestGuestbook(t *testing.T) {
	c := config("b")
	c.Accept = []nodeconfig.Accept{
		{Name: "named", Node: "zeek", Source: "10.0.0.1"},
		{Name: "other", Subject: "CN=probe, O=Example", Source: "10.0.0.2"},
		{Name: "sixth", Source: "2001:db8::1"},
		{Name: "tap", Source: "tap.example.org", Queues: nodeconfig.PeerQueues{PeerMessages: 5}},
		{Name: "twin", Source: "10.0.0.1"},
	}
	g := newGuestbook(c)
	g.resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "tap.example.org" {
			t.Errorf("%s is resolved", host)
		}
		return []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.7")}, nil
	}
	zeek := meshtls.NodeURI("default", "zeek")
	for _, test := range []struct {
		why  string
		who  broker.Arrival
		want string
	}{
		{"by its name, wherever it comes from", broker.Arrival{URI: zeek, Subject: "CN=zeek", Address: "10.9.9.9:1"}, "named"},
		{"another node of the mesh", broker.Arrival{URI: meshtls.NodeURI("default", "a"), Address: "10.0.0.1:1"}, ""},
		{"of another mesh", broker.Arrival{URI: meshtls.NodeURI("far", "zeek"), Address: "10.0.0.1:1"}, ""},
		{"people's tools", broker.Arrival{URI: meshtls.ClientURI("default"), Address: "10.0.0.1:1"}, ""},
		{"by its subject", broker.Arrival{Subject: "CN=probe,O=Example", Address: "10.9.9.9:1"}, "other"},
		{"written the other way round", broker.Arrival{Subject: "O=Example,CN=probe", Address: "10.9.9.9:1"}, "other"},
		{"another subject than wanted there", broker.Arrival{Subject: "CN=probe", Address: "10.0.0.2:1"}, ""},
		{"no certificate", broker.Arrival{Address: "10.0.0.2:1"}, "other"},
		{"some certificate, no subject wanted", broker.Arrival{Subject: "CN=probe", Address: "10.0.0.1:1"}, "named"},
		{"IPv4 in IPv6", broker.Arrival{Address: "[::ffff:10.0.0.1]:1"}, "named"},
		{"IPv6", broker.Arrival{Address: "[2001:DB8::1%eth0]:1"}, "sixth"},
		{"a name's address", broker.Arrival{Address: "10.0.0.7:1"}, "tap"},
		{"nobody", broker.Arrival{Address: "10.0.0.8:1"}, ""},
		{"no address at all", broker.Arrival{Address: "local"}, ""},
	} {
		if got := g.recognize(t.Context(), test.who); got.Name != test.want || (got.Queue != nil) != (test.want == "tap") {
			t.Errorf("%s: %+v, want %q", test.why, got, test.want)
		}
	}
	if g.missed.Load() {
		t.Error("somebody counts as missed, although every name was resolved")
	}
}

// TestGuestMissed: whom a name that can't be resolved hides is looked at again.
func TestGuestMissed(t *testing.T) {
	c := config("b")
	c.Accept = []nodeconfig.Accept{{Name: "tap", Source: "tap.example.org"}}
	g := newGuestbook(c)
	calls := 0
	g.resolve = func(context.Context, string) ([]netip.Addr, error) {
		calls++
		return nil, errors.New("no such host")
	}
	for range 2 {
		if got := g.recognize(t.Context(), broker.Arrival{Address: "10.0.0.7:1"}); got.Name != "" || !g.missed.Load() {
			t.Errorf("got %+v, missed: %v", got, g.missed.Load())
		}
	}
	if calls != 1 {
		t.Errorf("the name was looked up %d times", calls)
	}
}

func TestSameSubject(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"CN=zeek", "cn = zeek", true}, {"CN=a,O=b,C=c", "C = c, O = b, CN = a", true}, {`CN=a\,b`, `CN=a\,b`, true},
		{"CN=zeek", "CN=Zeek", false}, {"CN=a,O=b", "CN=a", false}, {`CN=a\,O=b`, "CN=a,O=b", false}, {"CN=a,O=b,C=c", "O=b,CN=a,C=c", false},
		{"zeek", "CN=zeek", false}, {"", "CN=", false},
	} {
		if got := sameSubject(test.a, test.b); got != test.want || sameSubject(test.b, test.a) != test.want {
			t.Errorf("%q and %q: %v", test.a, test.b, got)
		}
	}
}

// recognized awaits that the only peer is of a peering, and answers it.
func recognized(t *testing.T, n *Node, peering, policy string) statusapi.Peer {
	t.Helper()
	return await(t, n, "a peer of "+peering, func(s statusapi.Status) bool {
		return peered(s) && s.Peers[0].Peering == peering && s.Peers[0].DropPolicy == policy
	}).Peers[0]
}

// TestAccept: a node knows who connects to it, by the certificate and by the source, and follows the config while they are connected.
func TestAccept(t *testing.T) {
	nodes, _ := certified(t, "b", "zeek")
	b, zeek := nodes[0], nodes[1]
	cb := secured("b", nodeconfig.TLSMesh)
	cb.Accept = []nodeconfig.Accept{{Name: "zeek-b", Node: "zeek", Queues: nodeconfig.PeerQueues{PeerOverflow: nodeconfig.OverflowDropNewest}}}
	apply(t, b, cb)
	cz := secured("zeek", nodeconfig.TLSMesh, nodeconfig.Peer{Name: "up", Address: port(t, b, "broker"), Node: "b", Pod: "b-0"})
	cz.Peers[0].Queues.PeerOverflow = nodeconfig.OverflowDropOldest
	apply(t, zeek, cz)
	p := recognized(t, b, "zeek-b", "DropNewest")
	if p.Dialed || p.Subject != "CN=zeek" || p.URI != meshtls.NodeURI("default", "zeek") {
		t.Errorf("%+v", p)
	}
	up := recognized(t, zeek, "up", "DropOldest")

	// Everything of it changes while the connection stands.
	cb.Accept[0] = nodeconfig.Accept{Name: "probe", Subject: "CN=zeek"}
	apply(t, b, cb)
	if now := recognized(t, b, "", "Disconnect"); !now.Since.Equal(p.Since) {
		t.Error("the connection is another one")
	}
	cb.Accept[0] = nodeconfig.Accept{Name: "again", Node: "zeek"}
	apply(t, b, cb)
	recognized(t, b, "again", "Disconnect")
	cz.Peers[0].Queues = nodeconfig.PeerQueues{}
	apply(t, zeek, cz)
	if now := recognized(t, zeek, "up", "Disconnect"); !now.Since.Equal(up.Since) {
		t.Error("the dialed connection is another one")
	}
	cb.Accept = nil
	apply(t, b, cb)
	recognized(t, b, "", "Disconnect")

	// Who has no certificate is told by the source.
	door, guest := newNode(t, ""), newNode(t, "")
	cd := config("door")
	cd.Accept = []nodeconfig.Accept{{Name: "guest-door", Node: "guest", Source: "127.0.0.1"}}
	apply(t, door, cd)
	cg := config("guest")
	cg.Peers = []nodeconfig.Peer{{Name: "x", Address: port(t, door, "broker")}}
	apply(t, guest, cg)
	recognized(t, door, "guest-door", "Disconnect")
	for _, n := range []*Node{guest, door} {
		closeNode(t, n)
	}
}
