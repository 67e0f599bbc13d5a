// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// journal is a log that tests read.
type journal struct {
	mu struct {
		sync.Mutex
		text strings.Builder
	}
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.text.String()
}

// certified makes nodes with certificates of one authority, on free ports.
func certified(t *testing.T, names ...string) (nodes []*Node, log *journal) {
	t.Helper()
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	log = new(journal)
	for _, name := range names {
		leaf, err := authority.Issue(rand.Reader, time.Now(), pki.NodeRequest("default", name))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for file, content := range map[string][]byte{meshtls.CAFile: authority.CertPEM(), meshtls.CertFile: leaf.Cert, meshtls.KeyFile: leaf.Key} {
			if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		n := New(Options{TLSDir: dir, ListenHost: "127.0.0.1", EphemeralPorts: true, Logger: slog.New(slog.NewTextHandler(log, nil))})
		t.Cleanup(func() { closeNode(t, n) })
		nodes = append(nodes, n)
	}
	return nodes, log
}

func secured(name, mode string, peers ...nodeconfig.Peer) nodeconfig.Config {
	c := config(name)
	c.TLS, c.Peers = mode, peers
	return c
}

// outsider is an endpoint without certificates.
func outsider(t *testing.T, security *peering.TLS) *broker.Endpoint {
	t.Helper()
	e, err := broker.New(broker.Options{TLS: security})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		e.Close(ctx)
	})
	return e
}

// TestDoor has a node that lets in who has no certificate, and dials the rest of the mesh with its own.
func TestDoor(t *testing.T) {
	for mode, security := range map[string]*peering.TLS{nodeconfig.TLSAnonymous: {Anonymous: true}, nodeconfig.TLSDisabled: nil} {
		t.Run(mode, func(t *testing.T) {
			nodes, log := certified(t, "core", "door")
			core, door := nodes[0], nodes[1]
			cc := secured("core", nodeconfig.TLSMesh)
			cc.Subscriptions = []string{"zeek/"}
			apply(t, core, cc)
			apply(t, door, secured("door", mode, nodeconfig.Peer{Name: "door-core", Address: port(t, core, "broker"), Node: "core", Pod: "core-0", TLS: nodeconfig.TLSMesh}))
			s := await(t, door, "peered", peered)
			if got, want := s.Peers[0].URI, meshtls.NodeURI("default", "core"); got != want {
				t.Errorf("the core's name is %q, want %q", got, want)
			}
			s = await(t, core, "peered", peered)
			if got, want := s.Peers[0].URI, meshtls.NodeURI("default", "door"); got != want {
				t.Errorf("the door's name is %q, want %q", got, want)
			}
			if !door.mu.engine.endpoint.MeshView().Reaches(core.mu.engine.endpoint.ID()) {
				t.Error("the door takes no part in the mesh")
			}
			zeek := outsider(t, security)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := zeek.Peer(ctx, port(t, core, "broker"), broker.PeerOptions{}); err == nil {
				t.Error("the core lets in who has no certificate")
			}
			if _, err := zeek.Peer(ctx, port(t, door, "broker"), broker.PeerOptions{}); err != nil {
				t.Fatal(err)
			}
			sub, err := core.mu.engine.endpoint.Subscribe([]string{"zeek/"}, broker.QueueLimit{})
			if err != nil {
				t.Fatal(err)
			}
			if err := zeek.Publish("zeek/x", data.Count(7)); err != nil {
				t.Fatal(err)
			}
			if m, err := sub.Get(ctx); err != nil || m.Topic != "zeek/x" {
				t.Errorf("%v, %v", m, err)
			}
			for _, p := range door.mu.engine.endpoint.Peers() {
				if want := map[bool]broker.PeerClass{true: broker.ClassForeign, false: broker.ClassNode}[p.ID == zeek.ID()]; p.Class != want {
					t.Errorf("%v is %v", p.ID, p.Class)
				}
			}
			if want := "nobody is authenticated"; strings.Count(log.String(), want) != 1 || !strings.Contains(log.String(), "tls="+mode) {
				t.Errorf("the log says %q not once:\n%s", want, log)
			}
		})
	}
}

