// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// HandshakeTimeout is how long the TLS handshake and Broker's own may take together.
const HandshakeTimeout = 10 * time.Second

// lingerTimeout is how long a refused connection stays open for reading, so that the refusal is not lost in a reset.
const lingerTimeout = 500 * time.Millisecond

// Config is what a handshake needs to know of this endpoint.
type Config struct {
	Self     data.EndpointID
	Registry *Registry
	// Filter answers the own filter at the moment it is sent. It must not block.
	Filter func() []string
	// TLS is nil for plain TCP.
	TLS *TLS
	// ServerURI is the URI that the certificate of a dialed peer must carry; empty for any.
	ServerURI string
}

// Established is a connection in operation.
type Established struct {
	Conn net.Conn
	Peer data.EndpointID
	Role Role
	// Filter is the peer's, Announced the own one as the peer knows it.
	Filter, Announced []string
	// Rest was received behind the last frame of the handshake.
	Rest []byte
	// URI is the name in the peer's verified certificate, if it has one.
	URI string
}

// Negotiate runs the handshake on a connection that was dialed or accepted. It owns the connection: on failure it is closed and the
// error is an *Error. The context ends the handshake, not the connection that comes out of it.
func Negotiate(ctx context.Context, conn net.Conn, dialer bool, cfg Config) (*Established, error) {
	n := &negotiation{conn: conn, deadline: time.Now().Add(HandshakeTimeout), resumed: make(chan Output, 1)}
	conn.SetDeadline(n.deadline)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	est, err := n.run(dialer, cfg)
	if !stop() && err == nil {
		n.machine.Forget()
		err = &Error{Class: Timeout, Text: "handshake", Err: context.Cause(ctx)}
	}
	if err != nil {
		n.conn.Close()
		if ctx.Err() != nil {
			err = &Error{Class: Timeout, Text: "handshake", Err: context.Cause(ctx)}
		}
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return est, nil
}

// negotiation is one handshake on a socket. It belongs to the goroutine that runs it; only resumed is written by others.
type negotiation struct {
	conn     net.Conn
	machine  *Machine
	deadline time.Time
	buf      []byte
	started  bool // the first frame has come
	resumed  chan Output
}

func (n *negotiation) run(dialer bool, cfg Config) (*Established, error) {
	uri, err := n.secure(dialer, cfg)
	if err != nil {
		return nil, err
	}
	n.machine = NewMachine(cfg.Self, dialer, cfg.Registry, cfg.Filter, n.wake)
	out := Output{Frames: n.machine.Start()}
	for {
		for _, f := range out.Frames {
			if _, err := n.conn.Write(f); err != nil {
				n.machine.Abort()
				return nil, ioError("handshake", err)
			}
		}
		switch out.State {
		case Done:
			return n.established(uri), nil
		case Failed:
			if len(out.Frames) > 0 {
				n.linger()
			}
			return nil, out.Err
		}
		if out, err = n.next(); err != nil {
			n.machine.Abort()
			return nil, err
		}
	}
}

func (n *negotiation) established(uri string) *Established {
	est := &Established{Conn: n.conn, URI: uri, Rest: n.buf}
	est.Peer, est.Role = n.machine.Peer()
	est.Filter, est.Announced = n.machine.Filters()
	return est
}

// secure does the TLS handshake if there is one and puts the TLS connection in the place of the plain one.
func (n *negotiation) secure(dialer bool, cfg Config) (uri string, err error) {
	if cfg.TLS == nil {
		return "", nil
	}
	var conn *tls.Conn
	if dialer {
		c, err := cfg.TLS.client(cfg.ServerURI)
		if err != nil {
			return "", &Error{Class: TLSFailed, Text: "own TLS files", Err: err}
		}
		conn = tls.Client(n.conn, c)
	} else {
		c, err := cfg.TLS.Server()
		if err != nil {
			return "", &Error{Class: TLSFailed, Text: "own TLS files", Err: err}
		}
		conn = tls.Server(n.conn, c)
	}
	if err := conn.Handshake(); err != nil {
		class := TLSFailed
		if errors.Is(err, os.ErrDeadlineExceeded) {
			class = Timeout
		}
		return "", &Error{Class: class, Text: "TLS handshake", Err: err}
	}
	n.conn = conn
	return verifiedURI(conn), nil
}

// wake is called from another goroutine while this one waits for a frame of the peer: it interrupts the read.
func (n *negotiation) wake(out Output) {
	n.resumed <- out
	n.conn.SetReadDeadline(time.Unix(1, 0))
}

// next waits for a frame and steps the machine, or takes what the machine says when another handshake has ended.
func (n *negotiation) next() (Output, error) {
	for {
		body, err := n.frame()
		if err != nil {
			return Output{}, err
		}
		if body != nil {
			return n.machine.Step(body), nil
		}
		read := len(n.buf)
		if cap(n.buf)-read < 512 {
			n.buf = append(make([]byte, 0, 2*cap(n.buf)+1024), n.buf...)
		}
		got, err := n.conn.Read(n.buf[read:cap(n.buf)])
		n.buf = n.buf[:read+got]
		if got > 0 || err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			select {
			case out := <-n.resumed:
				n.conn.SetReadDeadline(n.deadline)
				return out, nil
			default:
			}
		}
		return Output{}, n.readError(err)
	}
}

// frame takes a complete frame off the buffer; nil if more has to be read.
func (n *negotiation) frame() ([]byte, error) {
	if len(n.buf) < 4 {
		return nil, nil
	}
	if !n.started {
		if err := stranger(n.buf); err != nil {
			return nil, err
		}
		n.started = true
	}
	size := int64(binary.BigEndian.Uint32(n.buf))
	if size == 0 {
		return nil, &Error{Class: Incompatible, Text: "empty frame in the handshake"}
	}
	if size > int64(n.machine.Limit()) {
		return nil, &Error{Class: Incompatible, Text: "frame too large in the handshake"}
	}
	if int64(len(n.buf)) < 4+size {
		return nil, nil
	}
	body := n.buf[4 : 4+size]
	n.buf = n.buf[4+size:]
	return body, nil
}

// stranger recognises by the first four bytes who is no Broker endpoint of this protocol.
func stranger(b []byte) error {
	switch {
	case string(b[:4]) == "GET ":
		return &Error{Class: Incompatible, Text: "the peer speaks HTTP (a WebSocket client at the native port?)"}
	case b[0] == 0x15 && b[1] == 3, b[0] == 0x16 && b[1] == 3:
		return &Error{Class: TLSFailed, Text: "the peer speaks TLS, this end does not"}
	case binary.BigEndian.Uint32(b) == 0:
		return &Error{Class: Incompatible, Text: "the peer speaks BASP, the protocol of Broker before version 2.3"}
	}
	return nil
}

// linger lets the peer read a refusal: what it still sends is read and thrown away for a moment.
func (n *negotiation) linger() {
	type halfCloser interface{ CloseWrite() error }
	if c, ok := n.conn.(halfCloser); ok && c.CloseWrite() == nil {
		n.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		io.CopyN(io.Discard, n.conn, 1<<20)
	}
}

func (n *negotiation) readError(err error) error {
	if errors.Is(err, io.EOF) {
		return &Error{Class: Refused, Text: "connection closed during the handshake"}
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
