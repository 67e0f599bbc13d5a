// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// Limits of the first message.
const (
	maxPrefixes = 1000
	maxPrefix   = 65535
)

// syncTime is how long the acknowledgement waits for the peers to know the
// subscription.
const syncTime = 2 * time.Second

// closeTime is how long a client may take for the closing handshake.
const closeTime = time.Second

var (
	errOverflow = errors.New("the client doesn't read what it has subscribed to")
	errPing     = errors.New("no answer to a ping")
	errBinary   = errors.New("binary messages are not part of the protocol")
	errHello    = errors.New("no subscriptions within 10 s")
)

// session is one client from its subscription to its end. Three goroutines
// share it: one reads from the client, one passes on what peers send, one what
// other clients send.
type session struct {
	g      *Gateway
	conn   *websocket.Conn
	filter topic.Filter
	sub    *broker.Subscriber
	others chan outgoing // messages of other clients
	end    context.CancelCauseFunc
	// io is the context of everything done on the connection. It outlives the
	// session's own: a context that ends during a read or write cuts the
	// connection off before the closing handshake.
	io  context.Context
	cut context.CancelFunc
}

// outgoing is a message of another client, ready to be written.
type outgoing struct{ text []byte }

// session runs a client's whole conversation and answers why it ended.
func (g *Gateway) session(conn *websocket.Conn) error {
	prefixes, err := g.hello(conn)
	if err != nil {
		return err
	}
	sub, err := g.subscribe(prefixes)
	if err != nil {
		g.reject(conn, code.Unspecified.String(), err.Error())
		return err
	}
	defer sub.Close()
	ctx, end := context.WithCancelCause(g.stop)
	defer end(nil)
	s := &session{g: g, conn: conn, filter: topic.NewFilter(prefixes...), sub: sub, others: make(chan outgoing, g.o.Queue), end: end}
	s.io, s.cut = context.WithCancel(context.WithoutCancel(ctx))
	defer s.cut()
	g.register(s) // what others send from now on waits behind the acknowledgement
	defer g.unregister(s)
	if err := g.say(conn, jsonwire.AppendAck(nil, g.e.ID().String(), g.o.Version)); err != nil {
		return err
	}
	return s.run(ctx)
}

// hello reads the subscriptions.
func (g *Gateway) hello(conn *websocket.Conn) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(g.stop, helloTime, errHello)
	defer cancel()
	kind, text, err := conn.Read(ctx)
	switch {
	case g.stop.Err() != nil:
		return nil, conn.Close(websocket.StatusGoingAway, "Terminating")
	case err != nil && ctx.Err() != nil:
		return nil, errHello
	case err != nil:
		return nil, err
	case kind != websocket.MessageText:
		return nil, errors.Join(errBinary, conn.Close(websocket.StatusUnsupportedData, errBinary.Error()))
	}
	prefixes, err := jsonwire.ParseSubscriptions(text)
	if err == nil && len(prefixes) > maxPrefixes {
		err = fmt.Errorf("%d subscriptions, at most %d are allowed", len(prefixes), maxPrefixes)
	}
	for _, p := range prefixes {
		if len(p) > maxPrefix {
			err = fmt.Errorf("a subscription of %d bytes, at most %d are allowed", len(p), maxPrefix)
		}
	}
	if err != nil {
		words := err.Error()
		if e := (*jsonwire.Error)(nil); errors.As(err, &e) && e.Class != jsonwire.ClassSyntax {
			words = e.Msg
		} else if e != nil {
			words = "subscriptions not an array"
		}
		g.reject(conn, code.DeserializationFailed.String(), words)
	}
	return prefixes, err
}

// subscribe makes the subscription known to the peers, too, unless one of them
// takes too long.
func (g *Gateway) subscribe(prefixes []string) (*broker.Subscriber, error) {
	limit := broker.QueueLimit{Messages: g.o.Queue, Overflow: broker.OverflowDropNewest}
	ctx, cancel := context.WithTimeout(g.stop, syncTime)
	defer cancel()
	sub, err := g.e.SubscribeSync(ctx, prefixes, limit)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		return g.e.Subscribe(prefixes, limit)
	}
	return sub, err
}

