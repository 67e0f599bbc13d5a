// SPDX-License-Identifier: Apache-2.0

// Command credit publishes as fast as it can to a slow reader that is two
// connections away, and nothing is lost: the reader grants credit.
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

// messages are published.
const messages = 200

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	var endpoints [3]*broker.Endpoint // writer, node, reader
	for i := range endpoints {
		e, err := broker.New(broker.Options{})
		if err != nil {
			return err
		}
		defer e.Close(ctx)
		endpoints[i] = e
	}
	writer, node, reader := endpoints[0], endpoints[1], endpoints[2]
	for _, e := range []*broker.Endpoint{writer, reader} {
		if err := e.PeerLocal(ctx, node); err != nil {
			return err
		}
	}
	if err := await(ctx, func() bool { return reader.MeshView().Reaches(writer.ID()) }); err != nil {
		return err
	}

	// No more than sixteen messages wait for this subscriber at any time.
	// SubscribeSync returns when publishers know that.
	sub, err := reader.SubscribeSync(ctx, []string{"/jobs"}, broker.QueueLimit{Messages: 16, FlowControl: true})
	if err != nil {
		return err
	}
	wanted := func() bool { return len(writer.MeshView().Route(writer.ID(), writer.ID(), "/jobs")) == 2 }
	if err := await(ctx, wanted); err != nil {
		return err
	}
	published := make(chan error, 1)
	go func() { published <- publish(ctx, writer) }()
	for range messages {
		if _, err := sub.Get(ctx); err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // the work
	}
	if err := <-published; err != nil {
		return err
	}
	for _, f := range writer.Flows() {
		fmt.Fprintf(out, "sent %d to a subscriber of %v, waiting for it: %v\n", f.Sent, f.Prefixes, f.Counted)
	}
	fmt.Fprintf(out, "read %d, dropped %d\n", messages, sub.Dropped())
	return nil
}

func publish(ctx context.Context, writer *broker.Endpoint) error {
	jobs := writer.NewPublisher("/jobs", broker.PublisherOptions{}) // waits
	for i := range messages {
		if err := jobs.Publish(ctx, data.Count(uint64(i))); err != nil {
			return err
		}
	}
	return nil
}

// await waits until something has come to be known in the mesh.
func await(ctx context.Context, known func() bool) error {
	for !known() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
