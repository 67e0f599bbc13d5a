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
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// keptBuffer is the largest buffer that deliver keeps for the next message.
const keptBuffer = 1 << 20

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
		if err := s.publish(ctx, text); err != nil {
			if ctx.Err() != nil || errors.Is(err, broker.ErrClosed) {
				return errStopped
			}
			answer := jsonwire.AppendError(nil, code.DeserializationFailed.String(), complaint(n, err))
			if err := s.write(answer); err != nil {
				return err
			}
		}
	}
}

// publish gives a message to everybody but its sender. While the queue of a
// peer is full, the client has to wait.
func (s *session) publish(ctx context.Context, text []byte) error {
	name, v, err := jsonwire.ParseMessage(text)
	if err != nil {
		return err
	}
	s.held.Store(true)
	err = s.g.e.NewPublisher(name, broker.PublisherOptions{}).Publish(ctx, v)
	s.heard.Add(1)
	s.held.Store(false)
	if err != nil {
		return err
	}
	s.g.e.PublishLocal(name, v)
	s.g.passOn(s, name, v)
	return nil
}

// complaint says what was wrong with the n-th message. It begins as C++
// Broker's server had it.
func complaint(n int, err error) string {
	class := jsonwire.ClassValue
	if e := (*jsonwire.Error)(nil); errors.As(err, &e) {
		class = e.Class
	}
	switch class {
	case jsonwire.ClassSyntax:
		return fmt.Sprintf("input #%d contained malformed JSON -> %s", n, err)
	case jsonwire.ClassObject:
		return fmt.Sprintf("input #%d expected a JSON object", n)
	case jsonwire.ClassDuplicate:
		return fmt.Sprintf("input #%d caused an internal error -> %s", n, err)
	default:
		return fmt.Sprintf("input #%d contained invalid data -> %s", n, err)
	}
}

// collect queues for the client what peers have sent. What was published
// locally is the client's own, or comes from another client by passOn.
func (s *session) collect(ctx context.Context) error {
	self := s.g.e.ID()
	var batch [64]broker.Message
	for {
		n, err := s.sub.GetBatch(ctx, batch[:])
		if err != nil {
			return errStopped // the endpoint is closed, or the session has ended already
		}
		for _, m := range batch[:n] {
			if m.From != self {
				s.enqueue(item{topic: m.Topic, value: m.Value})
			}
		}
		clear(batch[:n])
		if s.sub.Dropped() > 0 {
			return errOverflow
		}
	}
}

// enqueue lets a message wait for the client, or the client go if it is too
// slow. It never blocks.
func (s *session) enqueue(i item) {
	if !s.queue.push(i) {
		s.end(errOverflow)
	}
}

// deliver writes what is queued.
func (s *session) deliver(ctx context.Context) error {
	var text []byte
	for ctx.Err() == nil {
		i, ok := s.queue.pop()
		if !ok {
			select {
			case <-s.queue.ready:
			case <-ctx.Done():
			}
			continue
		}
		text = i.appendText(text[:0])
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

// ping finds out whether the client is still there. Any byte from it is as good
// as an answer.
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
	if kind != websocket.MessageText {
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
	return s.conn.Write(s.io, websocket.MessageText, text)
}