// TestAnonymousNodeKeepsWebSocketCertificates: only the native port is anonymous.
func TestAnonymousNodeKeepsWebSocketCertificates(t *testing.T) {
	nodes, _ := certified(t, "door")
	c := secured("door", nodeconfig.TLSAnonymous)
	c.WebSocketPort = 9997
	apply(t, nodes[0], c)
	conn, err := tls.Dial("tcp", port(t, nodes[0], "websocket"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := meshtls.URIs(conn.ConnectionState()); len(got) != 1 || got[0] != meshtls.NodeURI("default", "door") {
		t.Errorf("the port's certificate is for %q", got)
	}
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without a certificate: %v", err)
	}
}

func TestNoCertificates(t *testing.T) {
	n := newNode(t, "")
	c := config("a")
	apply(t, n, c)
	before := n.Status()
	c.Peers = []nodeconfig.Peer{{Name: "p", Address: "127.0.0.1:1", TLS: nodeconfig.TLSMesh}}
	if err := n.Apply(t.Context(), c); err == nil || !strings.Contains(err.Error(), "was given none") {
		t.Errorf("dialing with certificates that aren't there: %v", err)
	}
	if s := n.Status(); s.ConfigHash != before.ConfigHash || len(s.Peers) != 0 {
		t.Errorf("changed: %+v", s)
	}
	// An anonymous node needs none, unless it has a WebSocket port.
	free := newNode(t, "")
	apply(t, free, secured("b", nodeconfig.TLSAnonymous))
	other := newNode(t, "")
	c = secured("c", nodeconfig.TLSAnonymous)
	c.WebSocketPort = 1
	if err := other.Apply(t.Context(), c); err == nil || !strings.Contains(err.Error(), "was given none") {
		t.Errorf("a WebSocket port without certificates: %v", err)
	}
}

// TestDialingChangesLive: another protection is another connection.
func TestDialingChangesLive(t *testing.T) {
	nodes, _ := certified(t, "a", "b")
	a, b := nodes[0], nodes[1]
	apply(t, b, secured("b", nodeconfig.TLSAnonymous))
	peer := nodeconfig.Peer{Name: "a-b", Address: port(t, b, "broker"), Node: "b", Pod: "b-0"}
	apply(t, a, secured("a", nodeconfig.TLSMesh, peer))
	await(t, a, "refused", func(s statusapi.Status) bool {
		return len(s.Peers) == 1 && s.Peers[0].Error == string(broker.PeerTLSFailed)
	})
	peer.TLS = nodeconfig.TLSAnonymous
	apply(t, a, secured("a", nodeconfig.TLSMesh, peer))
	if s := await(t, a, "peered", peered); s.RestartNeeded != "" || s.Peers[0].URI != "" {
		t.Errorf("%+v", s)
	}
}

// TestBecomingADoor is a change of what the node is to its guests, who are connected anew.
func TestBecomingADoor(t *testing.T) {
	nodes, _ := certified(t, "core", "door")
	core, door := nodes[0], nodes[1]
	apply(t, core, secured("core", nodeconfig.TLSMesh))
	apply(t, door, secured("door", nodeconfig.TLSDisabled))
	address := port(t, door, "broker")
	guest := newNode(t, "")
	apply(t, guest, secured("guest", nodeconfig.TLSDisabled, nodeconfig.Peer{Name: "guest-door", Address: address}))
	class := func() broker.PeerClass {
		peers := guest.mu.engine.endpoint.Peers()
		if len(peers) != 1 || peers[0].State != broker.Peered {
			return broker.ClassUnknown
		}
		return peers[0].Class
	}
	await(t, guest, "peered with a node", func(statusapi.Status) bool { return class() == broker.ClassNode })
	apply(t, door, secured("door", nodeconfig.TLSDisabled, nodeconfig.Peer{Name: "door-core", Address: port(t, core, "broker"), Node: "core", Pod: "core-0", TLS: nodeconfig.TLSMesh}))
	await(t, guest, "peered with a door", func(statusapi.Status) bool { return class() == broker.ClassForeign })
	if got := port(t, door, "broker"); got != address {
		t.Errorf("the door is at %s, was at %s", got, address)
	}
}

// TestKeepDialing: while a change of tls waits for a new process, what follows it is dialed as before.
func TestKeepDialing(t *testing.T) {
	const mesh, disabled, anonymous = nodeconfig.TLSMesh, nodeconfig.TLSDisabled, nodeconfig.TLSAnonymous
	at := func(name, mode string) nodeconfig.Peer {
		return nodeconfig.Peer{Name: name, Address: name + ":1", TLS: mode}
	}
	running := secured("a", disabled, at("follows", ""), at("own", mesh), at("changes", ""), at("loses", anonymous)).WithDefaults()
	c := secured("a", mesh, at("follows", ""), at("own", mesh), at("changes", anonymous), at("loses", ""), at("new", "")).WithDefaults()
	got, restart := keepFixed(running, c)
	if restart != "tls" || got.TLS != disabled {
		t.Errorf("restart for %q, tls %s", restart, got.TLS)
	}
	want := map[string]string{"follows": disabled, "own": mesh, "changes": anonymous, "loses": anonymous, "new": mesh}
	for _, p := range got.Peers {
		if mode := got.Dials(p); mode != want[p.Name] {
			t.Errorf("%s is dialed with %s, want %s", p.Name, mode, want[p.Name])
		}
	}
	if len(got.Peers) != len(want) || c.Peers[0].TLS != anonymous {
		t.Errorf("%+v, %+v", got.Peers, c.Peers)
	}
}
