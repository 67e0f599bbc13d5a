// SPDX-License-Identifier: Apache-2.0

//go:build allocs

package broker

import (
	"context"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// This file holds the hot path to how often it allocates memory. It is a step of its own (make allocs), without the race detector and
// with nothing else in the process, because it counts what the whole process does.

const (
	allocMessages = 100_000
	allocWarmUp   = 20_000
	allocRound    = 1000
	// allocSlack is for what happens once in many messages: a chunk of a queue, the block of a read, a timer.
	allocSlack = 0.01
)

// atMost bounds the allocations a message. The best of three runs counts: how many frames make a write, and with that the little that is
// allocated for each, depends on what else the machine does; what is allocated for each message is in all of them.
func atMost(t *testing.T, bar float64, run func(messages int)) {
	t.Helper()
	run(allocWarmUp)
	best := math.Inf(1)
	for range 3 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		run(allocMessages)
		runtime.ReadMemStats(&after)
		best = min(best, float64(after.Mallocs-before.Mallocs)/allocMessages)
	}
	t.Logf("%.4f allocations a message, allowed: %v", best, bar)
	if best > bar+allocSlack {
		t.Errorf("%.4f allocations a message, allowed: %v", best, bar)
	}
}

// loop is one direction of a connection in memory that allocates nothing: a fixed buffer. Writing waits while it is full.
type loop struct {
	mu       sync.Mutex
	cond     sync.Cond
	buf      []byte
	at, n    int
	closed   bool
	deadline time.Time
}

func newLoop() *loop {
	r := &loop{buf: make([]byte, 1<<20)}
	r.cond.L = &r.mu
	return r
}

func (r *loop) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.n == 0 {
		switch {
		case r.closed:
			return 0, io.EOF
		case !r.deadline.IsZero() && !time.Now().Before(r.deadline):
			return 0, os.ErrDeadlineExceeded
		}
		r.cond.Wait()
	}
	n := copy(b, r.buf[r.at:min(r.at+r.n, len(r.buf))])
	r.at, r.n = (r.at+n)%len(r.buf), r.n-n
	r.cond.Broadcast()
	return n, nil
}

func (r *loop) Write(b []byte) (written int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(b) > 0 {
		for r.n == len(r.buf) && !r.closed {
			r.cond.Wait()
		}
		if r.closed {
			return written, io.ErrClosedPipe
		}
		end := (r.at + r.n) % len(r.buf)
		n := copy(r.buf[end:min(end+len(r.buf)-r.n, len(r.buf))], b)
		r.n, written, b = r.n+n, written+n, b[n:]
		r.cond.Broadcast()
	}
	return written, nil
}

func (r *loop) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.cond.Broadcast()
}

func (r *loop) setDeadline(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = t
	r.cond.Broadcast()
	if d := time.Until(t); !t.IsZero() && d > 0 {
		time.AfterFunc(d, r.cond.Broadcast)
	}
}

// loopConn is one end of a connection over two loops.
type loopConn struct {
	memConn // for the addresses
	in, out *loop
}

func (c *loopConn) Read(b []byte) (int, error)         { return c.in.Read(b) }
func (c *loopConn) Write(b []byte) (int, error)        { return c.out.Write(b) }
func (c *loopConn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(t); return nil }
func (c *loopConn) SetWriteDeadline(t time.Time) error { return nil }
func (c *loopConn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }

func (c *loopConn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

// loopTo opens a connection to an endpoint.
func loopTo(t *testing.T, e *Endpoint) *loopConn {
	t.Helper()
	l := newMemListener()
	if err := e.listen(l); err != nil {
		t.Fatal(err)
	}
	x, y := newLoop(), newLoop()
	a := &loopConn{in: x, out: y}
	t.Cleanup(func() { a.Close() })
	l.conns <- &loopConn{in: y, out: x}
	return a
}

// allocSource writes frames with event 1, as another implementation would.
type allocSource struct {
	conn  net.Conn
	block []byte // allocRound frames
}

func newAllocSource(t *testing.T, e *Endpoint) *allocSource {
	t.Helper()
	r := rawDialAs(t, loopTo(t, e), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 1})
	go io.Copy(io.Discard, r.conn)
	frame, err := wire.AppendFrame(nil, &wire.Envelope{Sender: r.id, Type: wire.TypeData, TTL: 16, Topic: []byte("/bench"), Payload: smallEvent().AppendBinary(nil)})
	if err != nil {
		t.Fatal(err)
	}
	s := &allocSource{conn: r.conn}
	for range allocRound {
		s.block = append(s.block, frame...)
	}
	// The first frame ends the wait for an announcement.
	r.send(wire.TypePing, "<$>", []byte{0})
	return s
}

func (s *allocSource) send(t *testing.T) {
	if _, err := s.conn.Write(s.block); err != nil {
		t.Error(err)
	}
}

