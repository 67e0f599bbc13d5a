// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// polledPair is a polling connection, which says each time whether it found something before it would sleep, and its other end.
func polledPair(t *testing.T, busy time.Duration) (p *polled, other net.Conn, looks chan bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if other, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p = busyPoll(conn, busy).(*polled)
	t.Cleanup(func() { p.Close() })
	looks = make(chan bool, 100)
	p.look = func(fd uintptr) bool {
		done := p.attempt(fd)
		looks <- done
		return done
	}
	return p, other, looks
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, 100)
	if n, err := c.Read(b); err != nil || string(b[:n]) != want {
		t.Fatalf("read %q, %v; want %q", b[:n], err, want)
	}
}

// TestPolls: after something has come the reader looks until more comes, and doesn't sleep.
func TestPolls(t *testing.T) {
	p, other, looks := polledPair(t, time.Hour)
	send(t, other, "one")
	receive(t, p, "one")
	for len(looks) > 0 {
		<-looks
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		receive(t, p, "two")
	}()
	send(t, other, "two")
	<-answered
	if done := <-looks; !done || len(looks) > 0 {
		t.Errorf("found something at the first go: %v, and went to sleep %d times", done, len(looks))
	}
	if _, err := p.Read(nil); err != nil {
		t.Errorf("read of nothing: %v", err)
	}
	other.Close()
	if n, err := p.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

// TestPollsAlone: of several connections that would poll, none does.
func TestPollsAlone(t *testing.T) {
	p, other, looks := polledPair(t, time.Hour)
	q, _, _ := polledPair(t, time.Hour)
	send(t, other, "one")
	receive(t, p, "one")
	for len(looks) > 0 {
		<-looks
	}
	p.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	if done := <-looks; done {
		t.Error("found something where nothing was")
	}
	p.SetReadDeadline(time.Time{})
	q.Close()
	q.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		receive(t, p, "two")
	}()
	send(t, other, "two")
	<-answered
	if done := <-looks; !done || polls.Load() != 1 {
		t.Errorf("alone again, and went to sleep: %v, %d connections would poll", !done, polls.Load())
	}
}

// TestPolledCloses: a reader that looks, and one that sleeps, end with the connection, and hear of a reset.
func TestPolledCloses(t *testing.T) {
	for name, busy := range map[string]time.Duration{"looking": 10 * time.Millisecond, "asleep": 1} {
		t.Run(name, func(t *testing.T) {
			p, other, _ := polledPair(t, busy)
			send(t, other, "one")
			receive(t, p, "one")
			ended := make(chan error)
			go func() {
				_, err := p.Read(make([]byte, 1))
				ended <- err
			}()
			p.Close()
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v, want %v", err, net.ErrClosed)
			}
			if n := polls.Load(); n != 0 {
				t.Errorf("%d connections would poll after the last is closed", n)
			}
			r, other, _ := polledPair(t, busy)
			other.(*net.TCPConn).SetLinger(0)
			other.Close()
			var failed *net.OpError
			if _, err := r.Read(make([]byte, 1)); !errors.As(err, &failed) {
				t.Errorf("%v, want a reset", err)
			}
		})
	}
}

// TestPollsSocketsOnly: what is no socket, and what shall not poll, stays what it is.
func TestPollsSocketsOnly(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if got := busyPoll(a, time.Second); got != a {
		t.Errorf("a pipe became %T", got)
	}
	p, _, _ := polledPair(t, time.Second)
	if got := busyPoll(p.TCPConn, 0); got != net.Conn(p.TCPConn) {
		t.Errorf("a socket that shall not poll became %T", got)
	}
}
