// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// Gateway serves clients of one endpoint. Its methods may be called from any goroutine.
type Gateway struct {
	e      *broker.Endpoint
	o      Options
	server *http.Server
	addr   net.Addr // of Listen
	door   atomic.Pointer[doorman]
	number atomic.Uint64 // sessions begun
	large  sync.Mutex    // held to read a large message

	refused  atomic.Uint64  // requests without permission
	refusals rate.Sometimes // when to log one

	stop    context.Context // ends every session
	cancel  context.CancelFunc
	running sync.WaitGroup // all sessions, and the server of Listen
	// upgrading are requests that have a place and are on their way to be sessions. The server must not close their connections: the
	// client may have been told already that it is in, and is to hear why it has to go.
	upgrading sync.WaitGroup

	mu struct {
		sync.Mutex
		closing  bool
		strange  int                // connections that are no sessions yet
		clients  int                // places taken
		from     map[netip.Addr]int // the same by source, without the own machine
		sessions map[*session]struct{}
	}
}

// New makes a gateway that has no port yet: it is an [http.Handler], and Serve gives it a listener. It must be closed, and before its
// endpoint. Options that aren't valid are an error.
func New(e *broker.Endpoint, o Options) (*Gateway, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("options for WebSocket clients: %w", err)
	}
	if o.TLS != nil {
		if _, err := o.TLS.Server(); err != nil { // an error now rather than at each handshake
			return nil, fmt.Errorf("TLS for WebSocket clients: %w", err)
		}
	}
	g := &Gateway{e: e, o: o.withDefaults(), refusals: rate.Sometimes{First: 10, Interval: time.Second}}
	g.door.Store(newDoorman(o.Access))
	g.stop, g.cancel = context.WithCancel(context.Background())
	g.mu.sessions = make(map[*session]struct{})
	g.mu.from = make(map[netip.Addr]int)
	g.server = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: helloTime,
		IdleTimeout:       helloTime,
		MaxHeaderBytes:    16 << 10,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
		ConnState:         g.count,
		ErrorLog:          slog.NewLogLogger(g.o.Logger.Handler(), slog.LevelDebug),
	}
	return g, nil
}

// Listen makes a gateway that serves HOST:PORT. Port 0 takes a free one.
func Listen(e *broker.Endpoint, address string, o Options) (*Gateway, error) {
	g, err := New(e, o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for WebSocket clients: %w", err)
	}
	g.addr = l.Addr()
	g.running.Go(func() {
		if err := g.Serve(l); err != nil {
			g.o.Logger.Error("the WebSocket port ended", "error", err)
		}
	})
	return g, nil
}

// Serve accepts clients until the gateway is closed, which is no error. It closes the listener.
func (g *Gateway) Serve(l net.Listener) error {
	if g.o.TLS != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: g.security})
	} else if len(g.o.Access.Tokens) > 0 {
		g.o.Logger.Warn("tokens of WebSocket clients travel unencrypted", "address", l.Addr())
	}
	if err := g.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve WebSocket clients: %w", err)
	}
	return nil
}

// security is the TLS side of one handshake, from the files of now.
func (g *Gateway) security(*tls.ClientHelloInfo) (*tls.Config, error) {
	c, err := g.o.TLS.Server()
	if err != nil {
		return nil, err
	}
	switch g.o.ClientCerts {
	case CertsOptional:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case CertsNone:
		c.ClientAuth = tls.NoClientCert
	}
	c.NextProtos = []string{"http/1.1"}
	return c, nil
}

// count bounds the connections that have not become sessions: as many as there may be clients.
func (g *Gateway) count(c net.Conn, state http.ConnState) {
	g.mu.Lock()
	switch state {
	case http.StateNew:
		g.mu.strange++
	case http.StateHijacked, http.StateClosed:
		g.mu.strange--
	}
	full := state == http.StateNew && g.mu.strange > g.o.Limits.Clients
	g.mu.Unlock()
	if full {
		c.Close()
	}
}

// Addr is the address that Listen took; nil without it.
func (g *Gateway) Addr() net.Addr { return g.addr }

// Clients is how many clients are connected.
func (g *Gateway) Clients() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.clients
}

// Refused is how many requests were turned away for their origin, token, certificate or missing permission. Each of the first ten is
// logged, later ones once a second.
func (g *Gateway) Refused() uint64 { return g.refused.Load() }

// Close lets all clients go with code 1001 and returns when they are gone, which takes about a second if one of them doesn't answer.
// Closing twice is fine.
func (g *Gateway) Close() error {
	g.mu.Lock()
	g.mu.closing = true
	g.mu.Unlock()
	g.cancel()
	upgraded := make(chan struct{})
	go func() {
		g.upgrading.Wait()
		close(upgraded)
	}()
	select {
	case <-upgraded:
	case <-time.After(hurryTime):
	}
	err := g.server.Close() // ends the upgrades that are left, too
	<-upgraded
	g.running.Wait()
	return err
}

// SetAccess replaces Options.Access. Clients that would be refused now, or that had other rights, are let go with code 1008; they may
// come back.
func (g *Gateway) SetAccess(a Access) error {
	if err := a.validate(); err != nil {
		return fmt.Errorf("access of WebSocket clients: %w", err)
	}
	d := newDoorman(a)
	g.door.Store(d)
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.mu.sessions {
		if who, may, refused := d.admit(s.request); refused != nil || who != s.who || !may.equal(s.may) {
			s.end(errAccess)
		}
	}
	return nil
}

// enter takes a place among the clients; false if there is none, or none for the source.
func (g *Gateway) enter(source netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closing || g.mu.clients >= g.o.Limits.Clients || g.mu.from[source] >= g.o.Limits.PerAddress {
		return false
	}
	if source.IsValid() {
		g.mu.from[source]++
	}
	g.mu.clients++
	g.running.Add(1)
	g.upgrading.Add(1)
	return true
}

func (g *Gateway) leave(source netip.Addr) {
	g.mu.Lock()
	g.mu.clients--
	if g.mu.from[source]--; g.mu.from[source] <= 0 {
		delete(g.mu.from, source)
	}
	g.mu.Unlock()
	g.running.Done()
}

// register lets a session be seen. The doorman that has admitted it must still be the one.
func (g *Gateway) register(s *session, d *doorman) {
	g.mu.Lock()
	g.mu.sessions[s] = struct{}{}
	g.mu.Unlock()
	if g.door.Load() != d {
		s.end(errAccess)
	}
}

func (g *Gateway) unregister(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.mu.sessions, s)
}

// Session is what is known of a client.
type Session struct {
	// Number counts those who came, from 0.
	Number uint64
	// Address is that of the connection, Application the name that the client gives itself, and Identity how it was let in: "token
	// NAME", the URI of its certificate, or "anonymous".
	Address, Application, Identity string
	Since                          time.Time
	// Subscriptions are the prefixes that the client asked for; nil before it has.
	Subscriptions []string
	// Sent, Received and Dropped count messages: to the client, from it, and those that its full queue has cost it. Queued are
	// waiting.
	Sent, Received, Dropped uint64
	Queued                  int
}

// Sessions are the clients of this moment, in the order in which they came.
func (g *Gateway) Sessions() []Session {
	g.mu.Lock()
	var all []Session
	for s := range g.mu.sessions {
		all = append(all, s.view())
	}
	g.mu.Unlock()
	slices.SortFunc(all, func(a, b Session) int { return cmp.Compare(a.Number, b.Number) })
	return all
}
