// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

func get(t *testing.T, n *Node, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

func TestHealth(t *testing.T) {
	n := newNode(t, "")
	expect := func(path string, want int) {
		t.Helper()
		if got, body := get(t, n, path); got != want {
			t.Errorf("%s: %d %s, want %d", path, got, body, want)
		}
	}
	expect("/healthz", http.StatusOK)
	expect("/readyz", http.StatusServiceUnavailable)
	expect("/metrics", http.StatusOK)
	expect("/other", http.StatusNotFound)
	apply(t, n, config("a"))
	expect("/readyz", http.StatusOK)
	closeNode(t, n)
	expect("/healthz", http.StatusOK)
	expect("/readyz", http.StatusServiceUnavailable)
}

func TestMetrics(t *testing.T) {
	a, b := newNode(t, ""), newNode(t, "")
	cb := config("b")
	cb.Stores = []nodeconfig.Store{master("known", nodeconfig.BackendMemory)}
	apply(t, b, cb)
	ca := config("a")
	ca.Peers = []nodeconfig.Peer{{Name: "a-b", Address: port(t, b, "broker")}}
	apply(t, a, ca)
	await(t, a, "peered", peered)
	await(t, b, "peered and serving", func(s statusapi.Status) bool {
		return peered(s) && s.Stores[0].State == statusapi.StoreServing
	})
	cloned := config("a")
	cloned.Peers = ca.Peers
	cloned.Stores = []nodeconfig.Store{{Object: "known", StoreName: "known", Role: nodeconfig.RoleClone, StaleAfterSeconds: 60}}
	apply(t, a, cloned)
	await(t, a, "a clone in sync", func(s statusapi.Status) bool { return s.Stores[0].State == statusapi.StoreSynced })
	_, body := get(t, a, "/metrics")
	for _, want := range []string{
		"broker_connections 1", `broker_store_age_seconds{name="known"} `, `broker_store_waiting_writes{name="known"} 0`,
		`broker_store_unknown_writes_total{name="known"} 0`, `broker_store_new_history{name="known"} 0`,
		`broker_processed_messages_total{type="data"} 0`,
		`broker_processed_messages_total{type="routing-update"}`,
		`broker_peer_up{peer="` + port(t, b, "broker") + `",peering="a-b"} 1`,
		`broker_peer_dropped_messages_total{`,
		`broker_peer_queued_messages{`,
		`broker_peer_flaps_total{peer="` + port(t, b, "broker") + `",peering="a-b"} 0`,
		`broker_peer_received_bytes_total{`, `broker_peer_sent_bytes_total{`, "broker_peerings_lost_total 0",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in:\n%s", want, body)
		}
	}
	_, body = get(t, b, "/metrics")
	for _, want := range []string{`broker_store_entries{name="known"} 0`, `broker_store_up{name="known",role="Master"} 1`, "broker_store_output_channels{",
		`broker_store_conflict{name="known"} 0`, `broker_store_epoch{name="known",role="Master"} 1`, `broker_store_stranded_clones{name="known"} 0`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in:\n%s", want, body)
		}
	}
}

