// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"net/netip"

	"github.com/coder/websocket"
)

// ServeHTTP turns a request into a session and runs it. What can be refused before the upgrade gets an HTTP status: 404 or 400 for a
// wrong path, 403 for an origin or a client without permission, 401 for a missing or unknown token, 503 when all places are taken.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m, nameOK := mannersOf(g.o.Dialect, r.Header)
	if !m.rightPath(r) && !m.zeek {
		m.wrongPath(w)
		return
	}
	door := g.door.Load()
	who, may, refused := door.admit(r)
	if refused != nil {
		g.refused.Add(1)
		g.refusals.Do(func() { // a guesser of tokens doesn't fill the log
			g.o.Logger.Warn("WebSocket client refused", "client", r.RemoteAddr, "identity", who.String(), "origin", r.Header.Get("Origin"),
				"reason", refused.text, "refused", g.refused.Load())
		})
		if refused.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="brokermesh"`)
		}
		http.Error(w, refused.text, refused.status)
		return
	}
	source := sourceOf(r.RemoteAddr)
	if !g.enter(source) {
		http.Error(w, "too many clients", http.StatusServiceUnavailable)
		return
	}
	defer g.leave(source)
	number := g.number.Add(1) - 1 // before the client knows that it is in
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // the doorman has looked at the origin
		CompressionMode:    websocket.CompressionDisabled,
	})
	g.upgrading.Done()
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(int64(g.o.Limits.Message))
	s := newSession(g, conn, r)
	s.number, s.manners, s.who, s.may = number, m, who, may
	log := g.o.Logger.With("client", r.RemoteAddr, "number", number, "application", m.name, "identity", who.String())
	g.register(s, door)
	defer g.unregister(s)
	switch {
	case !m.rightPath(r):
		err = s.run(s.rejecting("invalid_uri", "Invalid URI - use "+Path))
	case !nameOK:
		err = s.run(s.rejecting("invalid_application_name", "Invalid X-Application-Name"))
	default:
		log.Info("WebSocket client connected")
		err = s.run(s.serve)
	}
	v := s.view()
	log.Info("WebSocket client left", "reason", err, "sent", v.Sent, "received", v.Received, "dropped", v.Dropped)
}

// sourceOf is what the clients of an address are counted by; invalid for the own machine, and where there is no address.
func sourceOf(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	a := at.Addr().Unmap().WithZone("")
	switch {
	case a.IsLoopback():
		return netip.Addr{}
	case a.Is6():
		network, _ := a.Prefix(64) // IPv6 addresses have that many bits
		return network.Addr()
	}
	return a
}

// bare is the request without what the session has no need to keep in memory.
func bare(r *http.Request) *http.Request {
	kept := &http.Request{Host: r.Host, RemoteAddr: r.RemoteAddr, TLS: r.TLS, Header: make(http.Header)}
	for _, name := range []string{"Origin", "Authorization", "Sec-Websocket-Protocol"} {
		if v, ok := r.Header[name]; ok {
			kept.Header[name] = v
		}
	}
	return kept
}
