// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"errors"
	"fmt"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// State is where a handshake is (wire.md 6.2).
type State uint8

// The states. The comments give the names of the specification.
const (
	Greeting     State = iota // A: dialer, hello sent
	Probing                   // B: listener, probe sent
	AwaitVersion              // VS
	AwaitSyn                  // OS
	AwaitSynAck               // RA
	AwaitAck                  // OA
	Parked                    // PAUSED: another handshake with that endpoint goes first
	Done                      // FIN
	Failed                    // ERR
)

var stateNames = [...]string{"greeting", "probing", "await version_select", "await originator_syn", "await responder_syn_ack",
	"await originator_ack", "parked", "done", "failed"}

// String is the state in words, for instance "await version_select".
func (s State) String() string { return stateNames[s] }

// Role is what an endpoint does in a handshake: the one with the smaller ID is the originator.
type Role uint8

// The roles; NoRole until a hello or version_select has come.
const (
	NoRole Role = iota
	Originator
	Responder
)

// Output is what a machine wants done after a step.
type Output struct {
	// Frames are to be written in order, each by a write of its own.
	Frames [][]byte
	// State after the step. After Done the connection is in operation, after Failed it is to be closed once Frames are written.
	State State
	// Err is set if and only if State is Failed.
	Err *Error
}

// Machine is one side of one handshake, without socket and clock. Start gives the first frames, then every received frame goes to
// Step until the state is Done or Failed; when the connection ends before, Abort must be called. The methods may be called from any
// goroutine.
type Machine struct {
	self   data.EndpointID
	dialer bool
	reg    *Registry
	filter func() []string
	wake   func(Output)

	// All below is guarded by the registry's lock.
	state     State
	role      Role
	peer      data.EndpointID
	theirs    []string
	announced []string
	clash     data.EndpointID // has a link already and said hello in this step
}

// NewMachine makes a machine. filter is asked for the own filter when it is sent; it must not block. wake is called from another
// goroutine when a parked handshake goes on or is refused; nil if the caller never parks.
func NewMachine(self data.EndpointID, dialer bool, reg *Registry, filter func() []string, wake func(Output)) *Machine {
	m := &Machine{self: self, dialer: dialer, reg: reg, filter: filter, wake: wake, state: Probing}
	if dialer {
		m.state = Greeting
	}
	return m
}

// Start gives the frames that this side sends before it has received anything.
func (m *Machine) Start() [][]byte {
	if m.dialer {
		return m.hello()
	}
	return frames(&wire.Probe{})
}

// Peer is the endpoint at the other end and the own role; zero until they are known.
func (m *Machine) Peer() (data.EndpointID, Role) {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	return m.peer, m.role
}

// Filters are the peer's filter and the own one as it was sent; valid once the machine is Done.
func (m *Machine) Filters() (theirs, announced []string) {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	return m.theirs, m.announced
}

// Limit is the largest frame body that may be received now.
func (m *Machine) Limit() int {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	if m.state == AwaitSyn || m.state == AwaitSynAck {
		return wire.MaxFilterBody
	}
	return wire.MaxNegotiationBody
}

// Step takes the body of one received frame.
func (m *Machine) Step(body []byte) Output {
	m.reg.mu.Lock()
	out, woken := m.stepLocked(body)
	clash := m.clash
	m.clash = data.EndpointID{}
	m.reg.mu.Unlock()
	m.reg.wakeAll(woken)
	if m.reg.Clash != nil && !clash.IsZero() {
		m.reg.Clash(clash)
	}
	return out
}

// Abort ends a handshake whose connection has gone. It does nothing after Done or Failed.
func (m *Machine) Abort() {
	m.reg.mu.Lock()
	var woken []*Machine
	if m.state != Done && m.state != Failed {
		m.state = Failed
		woken = m.reg.settleLocked(m, false)
	}
	m.reg.mu.Unlock()
	m.reg.wakeAll(woken)
}

func (m *Machine) stepLocked(body []byte) (Output, []*Machine) {
	if m.state == Done || m.state == Failed {
		return m.failLocked(&Error{Class: Incompatible, Text: "frame after the end of the handshake"}, nil)
	}
	msg, err := wire.ParseHandshake(body)
	if err != nil {
		return m.rejectLocked(err)
	}
	early := m.state == Greeting || m.state == Probing
	switch msg := msg.(type) {
	case *wire.Probe:
		if early || m.state == AwaitVersion {
			return m.output(), nil
		}
	case *wire.Hello:
		if early {
			return m.helloLocked(msg)
		}
	case *wire.VersionSelect:
		if m.state == Greeting || m.state == AwaitVersion {
			return m.selectLocked(msg)
		}
	case *wire.DropConn:
		return m.droppedLocked(msg, early || m.state == AwaitVersion)
	case *wire.OriginatorSyn:
		if m.state == AwaitSyn {
			m.theirs, m.announced, m.state = msg.Filter, m.filter(), AwaitAck
			return m.output(&wire.ResponderSynAck{Filter: m.announced}), nil
		}
	case *wire.ResponderSynAck:
		if m.state == AwaitSynAck {
			m.theirs = msg.Filter
			return m.doneLocked(&wire.OriginatorAck{})
		}
	case *wire.OriginatorAck:
		if m.state == AwaitAck {
			return m.doneLocked()
		}
	}
	return m.failLocked(&Error{Class: Incompatible, Text: fmt.Sprintf("unexpected %s in state %q", msg.Type(), m.state)}, nil)
}

