// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// again is how long a client waits for an answer before it asks once more: the
// way there, or back, may only just have come to be known.
const again = 500 * time.Millisecond

// Errors to branch on.
var (
	// ErrRefused: the node got the question and does not answer it.
	ErrRefused = errors.New("the node refused the question")
	// ErrClosed: the client, or its endpoint, has been closed.
	ErrClosed = errors.New("closed")
)

// Client asks nodes. Its methods may be called from any goroutine.
type Client struct {
	mail mail
	stop context.CancelFunc
	done sync.WaitGroup
	gone chan struct{} // closed when nothing is received any more

	mu struct {
		sync.Mutex
		next    uint64
		waiting map[uint64]waiting
	}
}

// waiting is a question that was asked.
type waiting struct {
	node data.EndpointID
	sent time.Time
	got  chan<- answer // has room for the answers to all attempts
}

// answer is what came back.
type answer struct {
	message
	sent, received time.Time
}

func newClient(m mail) *Client {
	c := &Client{mail: m, gone: make(chan struct{})}
	c.mu.waiting = make(map[uint64]waiting)
	c.mu.next = uint64(time.Now().UnixNano())
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.done.Go(func() { c.receive(ctx) })
	return c
}

// Close ends receiving. Questions that wait fail with ErrClosed. Closing twice
// is fine.
func (c *Client) Close() {
	c.stop()
	c.mail.close()
	c.done.Wait()
}

func (c *Client) receive(ctx context.Context) {
	defer close(c.gone)
	for {
		from, v, err := c.mail.next(ctx)
		if err != nil {
			return
		}
		received := time.Now()
		m, err := parse(v)
		if err != nil || m.word == wordAsk {
			continue
		}
		c.mu.Lock()
		w, ok := c.mu.waiting[m.number]
		if ok && w.node == from {
			delete(c.mu.waiting, m.number)
			w.got <- answer{m, w.sent, received}
		}
		c.mu.Unlock()
	}
}

// ask asks until there is an answer or the context ends.
func (c *Client) ask(ctx context.Context, node data.EndpointID, kind Kind, args ...string) (answer, error) {
	const attempts = 64 // that may be under way
	got := make(chan answer, attempts)
	var numbers []uint64
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, n := range numbers {
			delete(c.mu.waiting, n)
		}
	}()
	retry := time.NewTicker(again)
	defer retry.Stop()
	var problem error
	for {
		if len(numbers) < attempts {
			n := c.register(node, got)
			numbers = append(numbers, n)
			problem = c.mail.send(node, message{word: wordAsk, number: n, kind: kind, args: args}.value())
		}
		select {
		case a := <-got:
			if a.word == wordRefused {
				return a, fmt.Errorf("%w: %s", ErrRefused, a.text)
			}
			return a, nil
		case <-retry.C:
		case <-c.gone:
			return answer{}, ErrClosed
		case <-ctx.Done():
			if problem != nil {
				return answer{}, fmt.Errorf("%w: %w", ctx.Err(), problem)
			}
			return answer{}, ctx.Err()
		}
	}
}

func (c *Client) register(node data.EndpointID, got chan<- answer) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.next++
	c.mu.waiting[c.mu.next] = waiting{node, time.Now(), got}
	return c.mu.next
}

// Ask asks a node and answers the document that came back. It asks again every
// half second, until the context ends.
func (c *Client) Ask(ctx context.Context, node data.EndpointID, kind Kind, args ...string) (json.RawMessage, error) {
	a, err := c.ask(ctx, node, kind, args...)
	if err != nil {
		return nil, fmt.Errorf("ask %s for %s: %w", node, kind, err)
	}
	return json.RawMessage(a.text), nil
}

// into asks and reads the document.
func into[T any](ctx context.Context, c *Client, node data.EndpointID, kind Kind, args ...string) (T, error) {
	var doc T
	raw, err := c.Ask(ctx, node, kind, args...)
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return doc, fmt.Errorf("answer of %s: %w", node, err)
	}
	return doc, nil
}

// Report asks a node for its report.
func (c *Client) Report(ctx context.Context, node data.EndpointID) (Report, error) {
	return into[Report](ctx, c, node, KindReport)
}

// Route asks a node where a message goes. Zero IDs stand for the node itself.
func (c *Client) Route(ctx context.Context, node data.EndpointID, topic string, entering, origin data.EndpointID) (Route, error) {
	text := func(id data.EndpointID) string {
		if id.IsZero() {
			return ""
		}
		return id.String()
	}
	return into[Route](ctx, c, node, KindRoute, topic, text(entering), text(origin))
}

// Trace asks a node for its records of a prefix from a number on. The first
// such question begins to record; a question every few seconds keeps it up.
func (c *Client) Trace(ctx context.Context, node data.EndpointID, prefix string, from uint64) (Trace, error) {
	return into[Trace](ctx, c, node, KindTrace, prefix, strconv.FormatUint(from, 10))
}

// Tap asks a node to have messages stamped with the time for the next ten
// seconds.
func (c *Client) Tap(ctx context.Context, node data.EndpointID) error {
	_, err := c.Ask(ctx, node, KindTap)
	return err
}

// Clock is what one question tells about a node's distance and clock.
type Clock struct {
	// RTT is the time on the way, without what the node took to answer.
	RTT time.Duration
	// Ahead is by how much the node's clock is ahead of the own one. It is
	// wrong by half of RTT at most.
	Ahead time.Duration
}

// Ping measures the way to a node.
func (c *Client) Ping(ctx context.Context, node data.EndpointID) (Clock, error) {
	a, err := c.ask(ctx, node, KindPing)
	if err != nil {
		return Clock{}, fmt.Errorf("ping %s: %w", node, err)
	}
	var p Pong
	if err := json.Unmarshal([]byte(a.text), &p); err != nil {
		return Clock{}, fmt.Errorf("answer of %s: %w", node, err)
	}
	return clockOf(a.sent, p.Received, p.Sent, a.received), nil
}

// clockOf is the difference of two clocks, of which one sent at t0 and got the
// answer at t3, and the other got the question at t1 and answered at t2.
func clockOf(t0, t1, t2, t3 time.Time) Clock {
	there, back := t1.Sub(t0), t2.Sub(t3)
	return Clock{RTT: max(0, t3.Sub(t0)-t2.Sub(t1)), Ahead: there/2 + back/2}
}
