// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	topics "github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// waitingMessages bounds how many questions, or answers, may wait. More are
// lost, and asked for again.
const waitingMessages = 1024

// Serve answers questions about an endpoint until the server or the endpoint
// is closed. The server must be closed.
func Serve(e *broker.Endpoint, info Info) (*Server, error) {
	m, err := newMailbox(e)
	if err != nil {
		return nil, fmt.Errorf("serve inspection: %w", err)
	}
	return newServer(m, &endpoint{Endpoint: e}, info), nil
}

// NewClient asks from an endpoint, which need not forward: any of its nodes
// passes questions and answers on. The client must be closed. An endpoint has
// either a client or a server.
func NewClient(e *broker.Endpoint) (*Client, error) {
	m, err := newMailbox(e)
	if err != nil {
		return nil, fmt.Errorf("make a client for inspection: %w", err)
	}
	return newClient(m), nil
}

// mailbox is the mail of an endpoint.
type mailbox struct {
	e   *broker.Endpoint
	sub *broker.Subscriber
}

func newMailbox(e *broker.Endpoint) (*mailbox, error) {
	sub, err := e.SubscribeInternal(Topic, broker.QueueLimit{Messages: waitingMessages, Overflow: broker.OverflowDropNewest})
	if err != nil {
		return nil, err
	}
	return &mailbox{e, sub}, nil
}

func (m *mailbox) send(to data.EndpointID, v data.Value) error { return m.e.SendInternal(to, Topic, v) }

func (m *mailbox) next(ctx context.Context) (data.EndpointID, data.Value, error) {
	msg, err := m.sub.Get(ctx)
	return msg.Origin, msg.Value, err
}

func (m *mailbox) close() { m.sub.Close() }

// endpoint is a source. Its methods are called by the server's goroutine only.
type endpoint struct {
	*broker.Endpoint
	endTimes func() // while times are asked for
}

func (e *endpoint) report() Report {
	r := Report{ID: e.ID(), Peers: []Peer{}, Consumers: []Consumer{}, Stats: statsOf(e.Stats())}
	for _, p := range e.Peers() {
		r.Peers = append(r.Peers, PeerOf(p))
	}
	for _, c := range e.Consumers() {
		if len(c.Prefixes) == 1 && topics.IsInternal(c.Prefixes[0]) {
			continue // this server, for instance
		}
		r.Consumers = append(r.Consumers, consumerOf(c))
	}
	for _, f := range e.Flows() {
		r.Flows = append(r.Flows, flowOf(f))
	}
	if view := e.MeshView(); view != nil {
		for _, n := range view.Nodes {
			r.Mesh = append(r.Mesh, nodeOf(n))
		}
	}
	return r
}

func (e *endpoint) route(topic string, entering, origin data.EndpointID) (Route, error) {
	view := e.MeshView()
	if view == nil {
		return Route{}, errors.New("this node passes nothing on")
	}
	if entering.IsZero() {
		entering = e.ID()
	}
	if origin.IsZero() {
		origin = entering
	}
	if !view.Reaches(entering) {
		return Route{}, fmt.Errorf("no path of connections leads to %s", entering)
	}
	r := Route{Entering: entering, Origin: origin, Steps: []Step{}}
	for _, s := range view.Route(entering, origin, topic) {
		r.Steps = append(r.Steps, stepOf(s))
	}
	return r, nil
}

func (e *endpoint) trace(prefix string) (recording, error) {
	t, err := e.Trace(prefix)
	if err != nil {
		return nil, err
	}
	return &tape{take: t.Take, end: t.Close}, nil
}

func (e *endpoint) times(on bool) {
	if e.endTimes != nil {
		e.endTimes()
		e.endTimes = nil
	}
	if on {
		e.endTimes = e.RequestTimes()
	}
}
