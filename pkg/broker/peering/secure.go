// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/peering/anontls"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

// headConn is a connection whose first bytes can be looked at, before they are read by TLS or after it has failed, and whose last
// bytes before a failure, too.
type headConn struct {
	net.Conn
	head  []byte // the first bytes that were received, at most quoted
	ahead []byte // of those, the ones that Read has still to give out
	tail  []byte // the last bytes, at most as many as an alert has
	done  bool   // nobody will look any more
}

// alertRecord is the size of an alert that is not encrypted, and alertHeader how it begins: fatal, of TLS 1.2 or 1.3.
const alertRecord = 7

var alertHeader = []byte{0x15, 3, 3, 0, 2, 2}

// peek waits for n bytes, n at most quoted.
func (c *headConn) peek(n int) error {
	b := make([]byte, quoted)
	got, err := io.ReadAtLeast(c.Conn, b, n)
	c.head, c.ahead = b[:got], b[:got]
	return err
}

// Read reads, and remembers the first bytes.
func (c *headConn) Read(b []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(b, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b)
	if c.done {
		return n, err
	}
	c.tail = append(c.tail, b[max(0, n-alertRecord):n]...)
	c.tail = c.tail[max(0, len(c.tail)-alertRecord):]
	if room := quoted - len(c.head); room > 0 {
		c.head = append(c.head, b[:min(room, n)]...)
	}
	return n, err
}

// secured is a connection over TLS of either mode.
type secured interface {
	net.Conn
	HandshakeContext(ctx context.Context) error
}

// secure does the TLS handshake and puts the TLS connection in the place of the plain one.
func (n *negotiation) secure(ctx context.Context, cfg Config) error {
	head := &headConn{Conn: n.raw}
	if !n.dialer {
		err := head.peek(5)
		if len(head.head) == 0 {
			return n.readError(err)
		}
		if err := strangerTLS(head.head, false); err != nil {
			refuseStranger(n.raw, err.(*Error))
			return err
		}
	}
	conn, err := n.wrap(head, cfg)
	if err != nil {
		return err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		err = n.secureError(head, err, cfg)
		if !n.dialer {
			linger(n.raw) // so that the alert arrives
		}
		return err
	}
	head.done = true
	n.conn, n.security = conn, "anonymous TLS 1.2"
	if c, ok := conn.(*tls.Conn); ok {
		state := c.ConnectionState()
		n.security = tls.VersionName(state.Version)
		if names := meshtls.URIs(state); len(names) > 0 {
			n.uri = names[0]
		}
		if len(state.PeerCertificates) > 0 {
			n.subject = state.PeerCertificates[0].Subject.String()
		}
	}
	return nil
}

// wrap makes the TLS connection of the configured mode.
func (n *negotiation) wrap(conn net.Conn, cfg Config) (secured, error) {
	switch {
	case cfg.TLS.Anonymous && n.dialer && cfg.ServerURI+cfg.ServerName != "":
		return nil, &Error{Class: TLSFailed, Text: fmt.Sprintf("the peer is to be %q, but anonymous TLS cannot tell", cfg.ServerURI+cfg.ServerName)}
	case cfg.TLS.Anonymous && n.dialer:
		return anontls.Client(conn), nil
	case cfg.TLS.Anonymous:
		return anontls.Server(conn), nil
	}
	var c *tls.Config
	var err error
	if n.dialer {
		c, err = cfg.TLS.client(cfg.ServerURI, cfg.ServerName)
	} else {
		c, err = cfg.TLS.Server()
	}
	if err != nil {
		return nil, &Error{Class: TLSFailed, Text: "own TLS files", Err: err}
	}
	if n.dialer {
		return tls.Client(conn, c), nil
	}
	return tls.Server(conn, c), nil
}

