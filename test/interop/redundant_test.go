// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// IDs on the same sides of ownID as smallID and largeID, for a second peer.py that speaks in the name of the first.
const (
	smallID2 = "00000000-0000-4000-8000-000000000002"
	largeID2 = "ffffffff-ffff-4fff-bfff-ffffffffffff"
)

// silent leaves all speaking to raw.
var silent = command{"handshake": command{"mute": []string{"hello", "probe", "version_select", "originator_syn", "responder_syn_ack", "originator_ack", "drop_conn"}}}

func dropHex(code, text string) string { return "09" + magicHex + ownHex + code + textHex(text) }

// open begins a connection on which only raw speaks, and answers its number.
func (p *python) open(address string) float64 {
	p.t.Helper()
	p.connect(address, silent)
	return p.wait("connected").num("conn")
}

// say writes a frame on a connection.
func (p *python) say(conn float64, body string) {
	p.t.Helper()
	p.do(command{"do": "raw", "conn": conn, "hex": body, "frame": true})
}

// hear waits for the next frame on a connection and compares it: whole if want has more than a type, which is the first byte.
func (p *python) hear(conn float64, want string) {
	p.t.Helper()
	got := p.waitFor("a frame", func(e event) bool { return e.str("event") == "frame" && e.str("dir") == "in" && e.num("conn") == conn })
	if h := got.str("hex"); h != want && (len(want) > 2 || h[:2] != want) {
		p.t.Fatalf("heard %s, want %s", h, want)
	}
}

func helloHex(id string) string  { return "06" + magicHex + idHex(id) + "0101" }
func selectHex(id string) string { return "08" + magicHex + idHex(id) + "01" }

// TestRedundantAsOriginator: an endpoint that is connected says hello again and is told that it is.
func TestRedundantAsOriginator(t *testing.T) {
	e := endpoint(t, broker.Options{}, ownID)
	address := listening(t, e)
	p, q := start(t, "--id", largeID), start(t, "--id", largeID2, "--trace")
	p.connect(address, nil)
	p.wait("peered")
	conn := q.open(address)
	q.hear(conn, "07")
	q.say(conn, helloHex(largeID))
	q.hear(conn, dropHex("27", "redundant connection"))
	q.wait("handshake_failed")
	p.do(command{"do": "ping"})
	p.wait("pong") // the first connection is as it was
}

// TestRedundantAsResponder: an endpoint that is connected, or in a handshake, selects a version again.
func TestRedundantAsResponder(t *testing.T) {
	for name, mute := range map[string]string{"connected": "", "connecting": "originator_ack"} {
		t.Run(name, func(t *testing.T) {
			e := endpoint(t, broker.Options{}, ownID)
			address := listening(t, e)
			p, q := start(t, "--id", smallID, "--trace"), start(t, "--id", smallID2, "--trace")
			p.connect(address, command{"handshake": command{"mute": []string{mute}}})
			p.waitFor("our filter", func(e event) bool { return e.str("type") == "responder_syn_ack" && e.str("dir") == "in" })
			conn := q.open(address)
			q.hear(conn, "07")
			q.say(conn, helloHex(smallID))
			q.hear(conn, helloHex(ownID))
			q.say(conn, selectHex(smallID))
			q.hear(conn, dropHex("28", "detected redundant connection at the responder"))
			q.wait("handshake_failed")
		})
	}
}

// TestParked: while a handshake with an endpoint is under way, another one has to wait, and goes on or not as the first one ends.
func TestParked(t *testing.T) {
	for _, succeeds := range []bool{true, false} {
		e := endpoint(t, broker.Options{}, ownID)
		address := listening(t, e)
		p, q := start(t, "--id", largeID, "--trace"), start(t, "--id", largeID2, "--trace")
		first := p.open(address)
		p.hear(first, "07")
		p.say(first, helloHex(largeID))
		p.hear(first, selectHex(ownID))
		p.hear(first, "0a00")
		second := q.open(address)
		q.hear(second, "07")
		q.say(second, helloHex(largeID))
		if succeeds {
			p.say(first, "0b00")
			p.hear(first, "0c")
			q.hear(second, dropHex("27", "redundant connection"))
			q.wait("handshake_failed")
		} else {
			p.do(command{"do": "drop", "conn": first})
			q.hear(second, selectHex(ownID))
			q.hear(second, "0a00")
			q.say(second, "0b00")
			q.hear(second, "0c")
		}
		until(t, e, "one peer", func(ps []broker.PeerInfo) bool { return len(ps) == 1 && ps[0].State == broker.Peered })
	}
}

// TestShuttingDown says hello, or selects a version, at an endpoint that is closing: it waits for a peer that does not answer.
func TestShuttingDown(t *testing.T) {
	for name, id := range map[string]string{"hello": largeID, "version_select": smallID} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, broker.Options{}, ownID)
			address := listening(t, e)
			p, q := start(t), start(t, "--id", id, "--trace")
			p.connect(address, nil)
			p.wait("peered")
			if err := e.AwaitPeer(within(t), p.id); err != nil {
				t.Fatal(err)
			}
			conn := q.open(address)
			q.hear(conn, "07")
			next := helloHex(id)
			if id == smallID {
				q.say(conn, next)
				q.hear(conn, helloHex(ownID))
				next = selectHex(id)
			}
			p.do(command{"do": "stall"})
			p.ask(command{"do": "peers"})
			ctx, cancel := context.WithCancel(within(t))
			closed := make(chan error, 1)
			go func() { closed <- e.Close(ctx) }()
			until(t, e, "closing", func(ps []broker.PeerInfo) bool { return len(ps) == 1 && ps[0].State == broker.Closing })
			q.say(conn, next)
			q.hear(conn, dropHex("1c", "shutting down"))
			q.wait("handshake_failed")
			cancel()
			<-closed // with or without ErrNotFlushed
		})
	}
}