func (m *Machine) helloLocked(msg *wire.Hello) (Output, []*Machine) {
	if err := m.checkSender(msg.Sender); err != nil {
		return m.rejectLocked(err)
	}
	if m.self.Compare(msg.Sender) > 0 {
		m.state = AwaitVersion
		return Output{Frames: m.hello(), State: m.state}, nil
	}
	m.peer, m.role = msg.Sender, Originator
	switch v, err := m.reg.registerLocked(m, m.peer); v {
	case proceed:
		return m.originateLocked(), nil
	case park:
		m.state = Parked
		return m.output(), nil
	default:
		return m.rejectLocked(err)
	}
}

// originateLocked sends what makes this side the originator.
func (m *Machine) originateLocked() Output {
	m.state, m.announced = AwaitSynAck, m.filter()
	return m.output(&wire.VersionSelect{Sender: m.self, Version: wire.ProtocolVersion}, &wire.OriginatorSyn{Filter: m.announced})
}

func (m *Machine) selectLocked(msg *wire.VersionSelect) (Output, []*Machine) {
	if err := m.checkSender(msg.Sender); err != nil {
		return m.rejectLocked(err)
	}
	m.peer, m.role = msg.Sender, Responder
	if v, err := m.reg.registerLocked(m, m.peer); v != proceed {
		return m.rejectLocked(err)
	}
	m.state = AwaitSyn
	return m.output(), nil
}

// checkSender refuses IDs that nobody may have, and notes one that has a link.
func (m *Machine) checkSender(id data.EndpointID) error {
	if e := m.reg.mu.entries[id]; e != nil && e.active == nil {
		m.clash = id
	}
	switch {
	case id.IsZero():
		return &wire.HandshakeError{Code: code.InvalidPeeringRequest, Text: "the endpoint ID is zero"}
	case id == m.self:
		return &wire.HandshakeError{Code: code.InvalidPeeringRequest, Text: "an endpoint cannot peer with itself"}
	}
	return nil
}

// droppedLocked takes the peer's refusal. Early in the handshake code 39 means that the peering exists or is about to.
func (m *Machine) droppedLocked(msg *wire.DropConn, early bool) (Output, []*Machine) {
	err := &Error{Class: Incompatible, Code: msg.Code, Remote: true, Peer: msg.Sender, Text: msg.Text}
	switch {
	case msg.Code == code.RedundantConnection:
		err.Class = Redundant
		if e := m.reg.mu.entries[msg.Sender]; e == nil || e.active == m || !early {
			err.Peer = data.EndpointID{} // nobody here knows of that peering
		}
	case msg.Code == code.ShuttingDown:
		err.Class = Refused
	case msg.Code == code.LogicError && strings.HasPrefix(msg.Text, "detected redundant connection"):
		err.Class = Refused // the peer still believes in a connection that is gone here; that passes
	}
	return m.failLocked(err, nil)
}

func (m *Machine) doneLocked(msgs ...wire.Handshake) (Output, []*Machine) {
	m.state = Done
	return m.output(msgs...), m.reg.settleLocked(m, true)
}

// rejectLocked answers with drop_conn and fails.
func (m *Machine) rejectLocked(err error) (Output, []*Machine) {
	he := &wire.HandshakeError{Code: code.InvalidMessage, Text: err.Error()}
	errors.As(err, &he)
	e := &Error{Class: Incompatible, Code: he.Code, Peer: m.peer, Text: he.Text}
	switch he.Code {
	case code.RedundantConnection:
		e.Class = Redundant
	case code.LogicError:
		e.Class = Redundant
	case code.ShuttingDown:
		e.Class = Refused
	}
	return m.failLocked(e, frames(&wire.DropConn{Sender: m.self, Code: he.Code, Text: he.Text}))
}

func (m *Machine) failLocked(err *Error, out [][]byte) (Output, []*Machine) {
	var woken []*Machine
	if m.state != Done && m.state != Failed {
		m.state = Failed
		woken = m.reg.settleLocked(m, false)
	}
	return Output{Frames: out, State: Failed, Err: err}, woken
}

// wakeAll tells parked machines that the handshake they waited for has ended.
func (r *Registry) wakeAll(ms []*Machine) {
	for _, m := range ms {
		if out, more := m.resume(); m.wake != nil {
			m.wake(out)
			r.wakeAll(more)
		}
	}
}

// resume goes on with a parked handshake: as the one for that endpoint if it was chosen, with a refusal otherwise.
func (m *Machine) resume() (Output, []*Machine) {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	if m.state != Parked { // its connection ended meanwhile
		return m.failLocked(&Error{Class: Refused, Text: "connection closed"}, nil)
	}
	if m.reg.mu.closing {
		return m.rejectLocked(&wire.HandshakeError{Code: code.ShuttingDown, Text: "shutting down"})
	}
	if e := m.reg.mu.entries[m.peer]; e != nil && e.active == m {
		return m.originateLocked(), nil
	}
	return m.rejectLocked(&wire.HandshakeError{Code: code.RedundantConnection, Text: "redundant connection"})
}

func (m *Machine) hello() [][]byte {
	return frames(&wire.Hello{Sender: m.self, Min: wire.ProtocolVersion, Max: wire.ProtocolVersion})
}

func (m *Machine) output(msgs ...wire.Handshake) Output {
	return Output{Frames: frames(msgs...), State: m.state}
}

func frames(msgs ...wire.Handshake) [][]byte {
	var out [][]byte
	for _, msg := range msgs {
		out = append(out, wire.AppendHandshake(nil, msg))
	}
	return out
}

// Forget gives up a claim after Done, when the connection is not used after all.
func (m *Machine) Forget() {
	id, _ := m.Peer()
	m.reg.Forget(id)
}
