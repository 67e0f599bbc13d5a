// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// handshakeState is one of the states of wire.md 6.2 in which our side waits, and how peer.py brings us there: it plays its role with
// some messages left out, and what is to be tried is written in their place.
type handshakeState struct {
	name  string
	dials bool   // our side dials
	peer  string // the ID of peer.py
	mute  []string
	heard []string // what peer.py hears from us before we wait
}

var handshakeStates = []handshakeState{
	{"B", false, largeID, []string{"hello"}, []string{"probe"}},
	{"VS", false, smallID, []string{"version_select", "originator_syn"}, []string{"probe", "hello"}},
	{"OS", false, smallID, []string{"originator_syn"}, []string{"probe", "hello"}},
	{"OA", false, smallID, []string{"originator_ack"}, []string{"probe", "hello", "responder_syn_ack"}},
	{"RA", false, largeID, []string{"responder_syn_ack"}, []string{"probe", "version_select", "originator_syn"}},
	{"A", true, smallID, []string{"probe", "version_select", "originator_syn"}, []string{"hello"}},
	{"OS", true, smallID, []string{"originator_syn"}, []string{"hello"}},
	{"OA", true, smallID, []string{"originator_ack"}, []string{"hello", "responder_syn_ack"}},
	{"RA", true, largeID, []string{"responder_syn_ack"}, []string{"hello", "version_select", "originator_syn"}},
}

const (
	magicHex = "5a45454b"
	ownHex   = "88888888888848888888888888888888"
	zeroHex  = "00000000000000000000000000000000"
)

func idHex(id string) string { return strings.ReplaceAll(id, "-", "") }

func textHex(s string) string { return fmt.Sprintf("%02x", len(s)) + hex.EncodeToString([]byte(s)) }

// attempt is a frame, or something else, that is tried in a state, with the answer: the code and text of our drop_conn, or code 0 for
// a connection that is closed without a word.
type attempt struct {
	name   string
	body   string   // hex; ID stands for the ID of peer.py
	raw    bool     // the bytes are no frame but go out as they are
	except []string // in these states it is welcome
	code   int
	text   string
}

// malformed are the rows of the table at the end of wire.md 5, which hold in every state.
var malformed = []attempt{
	{name: "type 0", body: "00", code: 20, text: "invalid message type tag"},
	{name: "type 1", body: "01" + magicHex, code: 20, text: "invalid message type tag"},
	{name: "type 5", body: "05", code: 20, text: "invalid message type tag"},
	{name: "type 13", body: "0d", code: 20, text: "invalid message type tag"},
	{name: "type 255", body: "ff00000000", code: 20, text: "invalid message type tag"},
	{name: "short hello", body: "06" + magicHex + "ID01", code: 20, text: "failed to parse hello_msg"},
	{name: "empty hello", body: "06", code: 20, text: "failed to parse hello_msg"},
	{name: "short probe", body: "075a4545", code: 20, text: "failed to parse probe_msg"},
	{name: "short version_select", body: "08" + magicHex + "ID", code: 20, text: "failed to parse version_select_msg"},
	{name: "short drop_conn", body: "09" + magicHex + "ID01", code: 20, text: "failed to parse drop_conn_msg"},
	{name: "drop_conn with a cut text", body: "09" + magicHex + "ID010561", code: 20, text: "failed to parse drop_conn_msg"},
	{name: "drop_conn with a bad length", body: "09" + magicHex + "ID01ffffffffff01", code: 20, text: "failed to parse drop_conn_msg"},
	{name: "originator_syn without filter", body: "0a", code: 20, text: "failed to parse v1::originator_syn_msg"},
	{name: "originator_syn with a cut filter", body: "0a020161", code: 20, text: "failed to parse v1::originator_syn_msg"},
	{name: "responder_syn_ack with a cut entry", body: "0b010561", code: 20, text: "failed to parse v1::responder_syn_ack_msg"},
	{name: "magic of hello", body: "065a45454cID0101", code: 38, text: "wrong magic number"},
	{name: "magic of probe", body: "0700000000", code: 38, text: "wrong magic number"},
	{name: "magic of version_select", body: "084b45455aID01", code: 38, text: "wrong magic number"},
	{name: "magic of drop_conn", body: "0900000000ID0100", code: 38, text: "wrong magic number"},
	{name: "later versions offered", body: "06" + magicHex + "IDc8c9", code: 2, text: "unsupported versions offered"},
	{name: "version 0 offered", body: "06" + magicHex + "ID0000", code: 2, text: "unsupported versions offered"},
	{name: "version 0 selected", body: "08" + magicHex + "ID00", code: 2, text: "unsupported version selected"},
	{name: "version 2 selected", body: "08" + magicHex + "ID02", code: 2, text: "unsupported version selected"},
	{name: "code 41", body: "09" + magicHex + "ID29" + textHex("odd"), code: 1, text: "odd"},
	{name: "code 255", body: "09" + magicHex + "IDff" + textHex(""), code: 1, text: ""},
}

