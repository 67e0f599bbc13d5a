// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// stream is one direction of a connection in memory: buffered, with a read deadline.
type stream struct {
	mu       sync.Mutex
	cond     *sync.Cond
	buf      []byte
	closed   bool
	full     bool // writing waits
	deadline time.Time
}

func newStream() *stream {
	s := &stream{}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) == 0 {
		if !s.deadline.IsZero() && !time.Now().Before(s.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		if s.closed {
			return 0, io.EOF
		}
		s.cond.Wait()
	}
	n := copy(b, s.buf)
	s.buf = s.buf[n:]
	return n, nil
}

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.full && !s.closed {
		s.cond.Wait()
	}
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	s.buf = append(s.buf, b...)
	s.cond.Broadcast()
	return len(b), nil
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.cond.Broadcast()
}

func (s *stream) setFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
	s.cond.Broadcast()
}

func (s *stream) setDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.cond.Broadcast()
	if d := time.Until(t); !t.IsZero() && d > 0 {
		time.AfterFunc(d, s.cond.Broadcast)
	}
}

// memConn is one end of a connection in memory. It works under testing/synctest.
type memConn struct{ in, out *stream }

func memPipe() (a, b *memConn) {
	x, y := newStream(), newStream()
	return &memConn{x, y}, &memConn{y, x}
}

func (c *memConn) Read(b []byte) (int, error)         { return c.in.Read(b) }
func (c *memConn) Write(b []byte) (int, error)        { return c.out.Write(b) }
func (c *memConn) LocalAddr() net.Addr                { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1} }
func (c *memConn) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 2} }
func (c *memConn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(t); return nil }
func (c *memConn) SetWriteDeadline(t time.Time) error { return nil }
func (c *memConn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }

func (c *memConn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

// memListener accepts connections in memory.
type memListener struct {
	conns chan net.Conn
	end   chan struct{}
	once  sync.Once
}

func newMemListener() *memListener {
	return &memListener{conns: make(chan net.Conn), end: make(chan struct{})}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.end:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() { close(l.end) })
	return nil
}

func (l *memListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 9} }

// connect opens a connection to whoever listens.
func (l *memListener) connect(context.Context, string) (net.Conn, error) {
	a, b := memPipe()
	select {
	case l.conns <- b:
		return a, nil
	case <-l.end:
		return nil, errors.New("nobody listens")
	}
}

// rawPeer is an endpoint that a test plays frame by frame.
type rawPeer struct {
	t    testing.TB
	conn net.Conn
	id   data.EndpointID
	them data.EndpointID
}

// rawDial does the handshake with an endpoint, as the responder with the larger ID.
func rawDial(t testing.TB, conn net.Conn, them *Endpoint, filter ...string) *rawPeer {
	t.Helper()
	return rawDialAs(t, conn, them, data.EndpointID{0xff, 0xff, 0xff, 0xff, 1}, filter...)
}

func rawDialAs(t testing.TB, conn net.Conn, them *Endpoint, id data.EndpointID, filter ...string) *rawPeer {
	t.Helper()
	r := &rawPeer{t, conn, id, them.ID()}
	conn.Write(wire.AppendHandshake(nil, &wire.Hello{Sender: r.id, Min: 1, Max: 1}))
	for {
		msg, err := wire.ParseHandshake(r.read())
		if err != nil {
			t.Fatal(err)
		}
		switch msg.(type) {
		case *wire.OriginatorSyn:
			conn.Write(wire.AppendHandshake(nil, &wire.ResponderSynAck{Filter: filter}))
		case *wire.OriginatorAck:
			return r
		}
	}
}

func (r *rawPeer) read() []byte {
	r.t.Helper()
	body, err := r.tryRead()
	if err != nil {
		r.t.Fatal(err)
	}
	return body
}

func (r *rawPeer) tryRead() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r.conn, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(r.conn, body)
	return body, err
}

func (r *rawPeer) envelope() wire.Envelope {
	r.t.Helper()
	env, err := wire.ParseEnvelope(r.read())
	if err != nil {
		r.t.Fatal(err)
	}
	return env
}

func (r *rawPeer) send(t wire.Type, name string, payload []byte) {
	r.t.Helper()
	env := wire.Envelope{Sender: r.id, Type: t, TTL: 16, Topic: []byte(name), Payload: payload}
	if t > wire.TypeCommand {
		env.Receiver = r.them
	}
	r.sendEnvelope(env)
}

func (r *rawPeer) sendEnvelope(env wire.Envelope) {
	r.t.Helper()
	frame, err := wire.AppendFrame(nil, &env)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.conn.Write(frame); err != nil {
		r.t.Fatal(err)
	}
}

// answer reads envelopes and answers pings until the connection ends; it tells when it got how many pings.
func (r *rawPeer) answer() (pings int) {
	for {
		body, err := r.tryRead()
		if err != nil {
			return pings
		}
		if env, err := wire.ParseEnvelope(body); err == nil && env.Type == wire.TypePing {
			pings++
			pong := wire.Envelope{Sender: r.id, Receiver: r.them, Type: wire.TypePong, TTL: 16, Topic: []byte(topic.Reserved), Payload: env.Payload}
			frame, _ := wire.AppendFrame(nil, &pong)
			r.conn.Write(frame) // fails when the test has closed the connection
		}
	}
}