// authority signs what the tests of this file need.
func authority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *pki.Authority, r pki.Request) pki.Leaf {
	t.Helper()
	leaf, err := a.Issue(rand.Reader, time.Now(), r)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// folder writes a certificate folder.
func folder(t *testing.T, dir string, a *pki.Authority, leaf pki.Leaf) {
	t.Helper()
	for name, content := range map[string][]byte{meshtls.CAFile: a.CertPEM(), meshtls.CertFile: leaf.Cert, meshtls.KeyFile: leaf.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestControl(t *testing.T) {
	a, dir := authority(t), t.TempDir()
	folder(t, dir, a, issue(t, a, pki.NodeRequest("default", "a")))
	n := New(Options{TLSDir: dir, ListenHost: "127.0.0.1", EphemeralPorts: true})
	t.Cleanup(func() { closeNode(t, n) })
	accepted := filepath.Join(dir, "accepted.json")

	namespace, err := Namespace(filepath.Join(dir, "absent"), dir)
	if err != nil || namespace != "default" {
		t.Fatalf("namespace %q, %v", namespace, err)
	}
	config2, err := statusapi.ServerTLS(dir, namespace)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config2)
	if err != nil {
		t.Fatal(err)
	}
	n.Announce("control", l.Addr())
	server := statusapi.NewServer(statusapi.Handler(Control{Node: n, Accepted: accepted}), config2, nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	pair, err := issue(t, a, pki.ManagerRequest("default")).TLS()
	if err != nil {
		t.Fatal(err)
	}
	client := statusapi.NewClient(l.Addr().String(), statusapi.ClientTLS(pair, a.Pool(), "default", "a"))
	t.Cleanup(client.Close)

	c := config("a")
	c.Revision = 3
	s, err := client.Push(t.Context(), c)
	if err != nil || s.ConfigHash != c.Hash() || len(s.Listeners) != 2 {
		t.Fatalf("push: %+v, %v", s, err)
	}
	if s.LeafSerial == "" || s.TrustHash == "" {
		t.Errorf("certificates are missing: %+v", s)
	}
	doc, err := StartDocument(filepath.Join(dir, "absent"), accepted)
	if kept, parseErr := nodeconfig.Parse(doc); err != nil || parseErr != nil || kept.Revision != 3 {
		t.Errorf("kept: %s, %v, %v", doc, err, parseErr)
	}

	bad := c
	bad.Revision, bad.Pod = 4, "b-0"
	var rejected *statusapi.RejectedError
	if _, err := client.Push(t.Context(), bad); !errors.As(err, &rejected) {
		t.Fatalf("a bad document: %v", err)
	}
	s, err = client.Status(t.Context(), "", 0)
	if err != nil || s.ConfigError != rejected.Words || s.ConfigRevision != 3 {
		t.Errorf("status %+v, %v", s, err)
	}
	if again, _ := StartDocument(filepath.Join(dir, "absent"), accepted); string(again) != string(doc) {
		t.Errorf("a refused document was kept: %s", again)
	}

	// A renewed certificate shows without a restart.
	folder(t, dir, a, issue(t, a, pki.NodeRequest("default", "a")))
	touched := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(dir, meshtls.CertFile), touched, touched); err != nil {
		t.Fatal(err)
	}
	if got := n.Status(); got.LeafSerial == s.LeafSerial || got.TrustHash != s.TrustHash || got.Generation <= s.Generation {
		t.Errorf("after the renewal: %+v, before %+v", got, s)
	}
}

func TestTLSPeers(t *testing.T) {
	a := authority(t)
	start := func(name string) *Node {
		dir := t.TempDir()
		folder(t, dir, a, issue(t, a, pki.NodeRequest("default", name)))
		n := New(Options{TLSDir: dir, ListenHost: "127.0.0.1", EphemeralPorts: true})
		t.Cleanup(func() { closeNode(t, n) })
		c := config(name)
		c.TLS = nodeconfig.TLSMesh
		apply(t, n, c)
		return n
	}
	na, nb := start("a"), start("b")
	c := config("a")
	c.TLS = nodeconfig.TLSMesh
	c.Peers = []nodeconfig.Peer{{Name: "a-b", Address: port(t, nb, "broker"), Node: "b", Pod: "b-0"}}
	apply(t, na, c)
	if s := await(t, na, "peered", peered); s.Peers[0].URI != meshtls.NodeURI("default", "b") {
		t.Errorf("peer %+v", s.Peers[0])
	}
	if s := await(t, nb, "peered", peered); s.Peers[0].URI != meshtls.NodeURI("default", "a") {
		t.Errorf("peer %+v", s.Peers[0])
	}
	// The same address under another name is another node, which isn't there.
	c.Peers[0].Node, c.Peers[0].Pod = "c", "c-0"
	apply(t, na, c)
	await(t, na, "TLS failure", func(s statusapi.Status) bool {
		return len(s.Peers) == 1 && s.Peers[0].State != statusapi.PeerPeered && s.Peers[0].Error == "TLSFailed"
	})
}

func TestAnnounce(t *testing.T) {
	n := newNode(t, "")
	n.Announce("http", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9991})
	apply(t, n, config("a"))
	if got := port(t, n, "http"); got != "127.0.0.1:9991" {
		t.Errorf("http at %s", got)
	}
}
