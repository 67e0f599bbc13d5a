// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// config is the smallest document of a node.
func config(name string) nodeconfig.Config {
	return nodeconfig.Config{Version: nodeconfig.Version, Namespace: "default", Node: name, Pod: name + "-0", TLS: nodeconfig.TLSDisabled}
}

// newNode makes a node on free ports that ends with the test.
func newNode(t *testing.T, dataDir string) *Node {
	t.Helper()
	n := New(Options{DataDir: dataDir, ListenHost: "127.0.0.1", EphemeralPorts: true, Version: "test"})
	t.Cleanup(func() { closeNode(t, n) })
	return n
}

func closeNode(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func apply(t *testing.T, n *Node, c nodeconfig.Config) {
	t.Helper()
	if err := n.Apply(t.Context(), c); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

// await waits until the status is as wanted, and answers it.
func await(t *testing.T, n *Node, what string, wanted func(statusapi.Status) bool) statusapi.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s := n.Status()
	for !wanted(s) {
		if ctx.Err() != nil {
			t.Fatalf("%s: it never came to that: %+v", what, s)
		}
		s = n.Wait(ctx, s.Instance, s.Generation)
	}
	return s
}

func port(t *testing.T, n *Node, name string) string {
	t.Helper()
	for _, l := range n.Status().Listeners {
		if l.Name == name {
			return l.Address
		}
	}
	t.Fatalf("no port %s", name)
	return ""
}

func TestFirstConfig(t *testing.T) {
	n := newNode(t, "")
	if err := n.Ready(); err == nil {
		t.Error("ready without a config")
	}
	s := n.Status()
	if s.Instance == "" || s.EndpointID != "" || s.ConfigHash != "" || len(s.ConfigVersions) != 1 {
		t.Errorf("status before a config: %+v", s)
	}
	c := config("a")
	c.Revision = 7
	apply(t, n, c)
	s = n.Status()
	if s.ConfigHash != c.Hash() || s.ConfigRevision != 7 || s.Pod != "a-0" || s.EndpointID == "" || s.Version != "test" {
		t.Errorf("status: %+v", s)
	}
	if err := n.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	conn, err := net.Dial("tcp", port(t, n, "broker"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	generation := s.Generation
	apply(t, n, c)
	if s := n.Status(); s.Generation != generation {
		t.Errorf("the same document again moved the generation from %d to %d", generation, s.Generation)
	}
}

func TestRefusedDocumentsChangeNothing(t *testing.T) {
	good := config("a")
	good.Subscriptions = []string{"/a"}
	cases := map[string]struct {
		change func(*nodeconfig.Config)
		want   string
	}{
		"version":          {func(c *nodeconfig.Config) { c.Version = 2 }, "version"},
		"another pod":      {func(c *nodeconfig.Config) { c.Pod = "a-1" }, "this is default/a (pod a-0)"},
		"another mesh":     {func(c *nodeconfig.Config) { c.Namespace = "other" }, "the document is for other/a"},
		"bad peer":         {func(c *nodeconfig.Config) { c.Peers = []nodeconfig.Peer{{Name: "p", Address: "nowhere"}} }, "peers[0].address"},
		"no data folder":   {func(c *nodeconfig.Config) { c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendSQLite)} }, "data folder"},
		"bad subscription": {func(c *nodeconfig.Config) { c.Subscriptions = []string{"\xff"} }, "subscriptions[0]"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, "")
			apply(t, n, good)
			before := n.Status()
			bad := good
			tc.change(&bad)
			err := n.Apply(t.Context(), bad)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one with %q", err, tc.want)
			}
			s := n.Status()
			if s.ConfigError != err.Error() || s.Generation == before.Generation {
				t.Errorf("the status doesn't say so: %+v", s)
			}
			s.ConfigError, s.Generation = before.ConfigError, before.Generation
			if fingerprint(s) != fingerprint(before) {
				t.Errorf("changed: %+v, before %+v", s, before)
			}
			apply(t, n, good)
			if s := n.Status(); s.ConfigError != "" {
				t.Errorf("after a good document: %q", s.ConfigError)
			}
		})
	}
}

