// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Own ID, and peers below and above it: the smaller one is the originator.
var (
	own   = data.EndpointID{8, 8}
	below = data.EndpointID{1}
	above = data.EndpointID{15}
)

func ownFilter() []string { return []string{"/own"} }

func body(m wire.Handshake) []byte { return wire.AppendHandshake(nil, m)[wire.FrameHeader:] }

// Messages of a peer.
func hello(id data.EndpointID) []byte           { return body(&wire.Hello{Sender: id, Min: 1, Max: 1}) }
func selects(id data.EndpointID) []byte         { return body(&wire.VersionSelect{Sender: id, Version: 1}) }
func drop(c code.Code) []byte                   { return body(&wire.DropConn{Sender: below, Code: c, Text: "no"}) }
func rawBody(h string) []byte                   { b, _ := hex.DecodeString(h); return b }
func machine(dialer bool, r *Registry) *Machine { return NewMachine(own, dialer, r, ownFilter, nil) }

var (
	probe  = body(&wire.Probe{})
	syn    = body(&wire.OriginatorSyn{Filter: []string{"/theirs"}})
	synAck = body(&wire.ResponderSynAck{Filter: []string{"/theirs"}})
	ack    = body(&wire.OriginatorAck{})
)

// describe names the frames of an output, and the code and text of a drop_conn.
func describe(out Output) string {
	var parts []string
	for _, f := range out.Frames {
		msg, err := wire.ParseHandshake(f[wire.FrameHeader:])
		if err != nil {
			return err.Error()
		}
		part := msg.Type().String()
		if d, ok := msg.(*wire.DropConn); ok {
			part = fmt.Sprintf("drop_conn %d %s", d.Code, d.Text)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// statePaths tells how a machine gets into a state: as dialer or listener, and by which frames.
var statePaths = map[string]struct {
	dialer bool
	steps  [][]byte
}{
	"A":  {true, nil},
	"B":  {false, nil},
	"VS": {false, [][]byte{hello(below)}},
	"OS": {true, [][]byte{selects(below)}},
	"RA": {false, [][]byte{hello(above)}},
	"OA": {true, [][]byte{selects(below), syn}},
	// Another handshake with that endpoint is under way.
	"PAUSED": {false, [][]byte{hello(above)}},
}

var all = []string{"A", "B", "VS", "OS", "RA", "OA", "PAUSED"}

// stateTable has every row of the table in wire.md 6.2, and of the one of malformed frames in 5.
var stateTable = []struct {
	states   []string
	name     string
	received []byte
	next     State
	answer   string
}{
	{[]string{"A"}, "probe", probe, Greeting, ""},
	{[]string{"B"}, "probe", probe, Probing, ""},
	{[]string{"VS"}, "probe", probe, AwaitVersion, ""},
	{[]string{"OS", "RA", "OA", "PAUSED"}, "probe", probe, Failed, ""},
	{[]string{"A", "B"}, "hello of a larger ID", hello(above), AwaitSynAck, "version_select, originator_syn"},
	{[]string{"A", "B"}, "hello of a smaller ID", hello(below), AwaitVersion, "hello"},
	{[]string{"VS", "OS", "RA", "OA", "PAUSED"}, "hello", hello(above), Failed, ""},
	{[]string{"A", "VS"}, "version_select", selects(below), AwaitSyn, ""},
	{[]string{"B", "OS", "RA", "OA", "PAUSED"}, "version_select", selects(below), Failed, ""},
	{[]string{"OS"}, "originator_syn", syn, AwaitAck, "responder_syn_ack"},
	{[]string{"A", "B", "VS", "RA", "OA", "PAUSED"}, "originator_syn", syn, Failed, ""},
	{[]string{"RA"}, "responder_syn_ack", synAck, Done, "originator_ack"},
	{[]string{"A", "B", "VS", "OS", "OA", "PAUSED"}, "responder_syn_ack", synAck, Failed, ""},
	{[]string{"OA"}, "originator_ack", ack, Done, ""},
	{[]string{"A", "B", "VS", "OS", "RA", "PAUSED"}, "originator_ack", ack, Failed, ""},
	{all, "drop_conn", drop(code.LogicError), Failed, ""},
	{all, "drop_conn of the shutdown", drop(code.ShuttingDown), Failed, ""},
	{all, "type 1", rawBody("01"), Failed, "drop_conn 20 invalid message type tag"},
	{all, "type 13", rawBody("0d"), Failed, "drop_conn 20 invalid message type tag"},
	{all, "short hello", rawBody("065a45454b"), Failed, "drop_conn 20 failed to parse hello_msg"},
	{all, "short probe", rawBody("075a45"), Failed, "drop_conn 20 failed to parse probe_msg"},
	{all, "short version_select", rawBody("085a45454b"), Failed, "drop_conn 20 failed to parse version_select_msg"},
	{all, "short drop_conn", rawBody("095a45454b"), Failed, "drop_conn 20 failed to parse drop_conn_msg"},
	{all, "bad originator_syn", rawBody("0a05"), Failed, "drop_conn 20 failed to parse v1::originator_syn_msg"},
	{all, "bad responder_syn_ack", rawBody("0b01ff"), Failed, "drop_conn 20 failed to parse v1::responder_syn_ack_msg"},
	{all, "magic", rawBody("075a45454c"), Failed, "drop_conn 38 wrong magic number"},
	{all, "versions", body(&wire.Hello{Sender: above, Min: 2, Max: 3}), Failed, "drop_conn 2 unsupported versions offered"},
	{all, "version", body(&wire.VersionSelect{Sender: below, Version: 2}), Failed, "drop_conn 2 unsupported version selected"},
	{all, "code 41", body(&wire.DropConn{Sender: below, Code: 41, Text: "odd"}), Failed, "drop_conn 1 odd"},
	{[]string{"A", "B"}, "own ID", hello(own), Failed, "drop_conn 29 an endpoint cannot peer with itself"},
	{[]string{"A", "B"}, "zero ID", hello(data.EndpointID{}), Failed, "drop_conn 29 the endpoint ID is zero"},
	{[]string{"A", "VS"}, "zero ID selects", selects(data.EndpointID{}), Failed, "drop_conn 29 the endpoint ID is zero"},
	{[]string{"A", "B"}, "versions around", body(&wire.Hello{Sender: above, Min: 0, Max: 255}), AwaitSynAck, "version_select, originator_syn"},
	{[]string{"A", "B"}, "versions above 1", body(&wire.Hello{Sender: below, Min: 1, Max: 9}), AwaitVersion, "hello"},
	{all, "versions upside down", body(&wire.Hello{Sender: above, Min: 1, Max: 0}), Failed, "drop_conn 2 unsupported versions offered"},
	{all, "version 0", body(&wire.VersionSelect{Sender: below}), Failed, "drop_conn 2 unsupported version selected"},
	{all, "no type", []byte{}, Failed, "drop_conn 20 invalid message type tag"},
	{[]string{"B"}, "probe with more bytes", append(slices.Clone(probe), 1, 2), Probing, ""},
	{[]string{"OA"}, "originator_ack with more bytes", append(slices.Clone(ack), 1, 2), Done, ""},
	{[]string{"A", "VS"}, "own ID selects", selects(own), Failed, "drop_conn 29 an endpoint cannot peer with itself"},
}

// TestStateTable steps a machine through every row.
func TestStateTable(t *testing.T) {
	for _, row := range stateTable {
		for _, state := range row.states {
			t.Run(state+"/"+row.name, func(t *testing.T) {
				reg := NewRegistry()
				if state == "PAUSED" {
					machine(false, reg).Step(hello(above))
				}
				m := machine(statePaths[state].dialer, reg)
				for _, b := range statePaths[state].steps {
					if out := m.Step(b); out.Err != nil {
						t.Fatal(out.Err)
					}
				}
				out := m.Step(row.received)
				if got := describe(out); out.State != row.next || got != row.answer || (out.Err != nil) != (row.next == Failed) {
					t.Errorf("state %s, answer %q, error %v; want %s, %q", out.State, got, out.Err, row.next, row.answer)
				}
				if row.next == Failed && state != "PAUSED" && (reg.Known(above) || reg.Known(below)) {
					t.Error("a failed handshake is still registered")
				}
				if d := out.Err; strings.HasPrefix(row.name, "drop_conn") && (!d.Remote || d.Code == code.None || d.Text != "no") {
					t.Errorf("the refusal is not in the error: %+v", d)
				}
				if row.next == Done {
					theirs, announced := m.Filters()
					if !slices.Equal(theirs, []string{"/theirs"}) || !slices.Equal(announced, []string{"/own"}) {
						t.Errorf("filters %q, %q", theirs, announced)
					}
				}
			})
		}
	}
}

// established registers a link with a peer and answers its machine.
func established(t *testing.T, r *Registry, peer data.EndpointID) {
	t.Helper()
	steps := [][]byte{selects(peer), syn, ack}
	if peer.Compare(own) > 0 {
		steps = [][]byte{hello(peer), synAck}
	}
	m := machine(true, r)
	var out Output
	for _, b := range steps {
		out = m.Step(b)
	}
	if out.State != Done {
		t.Fatalf("state %s: %v", out.State, out.Err)
	}
}

// TestRegistration has every row of wire.md 6.3.
func TestRegistration(t *testing.T) {
	t.Run("originator, connected", func(t *testing.T) {
		r := NewRegistry()
		var clash data.EndpointID
		r.Clash = func(id data.EndpointID) { clash = id }
		established(t, r, above)
		out := machine(false, r).Step(hello(above))
		if got := describe(out); got != "drop_conn 39 redundant connection" || out.Err.Class != Redundant || out.Err.Peer != above || clash != above {
			t.Errorf("%q, %+v, clash %v", got, out.Err, clash)
		}
	})
	t.Run("responder, connected", func(t *testing.T) {
		r := NewRegistry()
		established(t, r, below)
		out := machine(true, r).Step(selects(below))
		if got := describe(out); got != "drop_conn 40 detected redundant connection at the responder" || out.Err.Class != Redundant {
			t.Errorf("%q, %+v", got, out.Err)
		}
	})
	t.Run("responder, connecting", func(t *testing.T) {
		r := NewRegistry()
		machine(true, r).Step(selects(below))
		if got := describe(machine(true, r).Step(selects(below))); got != "drop_conn 40 detected redundant connection at the responder" {
			t.Errorf("%q", got)
		}
	})
	t.Run("shutting down", func(t *testing.T) {
		r := NewRegistry()
		r.Shutdown()
		for _, b := range [][]byte{hello(above), selects(below)} {
			if got := describe(machine(true, r).Step(b)); got != "drop_conn 28 shutting down" {
				t.Errorf("%q", got)
			}
		}
	})
	t.Run("after the link", func(t *testing.T) {
		r := NewRegistry()
		established(t, r, above)
		r.Forget(above)
		established(t, r, above)
	})
}

// parkOne makes a machine wait for another one, and answers what wakes it.
func parkOne(t *testing.T, r *Registry) (*Machine, chan Output) {
	t.Helper()
	woken := make(chan Output, 1)
	m := NewMachine(own, false, r, ownFilter, func(o Output) { woken <- o })
	if out := m.Step(hello(above)); out.State != Parked || len(out.Frames) != 0 {
		t.Fatalf("%+v", out)
	}
	return m, woken
}

// TestParked parks redundant connections until the first one is decided.
func TestParked(t *testing.T) {
	t.Run("success", func(t *testing.T) {
		r := NewRegistry()
		first := machine(false, r)
		first.Step(hello(above))
		_, woken := parkOne(t, r)
		if out := first.Step(synAck); out.State != Done {
			t.Fatalf("%+v", out)
		}
		if out := <-woken; describe(out) != "drop_conn 39 redundant connection" || out.State != Failed || out.Err.Peer != above {
			t.Errorf("%+v", out)
		}
	})
	t.Run("failure", func(t *testing.T) {
		r := NewRegistry()
		first := machine(false, r)
		first.Step(hello(above))
		second, woken2 := parkOne(t, r)
		_, woken3 := parkOne(t, r)
		first.Abort()
		if out := <-woken2; describe(out) != "version_select, originator_syn" || out.State != AwaitSynAck {
			t.Errorf("%+v", out)
		}
		second.Step(synAck)
		if out := <-woken3; describe(out) != "drop_conn 39 redundant connection" {
			t.Errorf("%+v", out)
		}
		if !r.Known(above) {
			t.Error("the link is not registered")
		}
	})
	t.Run("parked connection ends", func(t *testing.T) {
		r := NewRegistry()
		first := machine(false, r)
		first.Step(hello(above))
		second, woken := parkOne(t, r)
		second.Abort()
		first.Step(synAck)
		select {
		case out := <-woken:
			t.Errorf("woken with %+v", out)
		default:
		}
	})
	t.Run("anything received", func(t *testing.T) {
		r := NewRegistry()
		machine(false, r).Step(hello(above))
		m, _ := parkOne(t, r)
		if out := m.Step(probe); out.State != Failed {
			t.Errorf("%+v", out)
		}
	})
}

// TestParkedRefused ends parked connections before what they wait for is decided.
func TestParkedRefused(t *testing.T) {
	t.Run("shutdown", func(t *testing.T) {
		r := NewRegistry()
		first := machine(false, r)
		first.Step(hello(above))
		_, woken2 := parkOne(t, r)
		_, woken3 := parkOne(t, r)
		r.Shutdown()
		for _, woken := range []chan Output{woken2, woken3} {
			if out := <-woken; describe(out) != "drop_conn 28 shutting down" || out.Err.Class != Refused {
				t.Errorf("%+v", out)
			}
		}
		if out := first.Step(synAck); out.State != Done {
			t.Errorf("what was registered before goes on: %+v", out)
		}
	})
	t.Run("refused by the peer", func(t *testing.T) {
		r := NewRegistry()
		first := machine(false, r)
		first.Step(hello(above))
		m, _ := parkOne(t, r)
		if out := m.Step(drop(code.ShuttingDown)); out.Err.Class != Refused || !out.Err.Remote {
			t.Errorf("%+v", out.Err)
		}
		if out := first.Step(synAck); out.State != Done {
			t.Errorf("%+v", out)
		}
	})
}

// TestDropConn takes refusals: code 39 early means success elsewhere if that peering is known here.
func TestDropConn(t *testing.T) {
	for _, c := range []struct {
		name  string
		known bool
		late  bool
		code  code.Code
		class ErrorClass
		peer  data.EndpointID
	}{
		{"redundant, known", true, false, code.RedundantConnection, Redundant, below},
		{"redundant, unknown", false, false, code.RedundantConnection, Redundant, data.EndpointID{}},
		{"redundant, too late", false, true, code.RedundantConnection, Redundant, data.EndpointID{}},
		{"shutting down", false, false, code.ShuttingDown, Refused, below},
		{"versions", false, false, code.PeerIncompatible, Incompatible, below},
		{"logic error", false, true, code.LogicError, Incompatible, below},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewRegistry()
			if c.known {
				established(t, r, below)
			}
			m := machine(true, r)
			if c.late {
				m.Step(selects(below))
			}
			out := m.Step(drop(c.code))
			if e := out.Err; e == nil || e.Class != c.class || e.Code != c.code || !e.Remote || e.Peer != c.peer || len(out.Frames) != 0 {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestStaleAtResponder is refused by a responder that has not noticed yet that the last connection is gone: later it will do.
func TestStaleAtResponder(t *testing.T) {
	m := machine(true, NewRegistry())
	m.Step(hello(above))
	out := m.Step(body(&wire.DropConn{Sender: above, Code: code.LogicError, Text: "detected redundant connection at the responder"}))
	if e := out.Err; e.Class != Refused || e.Code != code.LogicError || !e.Remote {
		t.Errorf("%+v", e)
	}
}

// TestCrossing has both ends dial each other: whichever order the frames take, one connection is left on both sides.
func TestCrossing(t *testing.T) {
	for order := range 1 << 10 {
		cross(t, order)
	}
}

// cross runs two connections between two endpoints, picking the next frame to deliver by the bits of order.
func cross(t *testing.T, order int) {
	t.Helper()
	regs := [2]*Registry{NewRegistry(), NewRegistry()}
	ids := [2]data.EndpointID{below, above}
	var ms [2][2]*Machine    // connection, side
	var wires [2][2][][]byte // frames towards a side
	var states [2][2]State
	for conn := range 2 {
		for side := range 2 {
			send := func(o Output) {
				states[conn][side] = o.State
				wires[conn][1-side] = append(wires[conn][1-side], o.Frames...)
			}
			ms[conn][side] = NewMachine(ids[side], conn == side, regs[side], ownFilter, send)
			send(Output{Frames: ms[conn][side].Start()})
		}
	}
	for step := 0; ; step++ {
		var ready [][2]int
		for conn := range 2 {
			for side := range 2 {
				if len(wires[conn][side]) > 0 && states[conn][side] < Done {
					ready = append(ready, [2]int{conn, side})
				}
			}
		}
		if len(ready) == 0 {
			break
		}
		at := ready[(order>>(step%10))%len(ready)]
		conn, side := at[0], at[1]
		f := wires[conn][side][0]
		wires[conn][side] = wires[conn][side][1:]
		out := ms[conn][side].Step(f[wire.FrameHeader:])
		states[conn][side] = out.State
		wires[conn][1-side] = append(wires[conn][1-side], out.Frames...)
	}
	var done [2]int
	for conn := range 2 {
		if states[conn][0] == Done && states[conn][1] == Done {
			done[conn]++
		}
	}
	if done[0]+done[1] != 1 {
		t.Fatalf("order %b: states %v", order, states)
	}
}

// FuzzMachine feeds frames of arbitrary bytes to machines in both roles: no panic, and a failed handshake leaves nothing behind.
func FuzzMachine(f *testing.F) {
	for _, steps := range [][][]byte{{hello(above), synAck}, {selects(below), syn, ack}, {hello(below), selects(below), syn, ack}, {probe, drop(code.RedundantConnection)}} {
		var all []byte
		for _, b := range steps {
			all = append(append(all, byte(len(b))), b...)
		}
		f.Add(true, all)
		f.Add(false, all)
	}
	f.Fuzz(func(t *testing.T, dialer bool, in []byte) {
		r := NewRegistry()
		m := machine(dialer, r)
		m.Start()
		for len(in) > 0 && m.Limit() > 0 {
			n := min(int(in[0]), len(in)-1)
			out := m.Step(in[1 : 1+n])
			in = in[1+n:]
			if (out.Err != nil) != (out.State == Failed) {
				t.Fatalf("%+v", out)
			}
			if out.State == Done {
				return
			}
			if out.State == Failed {
				break
			}
		}
		m.Abort()
		if peer, _ := m.Peer(); r.Known(peer) {
			t.Fatal("still registered")
		}
	})
}