// unexpected are well-formed messages at the wrong time, and what is no message at all: the connection is closed without an answer.
var unexpected = []attempt{
	{name: "probe", body: "07" + magicHex, except: []string{"A", "B", "VS"}},
	{name: "hello", body: "06" + magicHex + "ID0101", except: []string{"A", "B"}},
	{name: "version_select", body: "08" + magicHex + "ID01", except: []string{"A", "VS"}},
	{name: "originator_syn", body: "0a00", except: []string{"OS"}},
	{name: "responder_syn_ack", body: "0b00", except: []string{"RA"}},
	{name: "originator_ack", body: "0c", except: []string{"OA"}},
	{name: "empty frame", body: "00000000", raw: true},
	{name: "frame above every limit", body: "00100001", raw: true},
	{name: "frame of 4 GiB", body: "ffffffff", raw: true},
}

// identities are refused in the two messages that name the sender, where they are welcome otherwise.
var identities = []attempt{
	{name: "zero ID says hello", body: "06" + magicHex + zeroHex + "0101", except: []string{"VS", "OS", "OA", "RA"}, code: 29, text: "the endpoint ID is zero"},
	{name: "own ID says hello", body: "06" + magicHex + ownHex + "0101", except: []string{"VS", "OS", "OA", "RA"}, code: 29,
		text: "an endpoint cannot peer with itself"},
	{name: "zero ID selects", body: "08" + magicHex + zeroHex + "01", except: []string{"B", "OS", "OA", "RA"}, code: 29, text: "the endpoint ID is zero"},
	{name: "own ID selects", body: "08" + magicHex + ownHex + "01", except: []string{"B", "OS", "OA", "RA"}, code: 29,
		text: "an endpoint cannot peer with itself"},
}

// refusalsOfPeer are drop_conn messages with each code that the protocol uses: nothing is answered.
func refusalsOfPeer() (out []attempt) {
	for _, c := range []int{0, 1, 2, 20, 28, 29, 38, 39, 40} {
		out = append(out, attempt{name: fmt.Sprintf("drop_conn %d", c), body: fmt.Sprintf("09%sID%02x", magicHex, c) + textHex("no")})
	}
	return out
}

// bench is an endpoint of ours and a peer.py that breaks handshakes with it.
type bench struct {
	t       *testing.T
	state   handshakeState
	e       *broker.Endpoint
	events  *broker.StatusSubscriber
	p       *python
	address string // where the one listens that is dialed
	failed  uint64 // handshakes that our side has refused so far
	result  chan error
}

func newBench(t *testing.T, s handshakeState) *bench {
	b := &bench{t: t, state: s, e: endpoint(t, broker.Options{}, ownID), result: make(chan error, 1)}
	var err error
	if b.events, err = b.e.SubscribeStatus(true); err != nil {
		t.Fatal(err)
	}
	b.p = start(t, "--id", s.peer, "--trace")
	if s.dials {
		b.address = b.p.listen(command{"handshake": command{"mute": s.mute}})
	} else {
		b.address = listening(t, b.e)
	}
	return b
}

// enter begins a connection and brings our side into the state; it answers the connection's number.
func (b *bench) enter() float64 {
	b.t.Helper()
	if b.state.dials {
		go func() {
			_, err := b.e.Peer(within(b.t), b.address, broker.PeerOptions{})
			b.result <- err
		}()
	} else {
		b.p.connect(b.address, command{"handshake": command{"mute": b.state.mute}})
	}
	conn := b.p.wait("connected").num("conn")
	for _, want := range b.state.heard {
		got := b.p.waitFor("frame "+want, func(e event) bool {
			return e.str("event") == "frame" && e.str("dir") == "in" && e.num("conn") == conn
		})
		if got.str("type") != want {
			b.t.Fatalf("heard %v, want %s", got, want)
		}
	}
	return conn
}