func TestFirstConfigRefused(t *testing.T) {
	n := newNode(t, "")
	c := config("a")
	c.TLS = nodeconfig.TLSMesh
	if err := n.Apply(t.Context(), c); err == nil || !strings.Contains(err.Error(), "certificates") {
		t.Fatalf("TLS without certificates: %v", err)
	}
	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "certificates") {
		t.Errorf("readiness: %v", err)
	}
	apply(t, n, config("a"))
	if err := n.Ready(); err != nil {
		t.Error(err)
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := config("a")
	c.ListenPort = l.Addr().(*net.TCPAddr).Port
	n := New(Options{ListenHost: "127.0.0.1"})
	t.Cleanup(func() { closeNode(t, n) })
	if err := n.Apply(t.Context(), c); err == nil {
		t.Fatal("two listeners on one port")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	apply(t, n, c)
	if got := port(t, n, "broker"); !strings.HasSuffix(got, ":"+strconv.Itoa(c.ListenPort)) {
		t.Errorf("listens on %s", got)
	}
}

func TestRestartNeeded(t *testing.T) {
	n := newNode(t, "")
	c := config("a")
	apply(t, n, c)
	address := port(t, n, "broker")
	c.ListenPort, c.TLS, c.Subscriptions = 1234, nodeconfig.TLSMesh, []string{"/new"}
	apply(t, n, c)
	s := n.Status()
	if s.RestartNeeded != "listenPort, tls" || s.ConfigError != "" {
		t.Errorf("restart needed %q, error %q", s.RestartNeeded, s.ConfigError)
	}
	if s.ConfigHash == c.Hash() {
		t.Error("reports the hash of a config that it doesn't run")
	}
	if port(t, n, "broker") != address {
		t.Error("the port has changed")
	}
	if n.mu.config.Subscriptions[0] != "/new" {
		t.Error("the rest was not applied")
	}
	c.ListenPort, c.TLS = 0, nodeconfig.TLSDisabled
	apply(t, n, c)
	if s := n.Status(); s.RestartNeeded != "" || s.ConfigHash != c.Hash() {
		t.Errorf("back again: %+v", s)
	}
}

func TestForwardChangesLive(t *testing.T) {
	n := newNode(t, "")
	c := config("a")
	apply(t, n, c)
	address := port(t, n, "broker")
	c.Forward = nodeconfig.ForwardNone
	apply(t, n, c)
	if s := n.Status(); port(t, n, "broker") != address || s.ConfigHash != c.Hash() || s.RestartNeeded != "" {
		t.Errorf("status %+v, port before %s", s, address)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestWait(t *testing.T) {
	n := newNode(t, "")
	apply(t, n, config("a"))
	s := n.Status()
	for name, instance := range map[string]string{"another instance": "", "an old generation": s.Instance} {
		got := n.Wait(t.Context(), instance, s.Generation-1)
		if got.Generation != s.Generation {
			t.Errorf("%s: generation %d", name, got.Generation)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := n.Wait(ended, s.Instance, s.Generation); got.Generation != s.Generation {
		t.Errorf("nothing new: generation %d", got.Generation)
	}
	answer := make(chan statusapi.Status, 1)
	go func() { answer <- n.Wait(context.Background(), s.Instance, s.Generation) }()
	n.Refuse(errors.New("no good"))
	if got := <-answer; got.ConfigError != "no good" || got.Generation <= s.Generation {
		t.Errorf("news: %+v", got)
	}
}

func TestClosing(t *testing.T) {
	n := newNode(t, "")
	apply(t, n, config("a"))
	address := port(t, n, "broker")
	closeNode(t, n)
	if s := n.Status(); !s.Draining || len(s.Listeners) != 0 {
		t.Errorf("status: %+v", s)
	}
	if err := n.Apply(t.Context(), config("a")); !errors.Is(err, ErrClosed) || !errors.Is(err, statusapi.ErrUnavailable) {
		t.Errorf("apply: %v", err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("still listens")
	}
}

func TestLogLevelChangesLive(t *testing.T) {
	n := newNode(t, "")
	c := config("a")
	for _, level := range []string{nodeconfig.LogDebug, nodeconfig.LogError, nodeconfig.LogWarn, nodeconfig.LogInfo} {
		c.LogLevel = level
		apply(t, n, c)
		if got := n.level.Level(); got.String() != strings.ToUpper(level) {
			t.Errorf("%s: level %v", level, got)
		}
	}
}

func TestStorePath(t *testing.T) {
	names := []string{"known-hosts", "zeek/known/hosts", "..", ".hidden", "A", "a", "a%2F", "a/", "ü", strings.Repeat("x", 1000), strings.Repeat("x", 1001)}
	seen := map[string]string{}
	for _, name := range names {
		path := storePath("d", master(name, nodeconfig.BackendSQLite))
		if filepath.Dir(path) != filepath.Join("d", "stores") || len(filepath.Base(path)) > 200 {
			t.Errorf("%.20q: %s", name, path)
		}
		if other, ok := seen[strings.ToLower(path)]; ok {
			t.Errorf("%.20q and %.20q share %s", name, other, path)
		}
		seen[strings.ToLower(path)] = name
	}
	if got := storePath("d", master("zeek/known/hosts", nodeconfig.BackendPebble)); got != filepath.Join("d", "stores", "zeek%2Fknown%2Fhosts.pebble") {
		t.Errorf("path %s", got)
	}
}

func TestStartDocument(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, revision int64, broken bool) string {
		c := config("a")
		c.Revision = revision
		doc := c.Canonical()
		if broken {
			doc = doc[:10]
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	old, newer, broken := write("old", 1, false), write("newer", 2, false), write("broken", 3, true)
	absent := filepath.Join(dir, "absent")
	for _, tc := range []struct {
		mounted, accepted, want string
	}{
		{old, "", old}, {old, absent, old}, {old, newer, newer}, {newer, old, newer}, {old, old, old},
		{broken, old, old}, {old, broken, old}, {broken, "", ""}, {absent, absent, ""}, {broken, broken, ""},
	} {
		doc, err := StartDocument(tc.mounted, tc.accepted)
		if tc.want == "" {
			if err == nil {
				t.Errorf("%s, %s: no error", tc.mounted, tc.accepted)
			}
			continue
		}
		want, _ := os.ReadFile(tc.want)
		if err != nil || string(doc) != string(want) {
			t.Errorf("%s, %s: %s, %v; want that of %s", tc.mounted, tc.accepted, doc, err, tc.want)
		}
	}
}
