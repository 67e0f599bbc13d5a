// SPDX-License-Identifier: Apache-2.0

// Package client is what brokerctl's sub, pub and store commands do: each
// makes an endpoint that forwards nothing, peers it with one node, does its
// work and lets go with the goodbye of the protocol. They use the public API
// of the engine and nothing else.
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
	// TLSDir holds ca.crt, tls.crt and tls.key; Plain asks for no TLS. One of
	// the two has to be given.
	TLSDir string
	Plain  bool
	// Timeout bounds connecting and, for stores, the answer.
	Timeout time.Duration
	// Text reads and prints values as text instead of JSON.
	Text bool
}

func (o Options) validate() error {
	switch {
	case o.Peer == "":
		return ctl.BadInput(errors.New("--peer HOST:PORT is missing"))
	case o.Plain == (o.TLSDir != ""):
		return ctl.BadInput(errors.New("say either --tls-dir DIR (certificates) or --plain (no TLS)"))
	case o.Timeout <= 0:
		return ctl.BadInput(fmt.Errorf("--timeout: %v: allowed: more than 0", o.Timeout))
	}
	return nil
}

// session is an endpoint with its one peer.
type session struct {
	*broker.Endpoint
	peer data.EndpointID
}

// with peers, calls do, and lets go again.
func with(ctx context.Context, o Options, do func(session) error) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	var security *peering.TLS
	if !o.Plain {
		if security, err = peering.LoadTLS(o.TLSDir); err != nil {
			return ctl.BadInput(fmt.Errorf("--tls-dir %s: %w", o.TLSDir, err))
		}
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
	return do(session{e, id})
}

// timed marks the error if it is the given time that is over.
func timed(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctl.TimedOut(err)
	}
	return err
}

// lost waits until the peer is gone, and says why.
func (s session) lost(ctx context.Context) error {
	for {
		changed := s.Changed()
		info, ok := s.info()
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

// info is how the peer is.
func (s session) info() (broker.PeerInfo, bool) {
	for _, p := range s.Peers() {
		if p.ID == s.peer {
			return p, true
		}
	}
	return broker.PeerInfo{}, false
}
