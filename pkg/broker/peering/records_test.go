// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/peering/anontls"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// tape is a connection that keeps what is written to it.
type tape struct {
	net.Conn
	written bytes.Buffer
}

func (c *tape) Write(b []byte) (int, error) {
	c.written.Write(b)
	return c.Conn.Write(b)
}

// records answers the lengths of the application data records, and whether a close_notify or another alert came last.
func (c *tape) records(t *testing.T) (sizes []int, alertLast bool) {
	t.Helper()
	b := c.written.Bytes()
	for len(b) >= 5 {
		n := int(b[3])<<8 | int(b[4])
		if len(b) < 5+n {
			t.Fatal("half a record")
		}
		if b[0] == 0x17 {
			sizes = append(sizes, n)
		}
		alertLast = b[0] == 0x15
		b = b[5+n:]
	}
	return sizes, alertLast
}

// listenOnce accepts one peer, reads what it sends, and answers why it ended.
func listenOnce(t *testing.T, l net.Listener, cfg Config) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	est, err := Negotiate(t.Context(), c, false, cfg)
	if err != nil {
		return err
	}
	link := NewLink(est, Limit{10, 1000, Disconnect}, 1000)
	for err == nil {
		_, err = link.Next()
	}
	cause := link.Cause(err)
	link.Fail(cause)
	return cause
}

// TestRecords looks at the records of both kinds of TLS: each frame of the handshake has one of its own, and so has what follows
// originator_ack; closing ends with an alert, which is close_notify.
func TestRecords(t *testing.T) {
	ca := newAuthority(t)
	for name, security := range map[string]*TLS{"authenticated": ca.tls("a"), "anonymous": {Anonymous: true}} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			ended := make(chan error, 1)
			theirs := config(above)
			theirs.TLS = security
			go func() { ended <- listenOnce(t, l, theirs) }()
			raw, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			conn := &tape{Conn: raw}
			cfg := config(below)
			cfg.TLS = security
			est, err := Negotiate(t.Context(), conn, true, cfg)
			if err != nil {
				t.Fatal(err)
			}
			before, _ := conn.records(t)
			link := NewLink(est, Limit{10, 1000, Disconnect}, 1000)
			link.Start([]byte{0, 0, 0, 1, 'x'})
			link.Queue.Append(LaneData, []byte{0, 0, 0, 2, 'h', 'i'})
			for link.BytesOut.Load() < 11 {
				runtime.Gosched()
			}
			link.Close()
			link.Wait()
			var e *Error
			if err := <-ended; !errors.As(err, &e) || e.Text != "the peer closed the connection" {
				t.Errorf("the other end: %v", err)
			}
			sizes, alert := conn.records(t)
			// hello, version_select, originator_syn, originator_ack; TLS 1.3 adds the dialer's certificate and Finished in front.
			frames := before[len(before)-4:]
			want := []int{4 + 23, 4 + 22, 4 + 2 + len(below.String()) + 1, 4 + 1}
			for i, plain := range want {
				if n := frames[i]; n < plain+16 || n > plain+16+20+16 {
					t.Errorf("record %d of the handshake has %d bytes for a frame of %d", i, n, plain)
				}
			}
			if name == "authenticated" { // stream cipher: exact sizes, and the end's alert looks like data
				for i, plain := range want {
					if frames[i] != plain+17 {
						t.Errorf("record %d: %d bytes, want %d", i, frames[i], plain+17)
					}
				}
				alert = sizes[len(sizes)-1] == 2+17
			}
			if len(sizes) <= len(before) || !alert {
				t.Errorf("records %v, of the handshake %v, alert at the end: %v", sizes, before, alert)
			}
		})
	}
}

// TestEndWithoutNotify closes the TCP connection below TLS, as the reference does: an ordinary loss.
func TestEndWithoutNotify(t *testing.T) {
	ca := newAuthority(t)
	conf, err := ca.tls("a").client("", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		security *TLS
		client   func(net.Conn) secured
	}{
		"authenticated": {ca.tls("b"), func(c net.Conn) secured { return tls.Client(c, conf) }},
		"anonymous":     {&TLS{Anonymous: true}, func(c net.Conn) secured { return anontls.Client(c) }},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			raw, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				secure := c.client(raw)
				secure.Write(wire.AppendHandshake(nil, &wire.Hello{Sender: above, Min: 1, Max: 1}))
				secure.Write(wire.AppendHandshake(nil, &wire.ResponderSynAck{}))
				io.ReadFull(secure, make([]byte, 9+26+4+38+5)) // probe, version_select, originator_syn, originator_ack
				raw.Close()
			}()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			cfg := config(below)
			cfg.TLS = c.security
			est, err := Negotiate(t.Context(), conn, false, cfg)
			if err != nil {
				t.Fatal(err)
			}
			link := NewLink(est, Limit{10, 1000, Disconnect}, 1000)
			_, err = link.Next()
			var e *Error
			if cause := link.Cause(err); !errors.As(cause, &e) || e.Class != Lost || e.Text != "the peer closed the connection" || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v", cause)
			}
			link.Fail(nil)
		})
	}
}
