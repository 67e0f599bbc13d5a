// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// The other end in these tests is an endpoint without TLS behind OpenSSL's s_client or s_server, which do the TLS of the connection
// between the two: plain TCP <-> openssl <-> TLS.

// tool runs the openssl program to its end and answers what it printed.
func tool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(openssl(t), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func openssl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("these tests need the openssl program in PATH (Debian: apt-get install openssl)")
	}
	return path
}

// gate is a running s_client or s_server. What it says shows in the log of a failed test.
type gate struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.ReadCloser
	says *said
	done chan struct{} // closed when it has ended
}

// said is an output that may be read while it grows.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func startGate(t *testing.T, args ...string) *gate {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g := &gate{t: t, cmd: exec.CommandContext(ctx, openssl(t), args...), says: &said{}, done: make(chan struct{})}
	g.cmd.Stderr = g.says
	var err error
	if g.in, err = g.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	g.out, g.cmd.Stdout = out, theirs
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	go func() {
		g.cmd.Wait()
		close(g.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-g.done
		out.Close()
		if t.Failed() {
			t.Logf("%s\n%s", g.cmd, g.says)
		}
	})
	return g
}

// relay copies between a plain connection and the gate until either ends.
func (g *gate) relay(c net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(g.in, c)
		g.in.Close()
	})
	both.Go(func() {
		io.Copy(c, g.out)
		c.Close()
	})
	both.Wait()
}

// ended waits for the end of the program and answers whether it was content.
func (g *gate) ended() bool {
	g.t.Helper()
	select {
	case <-g.done:
	case <-time.After(patience):
		g.t.Fatalf("%s does not end", g.cmd)
	}
	return g.cmd.ProcessState.Success()
}

// client runs s_client towards an address. When something connects to the address that it answers, that is relayed.
func client(t *testing.T, to string, args ...string) (address string, started chan *gate) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started = make(chan *gate, 1)
	g := startGate(t, append([]string{"s_client", "-connect", to, "-quiet", "-no_ign_eof"}, args...)...)
	var relaying sync.WaitGroup
	relaying.Go(func() {
		if c, err := l.Accept(); err == nil {
			g.relay(c)
		}
	})
	t.Cleanup(relaying.Wait)
	t.Cleanup(func() { l.Close() })
	started <- g
	return l.Addr().String(), started
}

// server runs s_server at an address that it answers, relayed to a plain one.
func server(t *testing.T, to string, args ...string) (address string, g *gate) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // for a free port
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	g = startGate(t, append([]string{"s_server", "-accept", address, "-quiet", "-naccept", "1"}, args...)...)
	c, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	var relaying sync.WaitGroup
	relaying.Go(func() { g.relay(c) })
	t.Cleanup(relaying.Wait)
	t.Cleanup(func() { c.Close() })
	return address, g
}

// kinds of TLS: how our endpoint is configured, and what openssl is told in either role.
type kind struct {
	name           string
	ours           *peering.TLS
	both           []string // arguments for either role
	client, server []string
	security       string
}

