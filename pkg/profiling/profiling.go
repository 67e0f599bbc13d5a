// SPDX-License-Identifier: Apache-2.0

// Package profiling serves profiles of the running process (CPU, memory,
// goroutines, locks) in the form of net/http/pprof, to people on the same
// machine only: a profile tells what a program does, and taking one costs it
// time.
package profiling

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// Path is where the profiles are.
const Path = "/debug/pprof/"

// DefaultAddress is where nodes serve profiles unless told otherwise.
const DefaultAddress = "127.0.0.1:9992"

// ErrNotLoopback: the address could be reached from other machines.
var ErrNotLoopback = errors.New("profiles are served on the loopback only")

// Check says what is wrong with an address. The host has to be "localhost" or
// a loopback address, so that nobody else can reach it; an empty host would be
// every interface, and is refused.
func Check(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no HOST:PORT: %w", address, err)
	}
	if !isLoopback(host) {
		return fmt.Errorf("%q: %w; allowed: localhost, 127.0.0.1 or [::1], and a port", address, ErrNotLoopback)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Server serves profiles until it is closed.
type Server struct {
	http http.Server
	at   net.Addr
	done chan struct{}
}

// Serve opens a port and serves profiles there. The errors of requests are
// logged.
func Serve(ctx context.Context, address string, log *slog.Logger) (*Server, error) {
	if err := Check(address); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{at: l.Addr(), done: make(chan struct{})}
	// Profiles take as long as they are asked to: there is no limit for writing.
	s.http = http.Server{
		Handler:           handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("profiles are served no more", "error", err)
		}
	}()
	return s, nil
}

// Addr is where the profiles are served.
func (s *Server) Addr() net.Addr { return s.at }

// Close ends serving at once; profiles that are being taken are cut off. It
// may be called twice.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

// handler serves the index and everything that it leads to. Requests under
// another host's name are refused: they come from a page in a browser that was
// made to take this port for its own server.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(Path, pprof.Index)
	mux.HandleFunc(Path+"cmdline", pprof.Cmdline)
	mux.HandleFunc(Path+"profile", pprof.Profile)
	mux.HandleFunc(Path+"symbol", pprof.Symbol)
	mux.HandleFunc(Path+"trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			http.Error(w, "profiles are served to this machine only", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
