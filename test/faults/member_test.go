// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// kind is what an endpoint is to others.
type kind uint8

const (
	kindNode kind = iota
	kindClient
	kindForeign // as C++ Broker that doesn't forward
)

func (k kind) String() string { return [...]string{"node", "client", "foreign"}[k] }

// port is where all endpoints listen.
const port = 9999

// member is an endpoint of a test, in all its lives. It belongs to the goroutine of the test.
type member struct {
	t      testing.TB
	name   string
	kind   kind
	host   *lab.Host
	keepID string // the ID in all lives; empty: another one in each
	logs   string // folder
	opt    order  // for start: limits

	life    uint64
	id      string // while it lives
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers chan answer
	wants   []string
	dials   map[string]bool // addresses
	stopped bool
}

func newMember(t testing.TB, name string, k kind, host *lab.Host, keepID bool, logs string) *member {
	m := &member{t: t, name: name, kind: k, host: host, logs: logs, dials: make(map[string]bool)}
	if keepID {
		m.keepID = data.NewEndpointID().String()
	}
	t.Cleanup(m.kill)
	return m
}

// streamName names what the member publishes. What a member publishes under one ID is one stream in all its lives.
func (m *member) streamName() string {
	if m.keepID != "" {
		return m.name
	}
	return fmt.Sprintf("%s/%d", m.name, m.life)
}

func (m *member) address() string { return netip.AddrPortFrom(m.host.Addr, port).String() }

func (m *member) alive() bool { return m.cmd != nil }

// start begins a life: what the member wants and whom it dials is as before.
func (m *member) start() {
	m.t.Helper()
	m.life++
	m.spawn()
	o := m.opt
	o.Do, o.Name, o.Life, o.ID, o.Kind, o.Listen = doStart, m.streamName(), m.life, m.keepID, m.kind, m.address()
	m.id = m.order(o).ID
	m.subscribe(m.wants)
	for to := range m.dials {
		m.order(order{Do: doPeer, Address: to})
	}
}

// spawn starts the process.
func (m *member) spawn() {
	m.t.Helper()
	log, err := os.OpenFile(filepath.Join(m.logs, m.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe") // the program may have been replaced or removed since it was started
	cmd.Env = append(os.Environ(), workerEnv+"=1", "GOTRACEBACK=all")
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.host.Start(cmd); err != nil {
		m.t.Fatalf("start %s: %v", m.name, err)
	}
	m.cmd, m.orders, m.answers = cmd, in, make(chan answer)
	go listen(out, m.answers)
}

// listen hands on what a worker says until it has ended.
func listen(out io.Reader, to chan<- answer) {
	defer close(to)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			a.Error = fmt.Sprintf("not an answer: %v: %.200s", err, lines.Text())
		}
		to <- a
	}
}

// order has the member do something and answers what it says. An error of the member fails the test.
func (m *member) order(o order) answer {
	m.t.Helper()
	m.send(o)
	return m.answer(o.Do)
}

func (m *member) send(o order) {
	m.t.Helper()
	if !m.alive() {
		m.t.Fatalf("%s is not alive: %s", m.name, o.Do)
	}
	line, err := json.Marshal(o)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := m.orders.Write(append(line, '\n')); err != nil {
		m.t.Fatalf("%s: %s: %v, see its log", m.name, o.Do, err)
	}
}

// answer waits for the answer to the last order. An error of the member fails the test.
func (m *member) answer(do string) answer {
	m.t.Helper()
	a := m.reply(do)
	if a.Error != "" {
		m.t.Fatalf("%s: %s: %s", m.name, do, a.Error)
	}
	return a
}

// reply waits for the answer to the last order. Promises that the member saw broken fail the test.
func (m *member) reply(do string) answer {
	m.t.Helper()
	select {
	case a, ok := <-m.answers:
		if !ok {
			m.t.Fatalf("%s has ended while it was to %s, see its log", m.name, do)
		}
		for _, b := range a.Broken {
			m.t.Errorf("%s: %s", m.name, b)
		}
		return a
	case <-time.After(patience):
		m.cmd.Process.Signal(syscall.SIGCONT)
		m.cmd.Process.Signal(syscall.SIGQUIT) // its stacks go to its log
		m.t.Fatalf("%s doesn't answer to %s; its stacks are in its log", m.name, do)
		return answer{}
	}
}

func (m *member) subscribe(prefixes []string) {
	m.t.Helper()
	m.wants = prefixes
	m.order(order{Do: doSubscribe, Prefixes: prefixes})
}

func (m *member) dial(to *member) {
	m.t.Helper()
	m.dials[to.address()] = true
	m.order(order{Do: doPeer, Address: to.address()})
}

// hangUp ends the dialing of another member, and what has come of it.
func (m *member) hangUp(to *member) {
	m.t.Helper()
	delete(m.dials, to.address())
	m.order(order{Do: doUnpeer, Address: to.address()})
}

// kill ends the process at once. Its connections are reset, if the network lets that through.
func (m *member) kill() {
	if m.cmd == nil {
		return
	}
	m.cmd.Process.Kill()
	m.reap()
}

func (m *member) reap() {
	m.orders.Close()
	for range m.answers {
	}
	m.cmd.Wait()
	m.cmd, m.stopped = nil, false
}

// stop lets the process stand still, and go on.
func (m *member) stop(still bool) {
	m.t.Helper()
	signal := syscall.SIGCONT
	if still {
		signal = syscall.SIGSTOP
	}
	if err := m.cmd.Process.Signal(signal); err != nil {
		m.t.Fatalf("%v to %s: %v", signal, m.name, err)
	}
	m.stopped = still
}
