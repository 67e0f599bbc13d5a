// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// patience is how long tests wait for what must happen, on a machine that has much else to do. A store.Remote allows less than a minute.
const patience = 50 * time.Second

// The dialer of a handshake is the originator if its ID is the smaller one.
const (
	smallID = "00000000-0000-4000-8000-000000000001"
	largeID = "ffffffff-ffff-4fff-bfff-fffffffffffe"
)

// event is a line that peer.py printed.
type event map[string]any

func (e event) str(key string) string { s, _ := e[key].(string); return s }

func (e event) num(key string) float64 { n, _ := e[key].(float64); return n }

// command is a line for peer.py.
type command map[string]any

// python is a running peer.py.
type python struct {
	t     *testing.T
	id    data.EndpointID
	stdin io.WriteCloser
	cmd   *exec.Cmd
	// killed: it need not end well.
	killed bool
	mu     sync.Mutex
	lines  []event
	more   chan struct{} // closed at the next line
	read   int           // events before this one were consumed by wait
}

// start runs peer.py with arguments; it ends with the test.
func start(t *testing.T, args ...string) *python {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("these tests need python3 (3.9 or newer) in PATH: the other endpoint is a Python program")
	}
	cmd := exec.Command(path, append([]string{"testdata/peer.py"}, args...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errors strings.Builder
	cmd.Stderr = &errors
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &python{t: t, stdin: stdin, cmd: cmd, more: make(chan struct{})}
	var reading sync.WaitGroup
	reading.Go(func() { p.follow(stdout) })
	t.Cleanup(func() {
		stdin.Close()
		timer := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		defer timer.Stop()
		reading.Wait()
		if err := cmd.Wait(); err != nil && !p.killed {
			t.Errorf("peer.py: %v\n%s", err, errors.String())
		}
	})
	p.id, err = data.ParseEndpointID(p.wait("ready").str("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// kill is kill -9.
func (p *python) kill() {
	p.t.Helper()
	p.killed = true
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *python) follow(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = event{"event": "garbage", "text": lines.Text()}
		}
		p.mu.Lock()
		p.lines = append(p.lines, e)
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
}

// do sends a command.
func (p *python) do(c command) {
	p.t.Helper()
	line, err := json.Marshal(c)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		p.t.Fatalf("peer.py: %v", err)
	}
}

// wait answers the next event of a name; events before it are skipped.
func (p *python) wait(name string) event {
	p.t.Helper()
	return p.waitFor(name, func(e event) bool { return e.str("event") == name })
}

func (p *python) waitFor(what string, ok func(event) bool) event {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		for p.read < len(p.lines) {
			e := p.lines[p.read]
			p.read++
			if ok(e) {
				p.mu.Unlock()
				return e
			}
		}
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			p.mu.Lock()
			said := slices.Clone(p.lines)
			p.mu.Unlock()
			p.t.Fatalf("peer.py did not say %q in time; it said %v", what, said)
		}
	}
}

// ask sends a command and answers its result.
func (p *python) ask(c command) event {
	p.t.Helper()
	id := fmt.Sprint(time.Now().UnixNano())
	c["id"] = id
	p.do(c)
	return p.waitFor("result", func(e event) bool { return e.str("id") == id })
}

// listen makes peer.py listen and answers the address.
func (p *python) listen(more command) string {
	p.t.Helper()
	c := command{"do": "listen"}
	for k, v := range more {
		c[k] = v
	}
	p.do(c)
	return fmt.Sprintf("127.0.0.1:%.0f", p.wait("listening").num("port"))
}

// connect makes peer.py dial the endpoint.
func (p *python) connect(address string, more command) {
	p.t.Helper()
	var port int
	if _, err := fmt.Sscanf(address, "127.0.0.1:%d", &port); err != nil {
		p.t.Fatal(err)
	}
	c := command{"do": "connect", "port": port}
	for k, v := range more {
		c[k] = v
	}
	p.do(c)
}

// reconnect dials an endpoint that may not have noticed yet that the last connection is gone, and refuses a second one until then.
func (p *python) reconnect(address string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		p.connect(address, nil)
		e := p.waitFor("peered or connect_failed", func(e event) bool { return e.str("event") == "peered" || e.str("event") == "connect_failed" })
		if e.str("event") == "peered" {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not connected again in time: %v", e)
		}
	}
}

// endpoint makes an endpoint that is closed with the test.
func endpoint(t *testing.T, o broker.Options, id string) *broker.Endpoint {
	t.Helper()
	if id != "" {
		var err error
		if o.ID, err = data.ParseEndpointID(id); err != nil {
			t.Fatal(err)
		}
	}
	e, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(within(t)) })
	return e
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func listening(t *testing.T, e *broker.Endpoint) string {
	t.Helper()
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

// peered connects an endpoint to peer.py, which listens, and waits until both know it.
func peered(t *testing.T, e *broker.Endpoint, p *python) {
	t.Helper()
	if _, err := e.Peer(within(t), p.listen(nil), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	p.wait("peered")
}

// until waits for a condition on the endpoint's peers.
func until(t *testing.T, e *broker.Endpoint, what string, ok func([]broker.PeerInfo) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(e.Peers()); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s; peers: %+v", what, e.Peers())
		}
	}
}

func subscribe(t *testing.T, e *broker.Endpoint, prefixes ...string) *broker.Subscriber {
	t.Helper()
	s, err := e.SubscribeSync(within(t), prefixes, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, s *broker.Subscriber) broker.Message {
	t.Helper()
	m, err := s.Get(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
