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
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// Path is where clients connect.
const Path = "/v1/messages/json"

// Defaults of Options.
const (
	DefaultClients  = 100
	DefaultMessage  = 16 << 20
	DefaultQueue    = 512
	DefaultInterval = 5 * time.Second
)

// helloTime is how long a client may take for its HTTP request, and again to
// say what it wants.
const helloTime = 10 * time.Second

// Options of a Gateway. The zero Options are good.
type Options struct {
	// TLS protects what Serve listens on; clients need a certificate of its
	// CA. Nil means plain TCP.
	TLS *peering.TLS
	// Version is what clients are told.
	Version string
	// Clients is how many there may be at a time, MaxMessage how many bytes a
	// message of theirs may have, Queue how many messages may wait for one of
	// them; when more have been waiting for a second, it is let go.
	Clients, MaxMessage, Queue int
	// PingInterval is the time between two pings, and that within which a
	// client has to answer one.
	PingInterval time.Duration
	// Logger gets who comes and goes; nil discards it.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Version = cmp.Or(o.Version, "brokermesh")
	o.Clients = cmp.Or(o.Clients, DefaultClients)
	o.MaxMessage = cmp.Or(o.MaxMessage, DefaultMessage)
	o.Queue = cmp.Or(o.Queue, DefaultQueue)
	o.PingInterval = cmp.Or(o.PingInterval, DefaultInterval)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Gateway serves clients of one endpoint. Its methods may be called from any
// goroutine.
type Gateway struct {
	e      *broker.Endpoint
	o      Options
	server *http.Server
	addr   net.Addr // of Listen

	stop    context.Context // ends every session
	cancel  context.CancelFunc
	running sync.WaitGroup // all sessions, and the server of Listen

	mu struct {
		sync.Mutex
		closing  bool
		strange  int // connections that are no sessions yet
		clients  int
		sessions map[*session]struct{} // those with a subscription
	}
}

// New makes a gateway that has no port yet: it is an [http.Handler], and Serve
// gives it a listener. It must be closed, and before its endpoint.
func New(e *broker.Endpoint, o Options) *Gateway {
	g := &Gateway{e: e, o: o.withDefaults()}
	g.stop, g.cancel = context.WithCancel(context.Background())
	g.mu.sessions = make(map[*session]struct{})
	g.server = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: helloTime,
		IdleTimeout:       helloTime,
		MaxHeaderBytes:    16 << 10,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
		ConnState:         g.count,
		ErrorLog:          slog.NewLogLogger(g.o.Logger.Handler(), slog.LevelDebug),
	}
	return g
}

// Listen makes a gateway that serves HOST:PORT. Port 0 takes a free one.
func Listen(e *broker.Endpoint, address string, o Options) (*Gateway, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for WebSocket clients: %w", err)
	}
	g := New(e, o)
	g.addr = l.Addr()
	g.running.Go(func() {
		if err := g.Serve(l); err != nil {
			g.o.Logger.Error("the WebSocket port ended", "error", err)
		}
	})
	return g, nil
}

// Serve accepts clients until the gateway is closed, which is no error. It
// closes the listener.
func (g *Gateway) Serve(l net.Listener) error {
	if g.o.TLS != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: g.security})
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
	c.NextProtos = []string{"http/1.1"}
	return c, nil
}

// count bounds the connections that have not become sessions: as many as there
// may be clients.
func (g *Gateway) count(c net.Conn, state http.ConnState) {
	g.mu.Lock()
	switch state {
	case http.StateNew:
		g.mu.strange++
	case http.StateHijacked, http.StateClosed:
		g.mu.strange--
	}
	full := state == http.StateNew && g.mu.strange > g.o.Clients
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

// Close lets all clients go with code 1001 and returns when they are gone,
// which takes about a second if one of them doesn't answer. Closing twice is
// fine.
func (g *Gateway) Close() error {
	g.mu.Lock()
	g.mu.closing = true
	g.mu.Unlock()
	g.cancel()
	err := g.server.Close()
	g.running.Wait()
	return err
}

// enter takes a place among the clients; false if there is none.
func (g *Gateway) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closing || g.mu.clients >= g.o.Clients {
		return false
	}
	g.mu.clients++
	g.running.Add(1)
	return true
}

func (g *Gateway) leave() {
	g.mu.Lock()
	g.mu.clients--
	g.mu.Unlock()
	g.running.Done()
}

// applicationName is what a client of Zeek's server may call itself.
var applicationName = regexp.MustCompile(`^[A-Za-z0-9/_.=:*@-]*$`)

// ServeHTTP turns a request into a session and runs it. Who gives an
// application name expects what Zeek's server does with a wrong path; others
// get status 404.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names := r.Header.Values("X-Application-Name")
	if r.URL.Path != Path && len(names) == 0 {
		http.Error(w, "invalid path; try "+Path, http.StatusNotFound)
		return
	}
	if !g.enter() {
		http.Error(w, "too many clients", http.StatusServiceUnavailable)
		return
	}
	defer g.leave()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // any origin: who may come is decided by certificates
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(int64(g.o.MaxMessage))
	s := newSession(g, conn)
	switch {
	case r.URL.Path != Path:
		err = s.run(func(context.Context) error { return s.reject("invalid_uri", "Invalid URI - use "+Path) })
	case len(names) > 0 && !applicationName.MatchString(names[0]):
		err = s.run(func(context.Context) error { return s.reject("invalid_application_name", "Invalid X-Application-Name") })
	default:
		g.o.Logger.Info("WebSocket client connected", "client", r.RemoteAddr, "application", strings.Join(names, ", "))
		err = s.run(s.serve)
	}
	g.o.Logger.Info("WebSocket client left", "client", r.RemoteAddr, "reason", err, "sent", s.sent.Load(), "received", s.received.Load())
}

// register lets a session hear the other clients, and unregister ends that.
func (g *Gateway) register(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.sessions[s] = struct{}{}
}

func (g *Gateway) unregister(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.mu.sessions, s)
}

// passOn hands a client's message to the other clients that want it.
func (g *Gateway) passOn(from *session, name string, v data.Value) {
	var to []*session
	g.mu.Lock()
	for s := range g.mu.sessions {
		if s != from && s.filter.Matches(name) {
			to = append(to, s)
		}
	}
	g.mu.Unlock()
	if len(to) == 0 {
		return
	}
	i := item{text: jsonwire.AppendMessage(nil, name, v)}
	for _, s := range to {
		s.enqueue(i)
	}
}
