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
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
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

// helloTime is how long a client may take to say what it wants.
const helloTime = 10 * time.Second

// Options of a Gateway. The zero Options are good.
type Options struct {
	// TLS protects the port; clients need a certificate of its CA. Nil means
	// plain TCP.
	TLS *peering.TLS
	// Version is what clients are told.
	Version string
	// Clients is how many there may be at a time, MaxMessage how many bytes a
	// message of theirs may have, Queue how many messages may wait for one of
	// them before it is let go.
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

// Gateway serves the clients of one port.
type Gateway struct {
	e      *broker.Endpoint
	o      Options
	server *http.Server
	addr   net.Addr

	stop    context.Context // ends every session
	cancel  context.CancelFunc
	running sync.WaitGroup // the server and all sessions

	mu struct {
		sync.Mutex
		closing  bool
		clients  int
		sessions map[*session]struct{} // those with a subscription
	}
}

// Listen opens HOST:PORT for clients of the endpoint. Port 0 takes a free one.
// The gateway must be closed before its endpoint.
func Listen(e *broker.Endpoint, address string, o Options) (*Gateway, error) {
	g := &Gateway{e: e, o: o.withDefaults()}
	g.stop, g.cancel = context.WithCancel(context.Background())
	g.mu.sessions = make(map[*session]struct{})
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for WebSocket clients: %w", err)
	}
	g.addr = l.Addr()
	if o.TLS != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: g.security})
	}
	g.server = &http.Server{
		Handler:           http.HandlerFunc(g.serve),
		ReadHeaderTimeout: helloTime,
		MaxHeaderBytes:    16 << 10,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
		ErrorLog:          slog.NewLogLogger(g.o.Logger.Handler(), slog.LevelDebug),
	}
	g.running.Go(func() {
		if err := g.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.o.Logger.Error("the WebSocket port ended", "error", err)
		}
	})
	return g, nil
}

// security is the TLS side of one handshake, from the files of now.
func (g *Gateway) security(*tls.ClientHelloInfo) (*tls.Config, error) {
	c, err := g.o.TLS.Config()
	if err != nil {
		return nil, err
	}
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.ClientCAs = c.RootCAs
	c.NextProtos = []string{"http/1.1"}
	return c, nil
}

// Addr is the address that the gateway listens on.
func (g *Gateway) Addr() net.Addr { return g.addr }

// Clients is how many clients are connected.
func (g *Gateway) Clients() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.clients
}

// Close lets all clients go with code 1001 and returns when they are gone.
// Closing twice is fine.
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

// serve turns a request into a session and runs it.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
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
	log := g.o.Logger.With("client", r.RemoteAddr)
	switch {
	case r.URL.Path != Path:
		g.reject(conn, "invalid_uri", "Invalid URI - use "+Path)
	case len(names) > 0 && !applicationName.MatchString(names[0]):
		g.reject(conn, "invalid_application_name", "Invalid X-Application-Name")
	default:
		log.Info("WebSocket client connected", "applications", names)
		err := g.session(conn)
		log.Info("WebSocket client left", "reason", err)
	}
}

// reject says in a message and in the close frame why there is no session.
func (g *Gateway) reject(conn *websocket.Conn, code, context string) {
	g.say(conn, jsonwire.AppendError(nil, code, context))
	conn.Close(websocket.StatusPolicyViolation, cut(context))
}

// say sends a message and gives up when the client doesn't take it.
func (g *Gateway) say(conn *websocket.Conn, text []byte) error {
	ctx, cancel := context.WithTimeout(g.stop, helloTime)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, text)
}

// cut makes a text fit into a close frame.
func cut(reason string) string { return reason[:min(len(reason), 120)] }
