// SPDX-License-Identifier: Apache-2.0

// Command flowcontrol publishes more than a peer takes at once, and shows the
// three ways to deal with that.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
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
	reader, err := broker.New(broker.Options{})
	if err != nil {
		return err
	}
	defer reader.Close(ctx)
	// With OverflowWait nothing is lost: a peer that sends too much waits.
	sub, err := reader.Subscribe([]string{"/files"}, broker.QueueLimit{Messages: 1, Overflow: broker.OverflowWait})
	if err != nil {
		return err
	}
	address, err := reader.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	// The queue towards each peer holds eight messages.
	writer, err := broker.New(broker.Options{PeerQueue: broker.QueueLimit{Messages: 8}})
	if err != nil {
		return err
	}
	defer writer.Close(ctx)
	if _, err := writer.Peer(ctx, address.String(), broker.PeerOptions{}); err != nil {
		return err
	}
	return publish(ctx, writer, sub, out)
}

func publish(ctx context.Context, e *broker.Endpoint, sub *broker.Subscriber, out io.Writer) error {
	file := data.String(strings.Repeat("x", 1<<20))

	// Waiting, the default, ends when there is room, or with the context. Nobody
	// reads yet, so there is no more room at some time.
	waiting := e.NewPublisher("/files", broker.PublisherOptions{})
	sent, err := fill(ctx, waiting, file)
	fmt.Fprintf(out, "waiting: %v, %d of %d in the queue\n", err, waiting.Buffered(), waiting.Capacity())

	failing := e.NewPublisher("/files", broker.PublisherOptions{Full: broker.FullFail})
	fmt.Fprintln(out, "failing:", errors.Is(failing.Publish(ctx, file), broker.ErrFull))

	dropping := e.NewPublisher("/files", broker.PublisherOptions{Full: broker.FullDrop})
	fmt.Fprintln(out, "dropping:", dropping.Publish(ctx, file), dropping.Dropped())

	read := make(chan error, 1)
	go func() { read <- take(ctx, sub, sent+20) }()
	for range 20 {
		if err := waiting.Publish(ctx, file); err != nil {
			return err
		}
	}
	if err := <-read; err != nil {
		return err
	}
	fmt.Fprintln(out, "everything else has been read")
	return nil
}

// fill publishes until it has waited for two seconds in vain, and answers how
// often it did not.
func fill(ctx context.Context, p *broker.Publisher, v data.Value) (sent int, err error) {
	for {
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := p.Publish(short, v)
		cancel()
		if err != nil {
			return sent, err
		}
		sent++
	}
}

// take receives so many messages.
func take(ctx context.Context, sub *broker.Subscriber, n int) error {
	for range n {
		if _, err := sub.Get(ctx); err != nil {
			return err
		}
	}
	return nil
}