// secureError says why a TLS handshake failed.
func (n *negotiation) secureError(conn *headConn, err error, cfg Config) error {
	e := &Error{Class: TLSFailed, Text: "TLS handshake", Err: err}
	if n.dialer && len(conn.head) > 0 {
		if err := strangerTLS(conn.head, true); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Class = Timeout
	case len(conn.head) == 0 && hungUp(err):
		e.Text = "the peer hung up on TLS (does it speak it?)"
	case strings.Contains(err.Error(), "bad record MAC") && bytes.HasPrefix(conn.tail, alertHeader):
		// OpenSSL's client doesn't encrypt what it has against the server's certificate, and crypto/tls expects that it does.
		return &Error{Class: TLSFailed, Remote: true, Text: alertText(tls.AlertError(conn.tail[alertRecord-1]).Error())}
	case strings.Contains(err.Error(), "didn't provide a certificate"), strings.Contains(err.Error(), "no cipher suite supported by both"):
		e.Text = "TLS handshake (a dialer in Zeek's default mode has no certificate, and is not let in here)"
	default:
		alert := alertError(err)
		if alert == nil {
			break
		}
		switch e = alert; {
		case n.dialer && cfg.TLS.Anonymous:
			e.Text += " (does the listener want certificates?)"
		case n.dialer && strings.Contains(e.Text, "handshake failure"):
			e.Text += " (so answers a listener in Zeek's default mode, which is anonymous TLS)"
		}
	}
	return e
}

// alertError is for an error that is an alert of the peer; nil for any other.
func alertError(err error) *Error {
	var op *net.OpError
	var anon *anontls.AlertError
	switch {
	case errors.As(err, &op) && op.Op == "remote error":
		return &Error{Class: TLSFailed, Remote: true, Text: alertText(op.Err.Error())}
	case errors.As(err, &anon) && anon.Remote:
		return &Error{Class: TLSFailed, Remote: true, Text: alertText(anon.Alert.String())}
	}
	return nil
}

func alertText(name string) string { return "TLS alert: " + strings.TrimPrefix(name, "tls: ") }

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// lastWords looks for the reason when the peer no longer takes what is written: it may have sent a refusal before it hung up.
func (n *negotiation) lastWords(write error) error {
	n.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	out, err := n.next()
	e := (*Error)(nil)
	switch {
	case err == nil && out.State == Failed:
		return out.Err
	case errors.As(err, &e) && e.Class != Lost && e.Class != Timeout:
		return e
	}
	return ioError("handshake", write)
}

// readError says why nothing more came, and as far as possible what the peer may be.
func (n *negotiation) readError(err error) error {
	alert := alertError(err)
	fresh := !n.started && len(n.buf) == 0
	switch {
	case alert != nil:
		return alert
	case fresh && hungUp(err) && n.dialer && n.conn == n.raw:
		return &Error{Class: Refused, Text: "the listener hung up without a word (does it want TLS?)"}
	case fresh && hungUp(err) && n.dialer:
		return &Error{Class: Refused, Text: "the listener hung up without a word"}
	case fresh && hungUp(err):
		return &Error{Class: Refused, Text: TextNoWord}
	case !n.started && hungUp(err):
		return &Error{Class: Incompatible, Text: named(n.buf, TextNotBroker)}
	case hungUp(err):
		return &Error{Class: Refused, Text: "connection closed during the handshake"}
	case errors.Is(err, os.ErrDeadlineExceeded) && fresh && !n.dialer:
		return &Error{Class: Timeout, Text: TextSilent}
	case errors.Is(err, os.ErrDeadlineExceeded) && fresh:
		return &Error{Class: Timeout, Text: "the listener said nothing"}
	}
	return ioError("handshake", err)
}

// ioError classifies an error of a socket.
func ioError(act string, err error) *Error {
	class := Lost
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		class = Refused
	case errors.As(err, &dns), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		class = Unreachable
	case errors.As(err, &timeout) && timeout.Timeout():
		class = Timeout
	}
	return &Error{Class: class, Text: act, Err: err}
}