// rest answers the bodies that peer.py still hears on a connection until its end, and the last event.
func (b *bench) rest(conn float64) (heard []string, end event) {
	b.t.Helper()
	end = b.p.waitFor("the end of the connection", func(e event) bool {
		if e.num("conn") != conn {
			return false
		}
		if e.str("event") == "frame" && e.str("dir") == "in" {
			heard = append(heard, e.str("hex"))
		}
		return e.str("event") == "handshake_failed" || e.str("event") == "peer_lost"
	})
	return heard, end
}

// refused checks our side after a failed handshake: nobody is peered, and it is told to whoever dialed.
func (b *bench) refused(class broker.PeerErrorClass, code int) {
	b.t.Helper()
	until(b.t, b.e, "no connection", func(ps []broker.PeerInfo) bool { return len(ps) == 0 })
	if !b.state.dials {
		b.failed++
		until(b.t, b.e, "one more failed handshake", func([]broker.PeerInfo) bool { return b.e.Stats().HandshakesFailed >= b.failed })
		if n := b.e.Stats().HandshakesFailed; n != b.failed {
			b.t.Errorf("%d failed handshakes, want %d", n, b.failed)
		}
		return
	}
	var pe *peering.Error
	if err := <-b.result; !errors.As(err, &pe) || pe.Class != class || int(pe.Code) != code {
		b.t.Errorf("Peer: %v (%+v), want class %s and code %d", err, pe, class, code)
	}
	if ev, err := b.events.Get(within(b.t)); err != nil || ev.Code != "peer_unavailable" || ev.Address != b.address {
		b.t.Errorf("event %v, %v", ev, err)
	}
}

// try makes one attempt and compares everything that follows.
func (b *bench) try(a attempt) {
	b.t.Helper()
	conn := b.enter()
	b.p.do(command{"do": "raw", "conn": conn, "hex": strings.ReplaceAll(a.body, "ID", idHex(b.state.peer)), "frame": !a.raw})
	heard, end := b.rest(conn)
	var want []string
	class := broker.PeerIncompatible
	if a.code != 0 {
		want = []string{"09" + magicHex + ownHex + fmt.Sprintf("%02x", a.code) + textHex(a.text)}
	}
	if !slices.Equal(heard, want) {
		b.t.Errorf("%s: answered with %q, want %q (%v)", a.name, heard, want, end)
	}
	b.refused(class, a.code)
}

// TestHandshakeErrors breaks the handshake in every state in every way: the answer has the bytes of the reference, and nothing is left.
func TestHandshakeErrors(t *testing.T) {
	for _, s := range handshakeStates {
		role := map[bool]string{true: "dialer", false: "listener"}[s.dials]
		t.Run(s.name+" as "+role, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s)
			for _, a := range slices.Concat(malformed, unexpected, identities) {
				if !slices.Contains(a.except, s.name) {
					b.try(a)
				}
			}
		})
	}
}

// TestDropConn refuses our handshakes in every state and with every code.
func TestDropConn(t *testing.T) {
	classes := map[int]broker.PeerErrorClass{28: broker.PeerRefused, 39: broker.PeerRedundant}
	for _, s := range handshakeStates {
		role := map[bool]string{true: "dialer", false: "listener"}[s.dials]
		t.Run(s.name+" as "+role, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s)
			for c, a := range refusalsOfPeer() {
				conn := b.enter()
				b.p.do(command{"do": "raw", "conn": conn, "hex": strings.ReplaceAll(a.body, "ID", idHex(s.peer)), "frame": true})
				if heard, _ := b.rest(conn); len(heard) != 0 {
					t.Errorf("%s: answered with %q", a.name, heard)
				}
				code := []int{0, 1, 2, 20, 28, 29, 38, 39, 40}[c]
				class := classes[code]
				if class == "" {
					class = broker.PeerIncompatible
				}
				b.refused(class, code)
			}
		})
	}
}

// TestHandshakeEOF ends the connection in every state.
func TestHandshakeEOF(t *testing.T) {
	for _, s := range handshakeStates {
		b := newBench(t, s)
		for range 3 {
			b.p.do(command{"do": "drop", "conn": b.enter()})
			b.p.waitFor("the end", func(e event) bool { return e.str("event") == "handshake_failed" || e.str("event") == "peer_lost" })
			b.refused(broker.PeerRefused, 0)
		}
	}
}
