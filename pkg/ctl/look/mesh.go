// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
)

// askPatience is how long a node that somebody else told of may take.
const askPatience = 3 * time.Second

// mesh is a way into a mesh, by one node.
type mesh struct {
	ask         Asker
	self, first data.EndpointID
	timeout     time.Duration
	// info is how the own endpoint sees the node.
	info func() (broker.PeerInfo, bool)
	// ping pings the node as every Broker answers it.
	ping func(ctx context.Context) (time.Duration, error)
	// publish publishes from the own endpoint.
	publish func(topic string, v data.Value) error
	address string
}

// with peers with the node, and lets go afterwards.
func with(ctx context.Context, o client.Options, do func(*mesh) error) error {
	return client.With(ctx, o, func(s client.Session) error {
		m, end, err := meshOf(s, o.Timeout)
		if err != nil {
			return err
		}
		defer end()
		return do(m)
	})
}

// meshOf is the way into the mesh behind a session, until end is called.
func meshOf(s client.Session, timeout time.Duration) (m *mesh, end func(), err error) {
	ask, end, err := asker(s)
	if err != nil {
		return nil, nil, err
	}
	info, _ := s.Info()
	return &mesh{
		ask: ask, self: s.ID(), first: s.Peer, timeout: timeout, info: s.Info, address: info.Address,
		ping:    func(ctx context.Context) (time.Duration, error) { return s.Ping(ctx, s.Peer) },
		publish: s.Publish,
	}, end, nil
}

// foreign answers what is known of the node if it is none of brokermesh.
func (m *mesh) foreign() *broker.PeerInfo {
	if info, ok := m.info(); ok && info.Class == broker.ClassForeign {
		return &info
	}
	return nil
}

// picture asks the whole mesh. Of a foreign endpoint there is nothing to ask.
func (m *mesh) picture(ctx context.Context) (*Picture, error) {
	if info := m.foreign(); info != nil {
		return &Picture{Self: m.self, First: m.first, Foreign: info}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	p, err := gather(ctx, m.ask, m.self, m.first, min(askPatience, m.timeout))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, ctl.TimedOut(fmt.Errorf("%s did not answer (versions without inspection never do): %w", m.address, err))
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w", m.address, err)
	}
	return p, nil
}

// nodes is picture for commands that are of no use with a foreign endpoint.
func (m *mesh) nodes(ctx context.Context) (*Picture, error) {
	p, err := m.picture(ctx)
	if err == nil && p.Foreign != nil {
		return nil, foreignError(m.address, *p.Foreign)
	}
	return p, err
}
