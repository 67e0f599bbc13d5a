// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// keptBuffer is the largest buffer that deliver keeps for the next message.
const keptBuffer = 1 << 20

// fragment is how much of a message is written at once: between two fragments there is room for pings, and each that a client takes is a
// sign of life. So are small messages of that size together: a slow client may have a lot to read before it comes to a ping.
const fragment = 256 << 10

// listen publishes what the client sends.
func (s *session) listen(ctx context.Context) error {
	for n := 1; ; n++ {
		text, err := s.read()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.received.Add(1)
		if err := s.hold(func() error { return s.rate.pass(ctx, len(text)) }); err != nil {
			return err
		}
		if err := s.publish(ctx, text); err != nil {
			if ctx.Err() != nil || errors.Is(err, broker.ErrClosed) {
				return errStopped
			}
			if err := s.write(s.answer(n, err)); err != nil {
				return err
			}
		}
	}
}

// hold does what the client has to wait for. Meanwhile its answers to pings can't be heard.
func (s *session) hold(f func() error) error {
	s.held.Store(true)
	err := f()
	s.heard.Add(1)
	s.held.Store(false)
	return err
}

// errDenied is about a topic that the client may not publish to.
var errDenied = errors.New("not allowed to publish to")

// publish gives a message to everybody but its sender. While the queue of a peer is full, the client has to wait.
func (s *session) publish(ctx context.Context, text []byte) error {
	name, v, err := s.g.parse(text)
	if err != nil {
		return err
	}
	if l := s.g.o.Limits.Depth; l < data.MaxDepth && v.Depth() > l {
		return fmt.Errorf("nested too deeply, want at most %d levels", l)
	}
	if err := s.manners.takes(v); err != nil {
		return err
	}
	if !s.may.mayPublish(name) {
		return fmt.Errorf("%w %.70q", errDenied, name)
	}
	return s.hold(func() error { return s.hub.Publish(ctx, name, v) })
}

// largeMessage is where a message of many small values takes so much more memory than its text that only one at a time is read.
const largeMessage = 1 << 20

func (g *Gateway) parse(text []byte) (string, data.Value, error) {
	if len(text) > largeMessage {
		g.large.Lock()
		defer g.large.Unlock()
	}
	return jsonwire.ParseMessage(text)
}

// answer says why the n-th message was not published.
func (s *session) answer(n int, err error) []byte {
	if errors.Is(err, errDenied) {
		return jsonwire.AppendError(nil, permissionDenied, fmt.Sprintf("input #%d: %v", n, err))
	}
	return jsonwire.AppendError(nil, code.DeserializationFailed.String(), s.manners.complaint(n, err))
}

// collect moves what arrives for the client into its queue. It never blocks, so that nobody waits for the client.
func (s *session) collect(ctx context.Context) error {
	var batch [64]broker.Message
	for {
		n, err := s.hub.GetBatch(ctx, batch[:])
		if err != nil {
			return errStopped // the endpoint is closed, or the session has ended already
		}
		for i := range batch[:n] {
			if s.manners.gives(&batch[i], s.named) && !s.queue.push(batch[i]) {
				return errOverflow
			}
		}
		clear(batch[:n])
		if !s.queue.lost(s.hub.Dropped()) {
			return errOverflow
		}
	}
}

// deliver writes what is queued.
func (s *session) deliver(ctx context.Context) error {
	var text []byte
	for ctx.Err() == nil {
		m, ok := s.queue.pop()
		if !ok {
			select {
			case <-s.queue.ready:
			case <-ctx.Done():
			}
			continue
		}
		text = jsonwire.AppendMessage(text[:0], m.Topic, m.Value)
		if err := s.write(text); err != nil {
			return err
		}
		s.sent.Add(1)
		if cap(text) > keptBuffer {
			text = nil
		}
	}
	return ctx.Err()
}

// ping finds out whether the client is still there. Any byte from it is as good as an answer, and so is a fragment that it takes.
func (s *session) ping(ctx context.Context) error {
	ticker := time.NewTicker(s.g.o.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		heard := s.heard.Load()
		waiting, cancel := context.WithTimeout(s.io, s.g.o.PingInterval)
		err := s.conn.Ping(waiting)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !s.held.Load() && s.heard.Load() == heard {
			return errPing
		}
	}
}

// read waits for the client's next message.
func (s *session) read() ([]byte, error) {
	kind, r, err := s.conn.Reader(s.io)
	if errors.Is(err, net.ErrClosed) {
		return nil, errPing // the library gives up a connection that takes no control frames
	}
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageText && !s.manners.readsBinary() {
		return nil, errBinary
	}
	return io.ReadAll(listener{r, &s.heard})
}

// listener notes that something was heard.
type listener struct {
	io.Reader
	heard *atomic.Uint64
}

func (l listener) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	l.heard.Add(uint64(n))
	return n, err
}

func (s *session) write(text []byte) error {
	if len(text) <= fragment {
		if err := s.conn.Write(s.io, websocket.MessageText, text); err != nil {
			return err
		}
		if s.accepted.Add(int64(len(text))) >= fragment {
			s.accepted.Store(0)
			s.heard.Add(1)
		}
		return nil
	}
	w, err := s.conn.Writer(s.io, websocket.MessageText)
	if err != nil {
		return err
	}
	for len(text) > 0 {
		n := min(len(text), fragment)
		if _, err := w.Write(text[:n]); err != nil {
			return err
		}
		text = text[n:]
		s.heard.Add(1)
	}
	return w.Close()
}