// kinds makes certificates, keys and folders in every form that the endpoint reads, with OpenSSL's own tools.
func kinds(t *testing.T) []kind {
	t.Helper()
	ca := newAuthority(t)
	ours, theirs := ca.folder("brokermesh://test/node/us"), ca.folder("")
	at := func(name string) string { return filepath.Join(ours, name) }
	tool(t, "pkcs8", "-topk8", "-in", at("tls.key"), "-out", at("pkcs8.key"), "-passout", "pass:open sesame")
	tool(t, "ec", "-in", at("tls.key"), "-aes256", "-out", at("legacy.key"), "-passout", "pass:open sesame")
	if b, err := os.ReadFile(at("legacy.key")); err != nil || !bytes.Contains(b, []byte("Proc-Type: 4,ENCRYPTED")) {
		t.Fatalf("%s, %v", b, err)
	}
	hashed := t.TempDir()
	pem, err := os.ReadFile(at("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSpace(tool(t, "x509", "-in", at("ca.crt"), "-noout", "-subject_hash")) + ".0"
	if err := os.WriteFile(filepath.Join(hashed, name), pem, 0o600); err != nil {
		t.Fatal(err)
	}
	cert := []string{"-cert", filepath.Join(theirs, "tls.crt"), "-key", filepath.Join(theirs, "tls.key"), "-CAfile", filepath.Join(theirs, "ca.crt"), "-verify_return_error"}
	anon := []string{"-tls1_2", "-cipher", "AECDH-AES256-SHA@SECLEVEL=0", "-groups", "P-384"}
	verify := []string{"-Verify", "3"}
	return []kind{
		{"TLS 1.3", load(t, ours), append([]string{"-tls1_3"}, cert...), nil, verify, "TLS 1.3"},
		{"TLS 1.2, PKCS#8 key, hashed folder",
			&peering.TLS{CertFile: at("tls.crt"), KeyFile: at("pkcs8.key"), Passphrase: "open sesame", CADir: hashed},
			append([]string{"-tls1_2"}, cert...), nil, verify, "TLS 1.2"},
		{"TLS 1.3, legacy key", &peering.TLS{CertFile: at("tls.crt"), KeyFile: at("legacy.key"), Passphrase: "open sesame", CAPEM: pem},
			append([]string{"-tls1_3"}, cert...), nil, verify, "TLS 1.3"},
		{"anonymous", &peering.TLS{Anonymous: true}, anon, nil, []string{"-nocert"}, "anonymous TLS 1.2"},
	}
}

// TestOpenSSL peers through s_client and s_server, with each side as originator, sends messages both ways, and unpeers: OpenSSL is
// told so by close_notify.
func TestOpenSSL(t *testing.T) {
	for _, k := range kinds(t) {
		for _, id := range []string{smallID, largeID} {
			for _, dials := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/we dial %v", k.name, id[:1], dials), func(t *testing.T) {
					e := endpoint(t, broker.Options{TLS: k.ours}, ownID)
					plain := endpoint(t, broker.Options{}, id)
					here, there := subscribe(t, e, "/here"), subscribe(t, plain, "/there")
					var g *gate
					if dials {
						var address string
						address, g = server(t, listening(t, plain), append(append([]string{}, k.both...), k.server...)...)
						if _, err := e.Peer(within(t), address, broker.PeerOptions{Retry: 100 * time.Millisecond}); err != nil {
							t.Fatal(err)
						}
					} else {
						address, started := client(t, listening(t, e), append(append([]string{}, k.both...), k.client...)...)
						g = <-started
						if _, err := plain.Peer(within(t), address, broker.PeerOptions{}); err != nil {
							t.Fatal(err)
						}
					}
					exchange(t, e, plain, here, there)
					if err := e.UnpeerID(within(t), plain.ID()); err != nil {
						t.Fatal(err)
					}
					until(t, plain, "no peer", func([]broker.PeerInfo) bool { return plain.Stats().Peers == 0 })
					if g.ended(); strings.Contains(g.says.String(), "unexpected eof") {
						t.Errorf("%s: it missed close_notify: %s", g.cmd, g.says)
					}
				})
			}
		}
	}
}

// exchange waits for the peering and sends messages, small and large, both ways.
func exchange(t *testing.T, e, plain *broker.Endpoint, here, there *broker.Subscriber) {
	t.Helper()
	if err := e.AwaitPeer(within(t), plain.ID()); err != nil {
		t.Fatal(err)
	}
	if err := plain.AwaitPeer(within(t), e.ID()); err != nil {
		t.Fatal(err)
	}
	wanted(t, e, plain.ID(), "/there")
	wanted(t, plain, e.ID(), "/here")
	for _, size := range []int{0, 100, 100_000} {
		for _, way := range []struct {
			from  *broker.Endpoint
			topic string
			to    *broker.Subscriber
		}{{e, "/there", there}, {plain, "/here", here}} {
			want := strings.Repeat("x", size)
			if err := way.from.Publish(way.topic, data.String(want)); err != nil {
				t.Fatal(err)
			}
			if got := get(t, way.to); got.Value.String() != want {
				t.Errorf("on %s: %d bytes, want %d", way.topic, len(got.Value.String()), size)
			}
		}
	}
}

