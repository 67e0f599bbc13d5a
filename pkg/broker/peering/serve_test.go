// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a listener whose connections a test makes, from addresses that it chooses.
type crowd struct {
	accepts chan net.Conn
	fails   chan error
	closed  chan struct{}
}

func newCrowd() *crowd {
	return &crowd{make(chan net.Conn), make(chan error), make(chan struct{})}
}

func (l *crowd) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepts:
		return c, nil
	case err := <-l.fails:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *crowd) Close() error   { close(l.closed); return nil }
func (l *crowd) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9999} }

// from is a connection from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (c from) RemoteAddr() net.Addr { return c.addr }

// dial connects from an address and tells whether the connection was closed at once.
func (l *crowd) dial(source string) (c net.Conn, closed bool) {
	ours, theirs := net.Pipe()
	l.accepts <- from{ours, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), 1000))}
	synctest.Wait()
	theirs.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := theirs.Read(make([]byte, 1))
	return theirs, errors.Is(err, io.EOF)
}

// TestServeLimits fills a listener from many sources: what is beyond the limits is closed, counted, and logged once a minute.
func TestServeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCrowd()
		var log bytes.Buffer
		var crowded atomic.Uint64
		var open []func()
		var conns []net.Conn
		ended := make(chan struct{})
		go func() {
			Serve(l, slog.New(slog.NewTextHandler(&log, nil)), &crowded, func(c net.Conn, done func()) {
				open = append(open, done)
				io.Copy(io.Discard, c)
				done()
			})
			close(ended)
		}()
		enter := func(source string, want bool) {
			t.Helper()
			c, closed := l.dial(source)
			if closed == want {
				t.Fatalf("connection %d, from %s: closed %v", len(conns), source, closed)
			}
			conns = append(conns, c)
		}
		for range MaxHandshakesPerSource {
			enter("192.0.2.1", true)
			enter("::ffff:192.0.2.2", true)
		}
		enter("192.0.2.1", false)
		enter("192.0.2.2", false)
		for range MaxHandshakes - 2*MaxHandshakesPerSource - 1 {
			enter("127.0.0.1", true)
		}
		enter("2001:db8::1", true)
		for range 3 {
			enter("::1", false)
		}
		if got := crowded.Load(); got != 5 {
			t.Errorf("%d closed, want 5", got)
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `limit="source address" source=192.0.2.1 closed=1`) {
			t.Errorf("log: %s", got)
		}
		// A handshake that is over makes room, once.
		open[0]()
		open[0]()
		enter("192.0.2.9", true)
		time.Sleep(time.Minute)
		enter("192.0.2.9", false)
		if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, `limit=listener source=192.0.2.9 closed=5`) {
			t.Errorf("log after a minute: %s", got)
		}
		l.fails <- errors.New("out of descriptors") // is not the end
		enter("192.0.2.1", false)
		for _, c := range conns {
			c.Close()
		}
		l.Close()
		<-ended
	})
}

// TestConnectTimeout gives up on an address that doesn't answer after five seconds, and takes the next one.
func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tried []string
		d := Dialer{
			Resolve: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}, nil
			},
			Connect: func(ctx context.Context, address string) (net.Conn, error) {
				tried = append(tried, address)
				<-ctx.Done()
				return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
			},
		}
		began := time.Now()
		_, err := d.Dial(t.Context(), "peer.example:9999", config(below))
		var e *Error
		if !errors.As(err, &e) || e.Class != Timeout || len(tried) != 2 || time.Since(began) != 2*connectTimeout {
			t.Errorf("%v after %v, tried %q", err, time.Since(began), tried)
		}
	})
}

// TestSourceOf has the addresses that a limit applies to.
func TestSourceOf(t *testing.T) {
	for addr, want := range map[string]string{"192.0.2.1:5": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1", "127.9.9.9:5": "", "[::1]:5": "", "[::ffff:127.0.0.1]:5": "", "pipe": ""} {
		got := sourceOf(from{addr: text(addr)})
		if got.IsValid() != (want != "") || want != "" && got.String() != want {
			t.Errorf("%s: %v, want %q", addr, got, want)
		}
	}
}

// text is an address of any form.
type text string

func (text) Network() string  { return "test" }
func (a text) String() string { return string(a) }
