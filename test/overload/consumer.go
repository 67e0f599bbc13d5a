// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
)

// consumer takes what the publisher has published, with a pause after each message until it is in a hurry.
type consumer interface {
	hurry()
	// settle waits until everything has arrived or was dropped. onWay answers what the connections have dropped.
	settle(ctx context.Context, published uint64, onWay func() uint64) (delivered, dropped uint64, err error)
	close()
}

// taking is what consumers have in common.
type taking struct {
	pause   atomic.Int64
	taken   atomic.Uint64
	stop    context.CancelFunc
	running sync.WaitGroup
}

func (t *taking) hurry() { t.pause.Store(0) }

func (t *taking) took() {
	t.taken.Add(1)
	if d := t.pause.Load(); d > 0 {
		time.Sleep(time.Duration(d))
	}
}

// await waits until as many messages have been taken or dropped as were published, and no longer than it takes.
func (t *taking) await(ctx context.Context, published uint64, dropped func() uint64) (uint64, uint64, error) {
	end := time.Now().Add(30 * time.Second)
	for {
		taken, lost := t.taken.Load(), dropped()
		switch {
		case taken+lost == published:
			return taken, lost, nil
		case taken+lost > published || time.Now().After(end) || ctx.Err() != nil:
			return taken, lost, fmt.Errorf("%d published, %d delivered and %d dropped", published, taken, lost)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// reader is a subscriber.
type reader struct {
	taking
	sub *broker.Subscriber
}

func newReader(ctx context.Context, e *broker.Endpoint, pause time.Duration) (*reader, error) {
	sub, err := e.SubscribeSync(ctx, []string{"/load"}, broker.QueueLimit{Messages: 1 << 30, Bytes: 1 << 40})
	if err != nil {
		return nil, err
	}
	r := &reader{sub: sub}
	r.pause.Store(int64(pause))
	ctx, r.stop = context.WithCancel(context.Background())
	r.running.Go(func() {
		for {
			if _, err := sub.Get(ctx); err != nil {
				return
			}
			r.took()
		}
	})
	return r, nil
}

func (r *reader) settle(ctx context.Context, published uint64, onWay func() uint64) (delivered, dropped uint64, err error) {
	return r.await(ctx, published, func() uint64 { return onWay() + r.sub.Dropped() })
}

func (r *reader) close() {
	r.stop()
	r.running.Wait()
	r.sub.Close()
}

// client is a WebSocket client of a gateway at the relay.
type client struct {
	taking
	g    *gateway.Gateway
	conn *websocket.Conn
}

func newClient(ctx context.Context, e *broker.Endpoint, pause time.Duration) (*client, error) {
	g, err := gateway.Listen(e, "127.0.0.1:0", gateway.Options{Limits: gateway.Limits{
		Queue: broker.QueueLimit{Messages: 1 << 30, Bytes: 1 << 40, Overflow: broker.OverflowDropOldest},
	}})
	if err != nil {
		return nil, err
	}
	c := &client{g: g}
	c.pause.Store(int64(pause))
	if err := c.join(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	ctx, c.stop = context.WithCancel(context.Background())
	c.running.Go(func() {
		for {
			if _, _, err := c.conn.Read(ctx); err != nil {
				return
			}
			c.took()
		}
	})
	return c, nil
}

func (c *client) join(ctx context.Context) error {
	conn, _, err := websocket.Dial(ctx, "ws://"+c.g.Addr().String()+gateway.Path, nil)
	if err != nil {
		return err
	}
	c.conn = conn
	conn.SetReadLimit(-1)
	if err := conn.Write(ctx, websocket.MessageText, []byte(`["/load"]`)); err != nil {
		return err
	}
	_, _, err = conn.Read(ctx) // the acknowledgement
	return err
}

func (c *client) settle(ctx context.Context, published uint64, onWay func() uint64) (delivered, dropped uint64, err error) {
	return c.await(ctx, published, func() uint64 {
		lost := onWay()
		for _, s := range c.g.Sessions() {
			lost += s.Dropped
		}
		return lost
	})
}

func (c *client) close() {
	c.stop()
	_ = c.conn.CloseNow()
	c.running.Wait()
	_ = c.g.Close()
}
