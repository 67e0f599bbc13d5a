// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Registry knows which endpoints are connected or in a handshake, so that no two links to one endpoint come up (wire.md 6.3). Its
// lock also guards the state of the machines that share it.
type Registry struct {
	// Clash, if set, is called without the lock when an endpoint that has a link already says hello on another connection.
	Clash func(id data.EndpointID)

	mu struct {
		sync.Mutex
		closing bool
		entries map[data.EndpointID]*entry
	}
}

// entry is the one handshake or link with a remote endpoint. Absent: none.
type entry struct {
	active *Machine // nil once the link stands
	parked []*Machine
}

// NewRegistry makes an empty registry.
func NewRegistry() *Registry {
	r := &Registry{}
	r.mu.entries = make(map[data.EndpointID]*entry)
	return r
}

// Shutdown refuses every later registration, and the parked ones, with "shutting down".
func (r *Registry) Shutdown() {
	r.mu.Lock()
	r.mu.closing = true
	var parked []*Machine
	for _, e := range r.mu.entries {
		parked, e.parked = append(parked, e.parked...), nil
	}
	r.mu.Unlock()
	r.wakeAll(parked)
}

// Forget removes an endpoint whose link has ended, so that the next connection to it is accepted.
func (r *Registry) Forget(id data.EndpointID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.mu.entries[id]; e != nil && e.active == nil {
		delete(r.mu.entries, id)
	}
}

// Known tells whether an endpoint has a link or is in a handshake.
func (r *Registry) Known(id data.EndpointID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.entries[id] != nil
}

// verdict of a registration.
type verdict uint8

const (
	proceed verdict = iota
	park
	refuse
)

// registerLocked claims the remote endpoint for a machine.
func (r *Registry) registerLocked(m *Machine, id data.EndpointID) (verdict, *wire.HandshakeError) {
	e := r.mu.entries[id]
	switch {
	case r.mu.closing:
		return refuse, &wire.HandshakeError{Code: code.ShuttingDown, Text: "shutting down"}
	case e == nil:
		r.mu.entries[id] = &entry{active: m}
		return proceed, nil
	case m.role == Responder:
		return refuse, &wire.HandshakeError{Code: code.LogicError, Text: "detected redundant connection at the responder"}
	case e.active == nil:
		return refuse, &wire.HandshakeError{Code: code.RedundantConnection, Text: "redundant connection"}
	default:
		e.parked = append(e.parked, m)
		return park, nil
	}
}

// settleLocked ends a machine's claim: with ok the entry stays as that of a link. It returns the parked machines to be woken: all of
// them to be refused after success, the first one to go on after a failure.
func (r *Registry) settleLocked(m *Machine, ok bool) (wake []*Machine) {
	e := r.mu.entries[m.peer]
	if e == nil {
		return nil
	}
	if e.active != m {
		for i, p := range e.parked {
			if p == m {
				e.parked = append(e.parked[:i], e.parked[i+1:]...)
				break
			}
		}
		return nil
	}
	if ok {
		wake, e.active, e.parked = e.parked, nil, nil
		return wake
	}
	if len(e.parked) == 0 {
		delete(r.mu.entries, m.peer)
		return nil
	}
	e.active = e.parked[0]
	e.parked = e.parked[1:]
	return []*Machine{e.active}
}
