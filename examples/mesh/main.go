// SPDX-License-Identifier: Apache-2.0

// Command mesh has three endpoints in one process: at first in a line, then in a
// ring. Messages find their way over any number of nodes, and arrive once.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	var nodes [3]*broker.Endpoint
	var addresses [3]string
	for i := range nodes {
		e, err := broker.New(broker.Options{}) // Forward is ForwardMesh: a node
		if err != nil {
			return err
		}
		defer e.Close(ctx)
		at, err := e.Listen("127.0.0.1:0")
		if err != nil {
			return err
		}
		nodes[i], addresses[i] = e, at.String()
	}
	first, middle, last := nodes[0], nodes[1], nodes[2]
	sub, err := last.Subscribe([]string{"/alarms/"}, broker.QueueLimit{})
	if err != nil {
		return err
	}

	// A line: first - middle - last.
	if _, err := middle.Peer(ctx, addresses[2], broker.PeerOptions{}); err != nil {
		return err
	}
	if _, err := first.Peer(ctx, addresses[1], broker.PeerOptions{}); err != nil {
		return err
	}
	if err := settle(ctx, nodes[:]); err != nil {
		return err
	}
	if err := send(ctx, first, sub, out, "line"); err != nil {
		return err
	}

	// With a third link it is a ring, and the way is shorter.
	if _, err := last.Peer(ctx, addresses[0], broker.PeerOptions{}); err != nil {
		return err
	}
	if err := settle(ctx, nodes[:]); err != nil {
		return err
	}
	if err := send(ctx, first, sub, out, "ring"); err != nil {
		return err
	}
	if err := settle(ctx, nodes[:]); err != nil {
		return err
	}
	fmt.Fprintln(out, "more than once:", sub.Available() > 0)
	return nil
}

// send publishes at one end and prints what arrives at the other.
func send(ctx context.Context, from *broker.Endpoint, sub *broker.Subscriber, out io.Writer, text string) error {
	if err := from.Publish("/alarms/fire", data.String(text)); err != nil {
		return err
	}
	m, err := sub.Get(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d hops, published by the first: %t, passed on by another: %t\n",
		m.Value, m.Hops, m.Origin == from.ID(), m.From != m.Origin)
	return nil
}

// settle waits until news of links and subscriptions have gone around: each
// round takes them one node further.
func settle(ctx context.Context, nodes []*broker.Endpoint) error {
	for range nodes {
		for _, e := range nodes {
			sub, err := e.SubscribeSync(ctx, nil, broker.QueueLimit{})
			if err != nil {
				return err
			}
			sub.Close()
		}
	}
	return nil
}
