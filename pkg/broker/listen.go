// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// Listen accepts peers at HOST:PORT and answers the address with the port that was taken (port 0 lets the system choose). An empty
// host means all interfaces. It may be called several times.
func (e *Endpoint) Listen(address string) (net.Addr, error) {
	l, err := peering.Listen(e.stop, address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := e.listen(l); err != nil {
		l.Close()
		return nil, err
	}
	return l.Addr(), nil
}

func (e *Endpoint) listen(l net.Listener) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closing {
		return ErrClosed
	}
	e.mu.listeners = append(e.mu.listeners, l)
	e.running.Go(func() { peering.Serve(l, e.log, &e.counters.handshakesCrowded, e.accept) })
	return nil
}

// Listeners are the addresses at which the endpoint accepts peers.
func (e *Endpoint) Listeners() []net.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []net.Addr
	for _, l := range e.mu.listeners {
		out = append(out, l.Addr())
	}
	return out
}

// accept runs one accepted connection to its end.
func (e *Endpoint) accept(conn net.Conn, done func()) {
	defer done()
	remote := conn.RemoteAddr().String()
	est, err := peering.Negotiate(e.stop, conn, false, e.config(PeerOptions{}))
	if err != nil {
		e.refused(remote, err)
		return
	}
	done()
	p := e.newPeer(est, remote, nil)
	if cause, peered := p.run(); !peered && cause != nil && !errors.Is(cause, ErrClosed) {
		e.counters.handshakesFailed.Add(1) // it ended before it had said who it is
		p.log.Debug("connection ended before it was peered", "error", cause)
	}
}

// refused counts and logs a connection that did not become a peering. Many of them can come, so the log is kept short.
func (e *Endpoint) refused(remote string, err error) {
	e.counters.handshakesFailed.Add(1)
	var pe *peering.Error
	if !errors.As(err, &pe) || e.stop.Err() != nil {
		return
	}
	switch {
	case pe.Class == peering.Redundant:
		e.log.Debug("redundant connection", "address", remote, "peer", pe.Peer)
		return
	case pe.Text == peering.TextNoWord: // health checks do it all day
		e.log.Debug("connection without a word", "address", remote)
		return
	}
	e.counters.refusal.log(func() {
		e.log.Warn("connection refused", "address", remote, "class", pe.Class, "code", pe.Code, "error", pe.Error())
	})
}

// config is what a handshake needs to know.
func (e *Endpoint) config(opt PeerOptions) peering.Config {
	security := e.opt.TLS
	if opt.Security != nil {
		security = opt.Security.TLS
	}
	return peering.Config{
		Self: e.opt.ID, Registry: e.registry, TLS: security, ServerURI: opt.ServerURI, ServerName: opt.ServerName,
		Filter: func() []string { return e.routes.Load().greeting }, BusyPoll: e.opt.BusyPoll,
	}
}

// clash hears that an endpoint which is connected says hello on another connection: perhaps the old one is dead.
func (e *Endpoint) clash(id endpointID) {
	e.mu.Lock()
	p := e.mu.peers[id]
	e.mu.Unlock()
	if p != nil {
		p.probe()
	}
}

// logInterval is the least time between two log lines about the same kind of bad input.
const logInterval = time.Minute