// run serves the client until one of its goroutines has a reason to end it.
func (s *session) run(ctx context.Context) error {
	var working sync.WaitGroup
	working.Go(func() { s.end(s.read(ctx)) })
	working.Go(func() { s.end(s.pass(ctx)) })
	working.Go(func() { s.end(s.passOthers(ctx)) })
	working.Go(func() { s.end(s.ping(ctx)) })
	<-ctx.Done()
	reason := context.Cause(ctx)
	late := time.AfterFunc(closeTime, s.cut)
	defer late.Stop()
	s.conn.Close(closeCode(reason), cut(closeWords(reason)))
	working.Wait()
	return reason
}

func closeCode(reason error) websocket.StatusCode {
	switch {
	case errors.Is(reason, errBinary):
		return websocket.StatusUnsupportedData
	case errors.Is(reason, errOverflow), errors.Is(reason, errPing):
		return websocket.StatusInternalError
	default:
		return websocket.StatusGoingAway
	}
}

func closeWords(reason error) string {
	switch {
	case errors.Is(reason, context.Canceled):
		return "Terminating"
	case errors.Is(reason, errPing):
		return "Ping timeout"
	default:
		return reason.Error()
	}
}

// read publishes what the client sends.
func (s *session) read(ctx context.Context) error {
	for n := 1; ; n++ {
		kind, text, err := s.conn.Read(s.io)
		if err != nil {
			return err
		}
		if kind != websocket.MessageText {
			return errBinary
		}
		name, v, err := jsonwire.ParseMessage(text)
		if err == nil {
			// While the queue of a peer is full the client has to wait.
			err = s.g.e.NewPublisher(name).Publish(ctx, v)
		}
		if ctx.Err() != nil || errors.Is(err, broker.ErrClosed) {
			return context.Canceled
		}
		if err != nil {
			answer := jsonwire.AppendError(nil, code.DeserializationFailed.String(), complaint(n, err))
			if err := s.write(answer); err != nil {
				return err
			}
			continue
		}
		s.g.e.PublishLocal(name, v)
		s.g.passOn(s, name, v)
	}
}

// complaint says what was wrong with the n-th message, beginning as the former
// server did.
func complaint(n int, err error) string {
	var e *jsonwire.Error
	if errors.As(err, &e) {
		switch e.Class {
		case jsonwire.ClassSyntax:
			return fmt.Sprintf("input #%d contained malformed JSON -> %s", n, err)
		case jsonwire.ClassObject:
			return fmt.Sprintf("input #%d expected a JSON object", n)
		}
	}
	return fmt.Sprintf("input #%d contained invalid data -> %s", n, err)
}

// pass sends the client what peers have sent. What was published locally comes
// by another way, or is the client's own.
func (s *session) pass(ctx context.Context) error {
	self := s.g.e.ID()
	var batch [64]broker.Message
	var text []byte
	for {
		n, err := s.sub.GetBatch(ctx, batch[:])
		if err != nil {
			return context.Canceled
		}
		for _, m := range batch[:n] {
			if m.From == self {
				continue
			}
			text = jsonwire.AppendMessage(text[:0], m.Topic, m.Value)
			if err := s.write(text); err != nil {
				return err
			}
		}
		clear(batch[:n])
		if s.sub.Dropped() > 0 {
			return errOverflow
		}
	}
}

// passOthers sends the client what other clients have sent.
func (s *session) passOthers(ctx context.Context) error {
	for {
		select {
		case m := <-s.others:
			if err := s.write(m.text); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *session) write(text []byte) error {
	return s.conn.Write(s.io, websocket.MessageText, text)
}

// ping finds out whether the client is still there.
func (s *session) ping(ctx context.Context) error {
	ticker := time.NewTicker(s.g.o.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		waiting, cancel := context.WithTimeout(s.io, s.g.o.PingInterval)
		err := s.conn.Ping(waiting)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return errPing
		}
	}
}

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

// passOn hands a client's message to the other clients that want it. One whose
// queue is full is let go.
func (g *Gateway) passOn(from *session, name string, v data.Value) {
	var m outgoing
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.mu.sessions {
		if s == from || !s.filter.Matches(name) {
			continue
		}
		if m.text == nil {
			m.text = jsonwire.AppendMessage(nil, name, v)
		}
		select {
		case s.others <- m:
		default:
			s.end(errOverflow)
		}
	}
}
