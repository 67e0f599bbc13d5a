// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// goodbyeTime bounds how long a counting sink waits for the peer's goodbye.
const goodbyeTime = 5 * time.Second

// counter is a peer without an endpoint: it counts data frames, answers pings,
// and passes over everything else.
type counter struct {
	id     data.EndpointID
	conn   net.Conn
	peer   data.EndpointID
	frames *peering.Reader
}

// count is [Sink] for frames that nobody reads.
func count(ctx context.Context, o SinkOptions) (Result, error) {
	c, err := newCounter(ctx, &o.Link)
	if err != nil {
		return Result{}, err
	}
	defer c.conn.Close()
	defer context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })()
	var m meter
	for received := 0; received < o.Count; {
		n, err := c.next()
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			err = ErrLeft
		}
		if err != nil {
			return Result{}, fmt.Errorf("after %d of %d messages: %w", received, o.Count, cause(ctx, err))
		}
		if received == 0 && n > 0 {
			m = startMeter()
		}
		received += n
	}
	result := m.stop(o.Count)
	c.conn.SetDeadline(time.Now().Add(goodbyeTime))
	for err == nil {
		_, err = c.next()
	}
	return result, nil
}

// next reads what has come, answers pings, and tells how many frames carried
// data.
func (c *counter) next() (n int, err error) {
	frames, err := c.frames.Next()
	if err != nil {
		return 0, err
	}
	for _, f := range frames {
		if len(f) < wire.FrameHeader+wire.HeaderSize {
			return n, fmt.Errorf("a frame of %d bytes", len(f))
		}
		switch wire.Type(f[wire.FrameHeader+wire.TypeAt]) {
		case wire.TypeData:
			n++
		case wire.TypePing:
			if err := c.pong(f[wire.FrameHeader:]); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (c *counter) pong(body []byte) error {
	env, err := wire.ParseEnvelope(body)
	if err != nil {
		return err
	}
	env.Sender, env.Receiver, env.Type = c.id, c.peer, wire.TypePong
	frame, err := wire.AppendFrame(nil, &env)
	if err == nil {
		_, err = c.conn.Write(frame)
	}
	return err
}

// newCounter peers with the one that it dials, or the first that comes.
func newCounter(ctx context.Context, l *Link) (*counter, error) {
	c := &counter{id: data.NewEndpointID()}
	config := peering.Config{Self: c.id, Registry: peering.NewRegistry(), Filter: func() []string { return []string{Topic} }, TLS: l.TLS}
	var est *peering.Established
	var err error
	switch {
	case l.Mesh:
		return nil, errors.New("what only counts frames is no client of a mesh")
	case len(l.Peers) == 1 && l.Listen == "":
		est, err = dialOnce(ctx, l.Peers[0], config)
	case len(l.Peers) == 0 && l.Listen != "":
		est, err = acceptOnce(ctx, l, config)
	default:
		return nil, errors.New("what only counts frames has one peer, and either listens or dials")
	}
	if err != nil {
		return nil, err
	}
	c.conn, c.peer, c.frames = est.Conn, est.Peer, peering.NewReader(est.Conn, est.Rest, broker.DefaultMaxFrame)
	return c, nil
}

func dialOnce(ctx context.Context, address string, config peering.Config) (*peering.Established, error) {
	for {
		est, err := peering.Dialer{}.Dial(ctx, address, config)
		if err == nil {
			return est, nil
		}
		select {
		case <-time.After(redial):
		case <-ctx.Done():
			return nil, fmt.Errorf("peer with %s: %w", address, errors.Join(ctx.Err(), err))
		}
	}
}

func acceptOnce(ctx context.Context, l *Link, config peering.Config) (*peering.Established, error) {
	listener, err := peering.Listen(ctx, l.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", l.Listen, err)
	}
	defer listener.Close()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	if l.Listening != nil {
		l.Listening(listener.Addr())
	}
	conn, err := listener.Accept()
	if err != nil {
		return nil, fmt.Errorf("wait for a peer: %w", errors.Join(ctx.Err(), err))
	}
	est, err := peering.Negotiate(ctx, conn, false, config)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return est, nil
}
