// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// certified makes TLS of one authority for two nodes of the mesh test, with the second one's URI.
func certified(t *testing.T) (one, two *peering.TLS, uri string) {
	t.Helper()
	a, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	of := func(r pki.Request) *peering.TLS {
		leaf, err := a.Issue(rand.Reader, time.Now(), r)
		if err != nil {
			t.Fatal(err)
		}
		return &peering.TLS{CertPEM: leaf.Cert, KeyPEM: leaf.Key, CAPEM: a.CertPEM()}
	}
	second := pki.NodeRequest("test", "two")
	return of(pki.NodeRequest("test", "one")), of(second), second.URI
}

// TestSecurityOfADial has one endpoint that listens in the clear, and dials one listener with TLS and another without.
func TestSecurityOfADial(t *testing.T) {
	one, two, uri := certified(t)
	plain, secured, door := endpoint(t, Options{}), endpoint(t, Options{TLS: two}), endpoint(t, Options{})
	if _, err := door.Peer(within(t), listening(t, secured), PeerOptions{Security: &Security{TLS: one}, ServerURI: uri}); err != nil {
		t.Fatal(err)
	}
	if _, err := door.Peer(within(t), listening(t, plain), PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	// The other way round: an endpoint with certificates dials in the clear.
	if _, err := secured.Peer(within(t), listening(t, plain), PeerOptions{Security: &Security{}}); err != nil {
		t.Fatal(err)
	}
	for _, p := range door.Peers() {
		want := map[data.EndpointID][2]string{plain.ID(): {"none", ""}, secured.ID(): {"TLS 1.3", uri}}[p.ID]
		if p.Security != want[0] || p.URI != want[1] {
			t.Errorf("%+v, want %v", p, want)
		}
	}
	_, err := door.Peer(within(t), "127.0.0.1:1", PeerOptions{Security: &Security{TLS: &peering.TLS{}}})
	if err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("TLS that can't be used: %v", err)
	}
}

// TestBorrowedID: who has come in without a certificate under the ID of a peer makes way for the peer itself.
func TestBorrowedID(t *testing.T) {
	one, two, uri := certified(t)
	door, genuine := endpoint(t, Options{}), endpoint(t, Options{TLS: two})
	impostor := endpoint(t, Options{ID: genuine.ID()})
	if _, err := impostor.Peer(within(t), listening(t, door), PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := door.AwaitPeer(within(t), genuine.ID()); err != nil {
		t.Fatal(err)
	}
	if err := door.PeerAsync(listening(t, genuine), PeerOptions{Security: &Security{TLS: one}, ServerURI: uri, Retry: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	until(t, door, "the genuine peer", func() bool {
		for _, p := range door.Peers() {
			if p.ID == genuine.ID() && p.State == Peered && p.URI == uri {
				return true
			}
		}
		return false
	})
	if _, err := impostor.Peer(within(t), listening(t, door), PeerOptions{}); err == nil {
		t.Error("the impostor is let in again")
	}
}

// TestForeignGuests: who comes in without a certificate is a foreign endpoint, whatever it announces; who is dialed, or proves its name,
// is what it says.
func TestForeignGuests(t *testing.T) {
	one, two, _ := certified(t)
	for name, c := range map[string]struct {
		door, guest *peering.TLS
		want        PeerClass
	}{
		"plain": {nil, nil, ClassForeign}, "anonymous": {&peering.TLS{Anonymous: true}, &peering.TLS{Anonymous: true}, ClassForeign}, "certificate": {one, two, ClassNode},
	} {
		t.Run(name, func(t *testing.T) {
			door, guest, inside := endpoint(t, Options{TLS: c.door, ForeignGuests: true}), endpoint(t, Options{TLS: c.guest}), endpoint(t, Options{})
			if _, err := door.Peer(within(t), listening(t, inside), PeerOptions{Security: &Security{}}); err != nil {
				t.Fatal(err)
			}
			connect(t, guest, door)
			classes := make(map[data.EndpointID]PeerClass)
			for _, p := range door.Peers() {
				classes[p.ID] = p.Class
			}
			if classes[guest.ID()] != c.want || classes[inside.ID()] != ClassNode {
				t.Errorf("classes %v, want %v for %v", classes, c.want, guest.ID())
			}
			if p := guest.Peers(); p[0].Class != c.want {
				t.Errorf("the door is %v to its guest", p[0].Class)
			}
			for _, node := range door.MeshView().Nodes {
				if node.ID == guest.ID() && c.want == ClassForeign {
					t.Error("the guest is a node of the mesh")
				}
			}
			sub := subscribe(t, inside, "x")
			for range 2 { // the wish travels over two hops
				for _, e := range []*Endpoint{inside, door, guest} {
					if err := e.syncPeers(within(t)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := guest.Publish("x", data.Count(1)); err != nil {
				t.Fatal(err)
			}
			if m := get(t, sub); m.Topic != "x" {
				t.Errorf("%v", m)
			}
		})
	}
}
