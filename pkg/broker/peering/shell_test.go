// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"Host.Example:09999": "host.example:9999", "127.0.0.1:1": "127.0.0.1:1", "[::1]:80": "[::1]:80", "[::FFFF:1.2.3.4]:5": "1.2.3.4:5",
		"[2001:DB8:0::1]:7": "[2001:db8::1]:7", "": "", "x": "", "x:": "", ":1": "", "x:0": "", "x:65536": "", "x:-1": "", "::1:5": "",
	} {
		got, err := Normalize(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("Normalize(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// discard is a logger for nobody.
var discard = slog.New(slog.DiscardHandler)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func config(id data.EndpointID) Config {
	return Config{Self: id, Registry: NewRegistry(), Filter: func() []string { return []string{id.String()} }}
}

// TestNegotiate runs both shells against each other, in both roles, with the first bytes of operation close behind the handshake.
func TestNegotiate(t *testing.T) {
	for _, ids := range [][2]data.EndpointID{{below, above}, {above, below}} {
		l := listen(t)
		var both, read sync.WaitGroup
		read.Add(2)
		serve := func(side int, conn net.Conn, dialer bool) {
			est, err := Negotiate(t.Context(), conn, dialer, config(ids[side]))
			if err != nil {
				t.Error(err)
				return
			}
			link := NewLink(est, Limit{10, 1000, Disconnect}, 1000)
			link.Start([]byte{0, 0, 0, 2, 'h', 'i'})
			frames, err := link.Next()
			if err != nil || len(frames) != 1 || string(frames[0][4:]) != "hi" {
				t.Errorf("%q, %v", frames, err)
			}
			if est.Peer != ids[1-side] || !slices.Equal(est.Filter, []string{est.Peer.String()}) || !slices.Equal(est.Announced, []string{ids[side].String()}) {
				t.Errorf("%+v", est)
			}
			if (est.Role == Originator) != (ids[side] == below) {
				t.Errorf("role %v", est.Role)
			}
			read.Done()
			read.Wait()
			link.Close()
			link.Wait()
		}
		both.Go(func() {
			if c, err := l.Accept(); err == nil {
				serve(1, c, false)
			}
		})
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		serve(0, c, true)
		both.Wait()
	}
}

// TestParkedOnSockets holds a second connection of the same endpoint until the first one is decided, and lets it go on when that fails.
func TestParkedOnSockets(t *testing.T) {
	for _, firstEnds := range []bool{false, true} {
		l := listen(t)
		cfg := config(below)
		results := make(chan error, 2)
		go Serve(l, discard, new(atomic.Uint64), func(c net.Conn, done func()) {
			defer done()
			est, err := Negotiate(t.Context(), c, false, cfg)
			if err == nil {
				defer est.Conn.Close()
			}
			results <- err
		})
		first := hi(t, l)
		for !cfg.Registry.Known(above) {
			runtime.Gosched()
		}
		second := hi(t, l)
		for !parkedOne(cfg.Registry) {
			runtime.Gosched()
		}
		end := []net.Conn{first, second}
		if firstEnds {
			first.Close()
			<-results
			end = []net.Conn{second}
		}
		for i, c := range end {
			if i == 0 { // the other one is refused now, whatever it says
				c.Write(wire.AppendHandshake(nil, &wire.ResponderSynAck{}))
			}
			err := <-results
			if (err == nil) != (i == 0) {
				t.Errorf("firstEnds=%v, connection %d: %v", firstEnds, i, err)
			}
			if e := (*Error)(nil); i == 1 && (!errors.As(err, &e) || e.Class != Redundant) {
				t.Errorf("error %v", err)
			}
		}
		second.Close()
		l.Close()
	}
}

// hi opens a connection and says hello with the larger ID.
func hi(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.Write(wire.AppendHandshake(nil, &wire.Hello{Sender: above, Min: 1, Max: 1}))
	return c
}

func parkedOne(r *Registry) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.mu.entries[above]
	return e != nil && len(e.parked) == 1
}

// TestDialAddresses tries every address of a name.
func TestDialAddresses(t *testing.T) {
	l := listen(t)
	go Serve(l, discard, new(atomic.Uint64), func(c net.Conn, done func()) {
		defer done()
		if est, err := Negotiate(t.Context(), c, false, config(below)); err == nil {
			est.Conn.Close()
		}
	})
	port := l.Addr().(*net.TCPAddr).Port
	d := Dialer{Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "pod.example" {
			return nil, &net.DNSError{Name: host, IsNotFound: true}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}, nil
	}}
	est, err := d.Dial(t.Context(), net.JoinHostPort("pod.example", itoa(port)), config(above))
	if err != nil || est.Peer != below {
		t.Fatalf("%+v, %v", est, err)
	}
	est.Conn.Close()
	for address, want := range map[string]ErrorClass{"other.example:1": Unreachable, "127.0.0.2:" + itoa(port): Refused} {
		_, err := d.Dial(t.Context(), address, config(above))
		if e := (*Error)(nil); !errors.As(err, &e) || e.Class != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Dial(ctx, "127.0.0.1:"+itoa(port), config(above)); err == nil {
		t.Error("dialed with an ended context")
	}
}

func itoa(n int) string {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)).String()[len("0.0.0.0:"):]
}
