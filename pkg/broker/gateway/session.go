// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// helloTime is how long a client may take for its HTTP request, and again to say what it wants.
const helloTime = 10 * time.Second

// syncTime is how long the acknowledgement waits for the peers to know the subscription.
const syncTime = 2 * time.Second

// partingTime is how long a client may take for the closing handshake, and hurryTime the same when the gateway closes.
const (
	partingTime = 5 * time.Second
	hurryTime   = time.Second
)

// permissionDenied is the code of errors about what a client may not do. C++ Broker and Zeek have none for it.
const permissionDenied = "permission_denied"

// ending is a reason of this side to end a session, as the close frame says it.
type ending struct {
	code websocket.StatusCode
	text string
}

// Error is the text of the close frame.
func (e *ending) Error() string { return e.text }

var (
	errStopped  = &ending{websocket.StatusGoingAway, "Terminating"}
	errOverflow = &ending{websocket.StatusInternalError, "the client doesn't read what it has subscribed to"}
	errPing     = &ending{websocket.StatusInternalError, "Ping timeout"}
	errBinary   = &ending{websocket.StatusUnsupportedData, "binary messages are not part of the protocol"}
	errHello    = &ending{websocket.StatusPolicyViolation, "no subscriptions within 10 s"}
	errAccess   = &ending{websocket.StatusPolicyViolation, "what this client may do has changed"}
	errExcess   = &ending{websocket.StatusPolicyViolation, "more than the client may send in a second"}
)

// session is one client's connection from the upgrade to its end.
type session struct {
	g       *Gateway
	conn    *websocket.Conn
	request *http.Request   // what admission needs of it
	id      data.EndpointID // in status events
	since   time.Time
	queue   *queue
	rate    meter

	// Set before the session is registered.
	number  uint64
	manners manners
	who     visitor
	may     *rights

	ctx context.Context // of the session's goroutines
	end context.CancelCauseFunc
	// io is the context of everything done on the connection. It outlives ctx: the library cuts a connection off when the context of
	// a read or write ends, and there would be no closing handshake.
	io      context.Context
	cut     context.CancelFunc
	working sync.WaitGroup

	hub           *broker.Hub
	named         topic.Filter             // subscriptions to the endpoint's own topics
	subscriptions atomic.Pointer[[]string] // nil before there are

	heard          atomic.Uint64 // grows with every sign of life
	held           atomic.Bool   // the client has to wait and isn't listened to
	accepted       atomic.Int64  // bytes of small messages that the client's side has taken since the last sign of life of this kind
	sent, received atomic.Uint64 // messages
}

func newSession(g *Gateway, conn *websocket.Conn, r *http.Request) *session {
	s := &session{
		g: g, conn: conn, request: bare(r), id: data.NewEndpointID(), since: time.Now(),
		queue: newQueue(g.o.Limits.Queue), rate: newMeter(g.o.Limits),
	}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	s.io, s.cut = context.WithCancel(context.Background())
	s.queue.account = g.e.Account(func(bytes int64) bool {
		given, stays := s.queue.shed(bytes)
		if !stays {
			s.end(errOverflow)
		}
		return given
	})
	return s
}

// view is the session as others see it.
func (s *session) view() Session {
	v := Session{
		Number: s.number, Address: s.request.RemoteAddr, Application: s.manners.name, Identity: s.who.String(), Since: s.since,
		Sent: s.sent.Load(), Received: s.received.Load(),
	}
	v.Queued, v.Dropped = s.queue.state()
	if p := s.subscriptions.Load(); p != nil {
		v.Subscriptions = *p
		v.Dropped += s.hub.Dropped()
	}
	return v
}

