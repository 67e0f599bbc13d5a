// SPDX-License-Identifier: Apache-2.0

// Package client is what brokerctl's sub and pub commands do, and how
// all commands reach a mesh: each makes an endpoint that forwards nothing,
// peers it with one node, does its work and lets go with the goodbye of the
// protocol. They use the public API of the engine and nothing else.
package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/ctl"
)

// closeTime bounds how long letting go may take.
const closeTime = 5 * time.Second

// Options say how to reach the mesh.
type Options struct {
	// Peer is the HOST:PORT of the node to talk to.
	Peer string
	// TLSDir holds ca.crt, tls.crt and tls.key; Plain asks for no TLS,
	// Anonymous for what Zeek does by default: encryption without
	// certificates. One of the three has to be given.
	TLSDir    string
	Plain     bool
	Anonymous bool
	// Timeout bounds connecting and, for stores, the answer.
	Timeout time.Duration
	// Text reads and prints values as text instead of JSON.
	Text bool
}

func (o Options) validate() error {
	switch {
	case o.Peer == "":
		return ctl.BadInput(errors.New("--peer HOST:PORT is missing"))
	case o.ways() != 1:
		return ctl.BadInput(errors.New("say one of --tls-dir DIR (certificates) or --plain (no TLS) or --anonymous (encrypted only)"))
	case o.Timeout <= 0:
		return ctl.BadInput(fmt.Errorf("--timeout: %v: allowed: more than 0", o.Timeout))
	}
	return nil
}

// ways is how many ways of security were asked for.
func (o Options) ways() int {
	n := 0
	for _, asked := range []bool{o.TLSDir != "", o.Plain, o.Anonymous} {
		if asked {
			n++
		}
	}
	return n
}

// security is how the connection is protected; nil for not at all.
func (o Options) security() (*peering.TLS, error) {
	switch {
	case o.Plain:
		return nil, nil
	case o.Anonymous:
		return &peering.TLS{Anonymous: true}, nil
	}
	security, err := peering.LoadTLS(o.TLSDir)
	if err != nil {
		return nil, ctl.BadInput(fmt.Errorf("--tls-dir %s: %w", o.TLSDir, err))
	}
	return security, nil
}

// Session is an endpoint with its one peer.
type Session struct {
	*broker.Endpoint
	// Peer is the endpoint at the other end.
	Peer data.EndpointID
}

// With peers, calls do, and lets go again. The errors are marked with the exit
// codes of package ctl.
func With(ctx context.Context, o Options, do func(Session) error) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	security, err := o.security()
	if err != nil {
		return err
	}
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone, TLS: security})
	if err != nil {
		return fmt.Errorf("make an endpoint: %w", err)
	}
	defer func() {
		// Also after Ctrl-C: what was published is on its way.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		err = errors.Join(err, e.Close(closing))
	}()
	connecting, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	id, err := e.Peer(connecting, o.Peer, broker.PeerOptions{})
	if err != nil {
		return timed(connecting, fmt.Errorf("peer with %s: %w", o.Peer, err))
	}
	return do(Session{e, id})
}

// timed marks the error if it is the given time that is over.
func timed(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctl.TimedOut(err)
	}
	return err
}

// Lost waits until the peer is gone, and says why.
func (s Session) Lost(ctx context.Context) error {
	for {
		changed := s.Changed()
		info, ok := s.Info()
		if !ok || info.State != broker.Peered {
			if info.LastErrorText != "" {
				return fmt.Errorf("the connection was lost: %s", info.LastErrorText)
			}
			return errors.New("the peer closed the connection")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Info is how the peer is.
func (s Session) Info() (broker.PeerInfo, bool) {
	for _, p := range s.Peers() {
		if p.ID == s.Peer {
			return p, true
		}
	}
	return broker.PeerInfo{}, false
}
