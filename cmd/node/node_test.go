// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// asProgram in the environment makes this test binary be the node.
const asProgram = "NODE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running node. What it logs may be read at any time.
type process struct {
	*exec.Cmd
	mu  sync.Mutex
	log bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func launch(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, self, args...)}
	p.Env = append(os.Environ(), asProgram+"=1")
	p.Stderr = p
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	return p
}

func (p *process) end(t *testing.T, want int) {
	t.Helper()
	p.Wait()
	if got := p.ProcessState.ExitCode(); got != want {
		t.Errorf("exit code %d, want %d\n%s", got, want, p.logged())
	}
}

// freePort is a port that nobody listens on at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// eventually repeats a question until the answer is as wanted.
func eventually(t *testing.T, p *process, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: it never came to that\n%s", what, p.logged())
		}
	}
}

func get(url string) (int, string) {
	r, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(body)
}

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlags(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "--config is missing"},
		{"--nonsense", exitUsage, "not defined"},
		{"--config x extra", exitUsage, `"extra"`},
		{"--config x --control :1", exitUsage, "--control needs --tls-dir"},
		{"--config x --pprof :9992", exitUsage, "on the loopback only"},
		{"--config x --pprof 9992", exitUsage, "no HOST:PORT"},
		{"--version", exitOK, version},
		{"-h", exitOK, "-data-dir"},
		{"--config x --http nowhere", exitFailure, "health port"},
		{"--config x --tls-dir /does/not/exist --control 127.0.0.1:0", exitFailure, "control port"},
	} {
		var out bytes.Buffer
		if got := run(t.Context(), strings.Fields(tc.args), &out); got != tc.code || !strings.Contains(out.String(), tc.want) {
			t.Errorf("node %s: %d, want %d with %q:\n%s", tc.args, got, tc.code, tc.want, &out)
		}
	}
}

// TestLife starts a node with a config that can't be used, mends it over the
// control port, and starts it again from what was accepted.
func TestLife(t *testing.T) {
	dir := t.TempDir()
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Issue(rand.Reader, time.Now(), pki.NodeRequest("default", "a"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"ca.crt": authority.CertPEM(), "tls.crt": leaf.Cert, "tls.key": leaf.Key} {
		write(t, filepath.Join(dir, name), content)
	}
	pair, err := authority.Issue(rand.Reader, time.Now(), pki.ManagerRequest("default"))
	if err != nil {
		t.Fatal(err)
	}
	manager, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}

	config := nodeconfig.Config{Version: nodeconfig.Version, Revision: 1, Namespace: "default", Node: "a", Pod: "a-0", ListenPort: freePort(t)}
	mounted := write(t, filepath.Join(dir, "config.json"), []byte(`{"version":99}`))
	control, health := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	args := []string{"--config", mounted, "--accepted", filepath.Join(dir, "accepted.json"), "--tls-dir", dir,
		"--data-dir", filepath.Join(dir, "data"), "--control", control, "--http", health}

	p := launch(t, args...)
	client := statusapi.NewClient(control, statusapi.ClientTLS(manager, authority.Pool(), "default", "a"))
	t.Cleanup(client.Close)
	var s statusapi.Status
	eventually(t, p, "the refusal shows", func() bool {
		s, err = client.Status(t.Context(), "", 0)
		return err == nil && strings.Contains(s.ConfigError, "version: found 99")
	})
	if code, body := get("http://" + health + "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready without a config: %d %s", code, body)
	}
	if s, err = client.Push(t.Context(), config); err != nil || s.ConfigHash != config.Hash() || s.ConfigError != "" || len(s.Listeners) != 3 {
		t.Fatalf("push: %+v, %v", s, err)
	}
	if code, body := get("http://" + health + "/readyz"); code != http.StatusOK {
		t.Errorf("not ready: %d %s", code, body)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.end(t, exitOK)
	if !strings.Contains(p.logged(), "draining") {
		t.Errorf("log:\n%s", p.logged())
	}

	// The container starts again: the accepted document is the newer one.
	p = launch(t, args...)
	eventually(t, p, "ready again", func() bool {
		code, _ := get("http://" + health + "/readyz")
		return code == http.StatusOK
	})
	if s, err = client.Status(t.Context(), "", 0); err != nil || s.ConfigHash != config.Hash() {
		t.Errorf("after the restart: %+v, %v", s, err)
	}
	if code, body := get("http://" + health + "/metrics"); code != http.StatusOK || !strings.Contains(body, "broker_connections 0") {
		t.Errorf("metrics: %d\n%s", code, body)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.end(t, exitOK)
}

// TestTakenPortIsTriedAgain starts a node while its port is taken.
func TestTakenPortIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	config := nodeconfig.Config{Version: nodeconfig.Version, Namespace: "default", Node: "a", Pod: "a-0", TLS: nodeconfig.TLSDisabled,
		ListenPort: l.Addr().(*net.TCPAddr).Port}
	mounted := write(t, filepath.Join(t.TempDir(), "config.json"), config.Canonical())
	health := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	p := launch(t, "--config", mounted, "--http", health)
	eventually(t, p, "the refusal shows", func() bool {
		_, body := get("http://" + health + "/readyz")
		return strings.Contains(body, "address already in use")
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, p, "ready", func() bool {
		code, _ := get("http://" + health + "/readyz")
		return code == http.StatusOK
	})
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.end(t, exitOK)
}

// TestProfiles takes a profile of a running node, and starts another one while
// the port is taken.
func TestProfiles(t *testing.T) {
	config := nodeconfig.Config{Version: nodeconfig.Version, Namespace: "default", Node: "a", Pod: "a-0", TLS: nodeconfig.TLSDisabled, ListenPort: freePort(t)}
	mounted := write(t, filepath.Join(t.TempDir(), "config.json"), config.Canonical())
	p := launch(t, "--config", mounted, "--pprof", "127.0.0.1:0")
	served := regexp.MustCompile(`profiles are served.* address=(\S+)`)
	var address string
	eventually(t, p, "profiles are served", func() bool {
		if found := served.FindStringSubmatch(p.logged()); found != nil {
			address = found[1]
		}
		return address != ""
	})
	for _, profile := range []string{"heap", "allocs", "profile?seconds=1"} {
		if code, body := get("http://" + address + "/debug/pprof/" + profile); code != http.StatusOK || !strings.HasPrefix(body, "\x1f\x8b") {
			t.Errorf("%s: %d, %d bytes", profile, code, len(body))
		}
	}
	other := launch(t, "--config", mounted, "--pprof", address)
	eventually(t, other, "a warning", func() bool { return strings.Contains(other.logged(), "no profiles can be taken") })
	eventually(t, other, "it goes on", func() bool { return strings.Contains(other.logged(), "msg=started") })
	for _, each := range []*process{p, other} {
		if err := each.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		each.end(t, exitOK)
	}
}

func TestHeapLimit(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]int64{"134217728\n": 134217728 / 10 * 9, "max\n": 0, "": 0, "-1": 0} {
		got, ok := heapLimit(write(t, filepath.Join(dir, "memory.max"), []byte(content)))
		if ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d, %t", content, got, ok)
		}
	}
	if _, ok := heapLimit(filepath.Join(dir, "absent")); ok {
		t.Error("a limit from nowhere")
	}
}