// run runs the session until main returns or something else ends it, closes the connection and answers the reason. Nothing of it is
// left then.
func (s *session) run(main func(context.Context) error) error {
	defer s.cut()
	defer context.AfterFunc(s.g.stop, func() { s.end(errStopped) })()
	s.working.Go(func() { s.end(main(s.ctx)) })
	<-s.ctx.Done()
	reason := context.Cause(s.ctx)
	parting := time.AfterFunc(partingTime, s.cut)
	defer parting.Stop()
	defer context.AfterFunc(s.g.stop, func() { parting.Reset(hurryTime) })()
	if reason == errStopped {
		reason = s.manners.farewell()
	}
	status, text := websocket.StatusGoingAway, reason.Error()
	if e := (*ending)(nil); errors.As(reason, &e) {
		status, text = e.code, e.text
	}
	_ = s.conn.Close(status, short(text)) // the client may be gone already
	s.working.Wait()
	s.queue.clear()
	return reason
}

// short makes a text fit into a close frame.
func short(text string) string { return strings.ToValidUTF8(text[:min(len(text), 120)], "") }

// serve is a whole conversation.
func (s *session) serve(ctx context.Context) error {
	late := time.AfterFunc(helloTime, func() { s.end(errHello) })
	defer late.Stop()
	prefixes, err := s.hello()
	if err != nil {
		return err
	}
	s.announce() // not to the client itself, which hears nothing yet
	defer s.bury()
	if err := s.subscribe(ctx, prefixes); err != nil {
		return err
	}
	defer s.hub.Close() // what it has queued meanwhile waits behind the acknowledgement
	name := s.manners.endpoint(s.g.e.ID().String(), s.number)
	if err := s.write(jsonwire.AppendAck(nil, name, s.g.o.Version)); err != nil {
		return err
	}
	late.Stop()
	s.working.Go(func() { s.end(s.collect(ctx)) })
	s.working.Go(func() { s.end(s.deliver(ctx)) })
	s.working.Go(func() { s.end(s.ping(ctx)) })
	err = s.listen(ctx)
	s.end(err) // before what is deferred ends the others
	return err
}

// hello reads the subscriptions.
func (s *session) hello() ([]string, error) {
	text, err := s.read()
	if err != nil {
		return nil, err
	}
	prefixes, err := jsonwire.ParseSubscriptions(text)
	if e := (*jsonwire.Error)(nil); errors.As(err, &e) {
		words := e.Msg
		if e.Class == jsonwire.ClassSyntax {
			words = "subscriptions not an array"
		}
		return nil, s.reject(code.DeserializationFailed.String(), words)
	}
	if l := s.g.o.Limits; len(prefixes) > l.Subscriptions {
		words := fmt.Sprintf("%d subscriptions, at most %d are allowed", len(prefixes), l.Subscriptions)
		return nil, s.reject(code.DeserializationFailed.String(), words)
	}
	for _, p := range prefixes {
		if l := s.g.o.Limits; len(p) > l.Prefix {
			words := fmt.Sprintf("a subscription of %d bytes, at most %d are allowed", len(p), l.Prefix)
			return nil, s.reject(code.DeserializationFailed.String(), words)
		}
		if !s.may.maySubscribe(p) {
			return nil, s.reject(permissionDenied, fmt.Sprintf("not allowed to subscribe to %.70q", p))
		}
	}
	return prefixes, nil
}

// reject tells the client why there will be no session, and makes that the reason of its end.
func (s *session) reject(name, context string) error {
	if err := s.write(jsonwire.AppendError(nil, name, context)); err != nil {
		return err
	}
	return &ending{websocket.StatusPolicyViolation, context}
}

func (s *session) rejecting(name, words string) func(context.Context) error {
	return func(context.Context) error { return s.reject(name, words) }
}

// subscribe waits until the peers know the subscription, too, unless one of them takes too long.
func (s *session) subscribe(ctx context.Context, prefixes []string) error {
	// The session's own queue is the one that counts.
	hub, err := s.g.e.NewHub(prefixes, broker.QueueLimit{Overflow: broker.OverflowDropNewest})
	if errors.Is(err, broker.ErrClosed) {
		return errStopped
	}
	if err != nil {
		return err
	}
	s.hub, s.named = hub, byName(prefixes)
	s.subscriptions.Store(&prefixes)
	waiting, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	if sync, err := s.g.e.SubscribeSync(waiting, nil, broker.QueueLimit{}); err == nil {
		sync.Close() // it was for its waiting only
	}
	return nil
}
