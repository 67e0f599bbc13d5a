// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// TestMain refuses machines on which nothing can be tested.
func TestMain(m *testing.M) {
	if err := Missing(); err != nil {
		os.Stderr.WriteString("lab: " + err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// newEcho makes a lab of two hosts, with a server on the second one that sends back what it gets.
func newEcho(t *testing.T) (*Lab, func() net.Conn) {
	l, err := New(2, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	at := netip.AddrPortFrom(l.Hosts()[1].Addr, 9999)
	server, err := l.Hosts()[1].Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l, func() net.Conn {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := l.Hosts()[0].Dial(ctx, 0, at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
}

// echo sends a number of bytes and waits until all have come back.
func echo(t *testing.T, c net.Conn, size int) {
	t.Helper()
	go c.Write(make([]byte, size))
	c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.ReadFull(c, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    Fault
	}{
		{"none", Fault{}},
		{"loss", Fault{Loss: 5}},
		{"delay", Fault{Detour: Detour{Delay: 5 * time.Millisecond}}},
		{"reordering", Fault{Detour: Detour{Delay: 2 * time.Millisecond, Jitter: 2 * time.Millisecond, Reorder: 10}}},
		{"duplicates", Fault{Detour: Detour{Delay: time.Millisecond, Duplicate: 20}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, dial := newEcho(t)
			a, b := l.Hosts()[0], l.Hosts()[1]
			if err := l.Change(map[[2]*Host]Fault{{a, b}: tt.f, {b, a}: tt.f}); err != nil {
				t.Fatal(err)
			}
			echo(t, dial(), 200_000)
			if n := l.detour.mu.count; (tt.f.Detour != Detour{}) != (n > 0) {
				t.Errorf("%d packets took the detour", n)
			}
		})
	}
}

// TestCut sees that a cut lets nothing through and gives no sign, and that the connection goes on afterwards.
func TestCut(t *testing.T) {
	for _, direction := range []int{0, 1} {
		l, dial := newEcho(t)
		c := dial()
		echo(t, c, 1000)
		a, b := l.Hosts()[direction], l.Hosts()[1-direction]
		if err := l.Break(a, b, Fault{Cut: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("while it is cut: %d bytes, %v", n, err)
		}
		if err := l.Heal(); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
			t.Error(err)
		}
	}
}

func TestBadLoss(t *testing.T) {
	l, _ := newEcho(t)
	if err := l.Break(l.Hosts()[0], l.Hosts()[1], Fault{Loss: 7}); err == nil {
		t.Error("a loss without a rule was taken")
	}
}

// TestMute sees that the end of a connection is not heard of, nor the reset of what has ended, and that data still comes through.
func TestMute(t *testing.T) {
	l, dial := newEcho(t)
	c := dial()
	a, b := l.Hosts()[0], l.Hosts()[1]
	if err := l.Change(map[[2]*Host]Fault{{a, b}: {Mute: true}, {b, a}: {Mute: true}}); err != nil {
		t.Fatal(err)
	}
	echo(t, c, 100_000)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil { // the server would answer by closing
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("while it is mute: %d bytes, %v", n, err)
	}
	if err := l.Heal(); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after it has healed: %v", err)
	}
}