// allocSink counts the data frames that an endpoint sends it.
type allocSink struct {
	t      *testing.T
	frames *peering.Reader
}

func newAllocSink(t *testing.T, e *Endpoint) *allocSink {
	t.Helper()
	r := rawDialAs(t, loopTo(t, e), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 2}, "/bench")
	r.send(wire.TypePing, "<$>", []byte{0})
	poll(t, "the sink is known", func() bool {
		for _, p := range e.Peers() {
			if p.ID == r.id && p.State == Peered && p.Class == ClassForeign {
				return true
			}
		}
		return false
	})
	return &allocSink{t, peering.NewReader(r.conn, nil, DefaultMaxFrame)}
}

func (s *allocSink) take(n int) {
	for n > 0 {
		frames, err := s.frames.Next()
		if err != nil {
			s.t.Error(err)
			return
		}
		for _, f := range frames {
			if wire.Type(f[wire.FrameHeader+wire.TypeAt]) == wire.TypeData {
				n--
			}
		}
	}
}

// roomy is a peer's queue in which a round finds room.
var roomy = QueueLimit{Messages: 1 << 20, Bytes: 1 << 30}

// TestAllocsRelay passes messages from one foreign endpoint to another.
func TestAllocsRelay(t *testing.T) {
	for name, plain := range map[string]bool{"plain protocol": true, "with extensions": false} {
		t.Run(name, func(t *testing.T) {
			e := endpoint(t, Options{Forward: ForwardAll, PlainProtocol: plain, PeerQueue: roomy})
			sink := newAllocSink(t, e)
			source := newAllocSource(t, e)
			atMost(t, 0, func(messages int) {
				for range messages / allocRound {
					source.send(t)
					sink.take(allocRound)
				}
			})
		})
	}
}

// TestAllocsMesh publishes a prepared value at a node, which another node passes on to a foreign endpoint: messages carry stamps
// between the two.
func TestAllocsMesh(t *testing.T) {
	a, b := endpoint(t, Options{PeerQueue: roomy}), endpoint(t, Options{PeerQueue: roomy})
	sink := newAllocSink(t, b)
	l := newMemListener()
	if err := b.listen(l); err != nil {
		t.Fatal(err)
	}
	a.dialer.Connect = func(context.Context, string) (net.Conn, error) {
		x, y := newLoop(), newLoop()
		l.conns <- &loopConn{in: y, out: x}
		return &loopConn{in: x, out: y}, nil
	}
	if _, err := a.Peer(within(t), "127.0.0.1:1", PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	poll(t, "the way is known", func() bool { return len(a.MeshView().Route(a.ID(), a.ID(), "/bench")) > 0 })
	publishAndCount(t, a, sink)
}

// TestAllocsPublish publishes a prepared value to a foreign endpoint.
func TestAllocsPublish(t *testing.T) {
	e := endpoint(t, Options{})
	publishAndCount(t, e, newAllocSink(t, e))
}

func publishAndCount(t *testing.T, e *Endpoint, sink *allocSink) {
	t.Helper()
	p := e.NewPublisher("/bench", PublisherOptions{})
	v := smallEvent()
	ctx := context.Background()
	atMost(t, 1, func(messages int) {
		for range messages / allocRound {
			for range allocRound {
				if err := p.Publish(ctx, v); err != nil {
					t.Error(err)
					return
				}
			}
			sink.take(allocRound)
		}
	})
}

// TestAllocsDecode receives event 1 and reads every leaf of it.
func TestAllocsDecode(t *testing.T) {
	e := endpoint(t, Options{Forward: ForwardNone})
	sub, err := e.Subscribe([]string{"/bench"}, wait)
	if err != nil {
		t.Fatal(err)
	}
	source := newAllocSource(t, e)
	msgs := make([]Message, 256)
	atMost(t, 3, func(messages int) {
		for range messages / allocRound {
			source.send(t)
			for got := 0; got < allocRound; {
				n, err := sub.GetBatch(t.Context(), msgs)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range msgs[:n] {
					if sum := leaves(msgs[i].Value); sum != 1+1+7+42+4 {
						t.Errorf("the leaves of %v sum up to %d", msgs[i].Value, sum)
						return
					}
				}
				got += n
			}
		}
	})
}

// leaves adds up numbers and the lengths of strings.
func leaves(v data.Value) (sum int) {
	switch v.Kind() {
	case data.KindVector:
		for r := v.Reader(); ; {
			e, ok := r.Next()
			if !ok {
				return sum
			}
			sum += leaves(e)
		}
	case data.KindString:
		s, _ := v.AsString()
		return len(s)
	case data.KindCount:
		n, _ := v.AsCount()
		return int(n)
	default:
		n, _ := v.AsInteger()
		return int(n)
	}
}
