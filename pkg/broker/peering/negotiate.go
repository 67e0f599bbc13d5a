// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
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
	// ServerURI is the URI that the certificate of a dialed peer must carry, ServerName the host name or IP address that it must be
	// for; empty for any.
	ServerURI, ServerName string
	// BusyPoll is for how long, after something has come, the connection's reader looks for more before it sleeps.
	BusyPoll time.Duration
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
	// Subject is the subject of that certificate, as RFC 2253 writes it: CN=zeek,O=Example.
	Subject string
	// Security is how the connection is protected: "none", "TLS 1.2", "TLS 1.3", or "anonymous TLS 1.2" which authenticates nobody.
	Security string

	raw net.Conn // below TLS
}

// Negotiate runs the handshake on a connection that was dialed or accepted. It owns the connection: on failure it is closed and the
// error is an *Error. The context ends the handshake, not the connection that comes out of it.
func Negotiate(ctx context.Context, conn net.Conn, dialer bool, cfg Config) (*Established, error) {
	conn = busyPoll(conn, cfg.BusyPoll)
	n := &negotiation{conn: conn, raw: conn, dialer: dialer, security: "none", deadline: time.Now().Add(HandshakeTimeout), resumed: make(chan Output, 1)}
	conn.SetDeadline(n.deadline)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	est, err := n.run(ctx, cfg)
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
	conn, raw    net.Conn // raw is below TLS
	dialer       bool
	uri, subject string // of the peer's certificate
	security     string
	machine      *Machine
	deadline     time.Time
	buf          []byte
	started      bool // the first frame has come
	resumed      chan Output
}

func (n *negotiation) run(ctx context.Context, cfg Config) (*Established, error) {
	if cfg.TLS != nil {
		if err := n.secure(ctx, cfg); err != nil {
			return nil, err
		}
	}
	n.machine = NewMachine(cfg.Self, n.dialer, cfg.Registry, cfg.Filter, n.wake)
	var err error
	out := Output{Frames: n.machine.Start()}
	for {
		// Each frame is a write, and over TLS a record, of its own: the reference stops reading at originator_ack, and would not
		// notice what its TLS library has read beyond it.
		for _, f := range out.Frames {
			if _, err := n.conn.Write(f); err != nil {
				err = n.lastWords(err)
				n.machine.Abort()
				if out.State == Done { // the peer doesn't know of it: there is no link
					n.machine.Forget()
				}
				return nil, err
			}
		}
		switch out.State {
		case Done:
			return n.established(), nil
		case Failed:
			if len(out.Frames) > 0 {
				linger(n.conn)
			}
			return nil, out.Err
		}
		if out, err = n.next(); err != nil {
			n.machine.Abort()
			return nil, err
		}
	}
}

func (n *negotiation) established() *Established {
	est := &Established{Conn: n.conn, URI: n.uri, Subject: n.subject, Security: n.security, Rest: n.buf, raw: n.raw}
	est.Peer, est.Role = n.machine.Peer()
	est.Filter, est.Announced = n.machine.Filters()
	return est
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
		if err := stranger(n.buf, n.dialer); err != nil {
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

// linger lets the peer read a refusal: what it still sends is read and thrown away for a moment.
func linger(conn net.Conn) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() != nil {
		return
	}
	conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.CopyN(io.Discard, conn, 1<<20)
}
