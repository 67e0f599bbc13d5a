// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/node"
	"github.com/brokermesh/brokermesh/pkg/profiling"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// retryEvery is the pause before a config that couldn't be applied at the
// start is tried again: a port may still be taken by an earlier process.
const retryEvery = 3 * time.Second

// serve runs the node until the context ends, then drains it.
func serve(ctx context.Context, o options, log *slog.Logger) error {
	n := node.New(node.Options{TLSDir: o.tlsDir, DataDir: o.dataDir, BackupDir: o.backupDir, Version: version, Logger: log})
	s := servers{failed: make(chan error, 2)}
	profiles := serveProfiles(ctx, o, log)
	err := s.open(o, n, log)
	if err == nil {
		log.Info("started", "version", version)
		begin(ctx, n, o, log)
		select {
		case <-ctx.Done():
			log.Info("draining")
		case err = <-s.failed:
		}
	}
	// Status and health stay up while the node drains.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return errors.Join(err, n.Close(drain), s.close(), profiles())
}

// serveProfiles serves profiles, and answers how to end that. A node does its
// work without, if another process has the port.
func serveProfiles(ctx context.Context, o options, log *slog.Logger) (end func() error) {
	end = func() error { return nil }
	if o.pprof == "" {
		return end
	}
	p, err := profiling.Serve(ctx, o.pprof, log)
	if err != nil {
		log.Warn("no profiles can be taken", "error", err)
		return end
	}
	log.Info("profiles are served", "address", p.Addr().String())
	return p.Close
}

// begin applies the document that the node starts from, again and again until
// the node has one. If it is refused the node stays up and says why, for the
// manager to see and to mend.
func begin(ctx context.Context, n *node.Node, o options, log *slog.Logger) {
	for {
		doc, err := node.StartDocument(o.config, o.accepted)
		if err != nil {
			n.Refuse(err)
		} else if n.Ready() != nil { // nothing was pushed meanwhile
			err = n.ApplyDocument(ctx, doc)
		}
		if err == nil || n.Ready() == nil {
			return
		}
		log.Error("config refused", "error", err)
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
			return
		}
	}
}

// servers are the control and the health port.
type servers struct {
	running []*http.Server
	ended   sync.WaitGroup
	failed  chan error
}

func (s *servers) open(o options, n *node.Node, log *slog.Logger) error {
	if o.http != "" {
		l, err := net.Listen("tcp", o.http)
		if err != nil {
			return fmt.Errorf("health port: %w", err)
		}
		n.Announce("http", l.Addr())
		s.serve(n.HTTPServer(), l)
	}
	if o.control == "" {
		return nil
	}
	namespace, err := node.Namespace(o.config, o.tlsDir)
	if err != nil {
		return fmt.Errorf("control port: %w", err)
	}
	config, err := statusapi.ServerTLS(o.tlsDir, namespace)
	if err != nil {
		return fmt.Errorf("control port: certificates in %s: %w", o.tlsDir, err)
	}
	l, err := net.Listen("tcp", o.control)
	if err != nil {
		return fmt.Errorf("control port: %w", err)
	}
	n.Announce("control", l.Addr())
	handler := statusapi.Handler(node.Control{Node: n, Accepted: o.accepted})
	s.serve(statusapi.NewServer(handler, config, log), tls.NewListener(l, config))
	return nil
}

func (s *servers) serve(server *http.Server, l net.Listener) {
	s.running = append(s.running, server)
	s.ended.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
}

// close ends the servers; who waits for news gets no answer any more.
func (s *servers) close() error {
	var all error
	for _, server := range s.running {
		all = errors.Join(all, server.Close())
	}
	s.ended.Wait()
	return all
}