// TestOpenSSLRefused meets s_client and s_server with the wrong CA, without certificate, with an old version, and in the wrong mode.
func TestOpenSSLRefused(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	ours, strange := ca.folder(""), foreign.folder("")
	args := func(cert, trust string, more ...string) []string {
		return append([]string{"-cert", filepath.Join(cert, "tls.crt"), "-key", filepath.Join(cert, "tls.key"), "-CAfile", filepath.Join(trust, "ca.crt")}, more...)
	}
	anon := []string{"-tls1_2", "-cipher", "AECDH-AES256-SHA@SECLEVEL=0", "-groups", "P-384"}
	zeek := []string{"-cipher", "AECDH-AES256-SHA@SECLEVEL=0", "-groups", "P-384"} // its client offers the suites of TLS 1.3 too
	mutual, anonymous := load(t, ours), &peering.TLS{Anonymous: true}
	noCert := "a dialer in Zeek's default mode has no certificate"
	for _, c := range []struct {
		name   string
		ours   *peering.TLS
		server bool // openssl is the server
		args   []string
		// what our end says, and what openssl says
		here, there string
	}{
		{"client without certificate, 1.3", mutual, false, []string{"-tls1_3"}, noCert, "alert number 116"},
		{"client without certificate, 1.2", mutual, false, []string{"-tls1_2"}, noCert, "alert number 40"},
		{"client of another CA, 1.3", mutual, false, args(strange, ours, "-tls1_3"), "unknown authority", "alert number 48"},
		{"client of another CA, 1.2", mutual, false, args(strange, ours, "-tls1_2"), "unknown authority", "alert number 48"},
		{"client that trusts another CA", mutual, false, args(ours, strange, "-verify_return_error"), "TLS alert: unknown certificate authority", "certificate verify failed"},
		{"client of TLS 1.1", mutual, false, args(ours, ours, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"), "unsupported version", "alert number 70"},
		{"anonymous client", mutual, false, anon, noCert, "alert number 40"},
		{"anonymous client as Zeek is one", mutual, false, zeek, noCert, "alert number 116"},
		{"client with certificate at an anonymous port", anonymous, false, args(ours, ours), "TLS handshake", "alert number 40"},
		{"server of another CA", mutual, true, args(strange, strange), "unknown authority", "alert bad certificate"},
		{"server that trusts another CA, 1.3", mutual, true, args(ours, strange, "-Verify", "3", "-verify_return_error", "-tls1_3"), "TLS alert: unknown certificate authority", "certificate verify failed"},
		{"server that trusts another CA, 1.2", mutual, true, args(ours, strange, "-Verify", "3", "-verify_return_error", "-tls1_2"), "TLS alert: unknown certificate authority", "certificate verify failed"},
		{"server of TLS 1.1", mutual, true, args(ours, ours, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"), "protocol version", "unsupported protocol"},
		{"anonymous server", mutual, true, append([]string{"-nocert"}, anon...), "a listener in Zeek's default mode", "no shared cipher"},
		{"server with certificate, for an anonymous dialer", anonymous, true, args(ours, ours, "-tls1_2"), "does the listener want certificates?", "no shared cipher"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &said{}
			e := endpoint(t, broker.Options{TLS: c.ours, Logger: slog.New(slog.NewTextHandler(log, nil))}, ownID)
			plain := endpoint(t, broker.Options{}, "")
			if c.server {
				address, g := server(t, listening(t, plain), c.args...)
				if err := e.PeerAsync(address, broker.PeerOptions{Retry: 100 * time.Millisecond}); err != nil {
					t.Fatal(err)
				}
				await(t, "our log", log, "class=TLSFailed", c.here)
				await(t, "openssl's words", g.says, c.there)
				return
			}
			_, started := client(t, listening(t, e), c.args...)
			g := <-started
			await(t, "our log", log, "class=TLSFailed", c.here)
			await(t, "openssl's words", g.says, c.there)
			if g.ended() && !strings.Contains(c.name, "1.3") {
				t.Error("s_client was content")
			}
			if n := e.Stats(); n.Peers != 0 || n.HandshakesFailed == 0 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// await waits until all these words have been said.
func await(t *testing.T, who string, s *said, words ...string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		text, missing := s.String(), ""
		for _, w := range words {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: no %q in\n%s", who, missing, text)
		}
	}
}
