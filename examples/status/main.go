// SPDX-License-Identifier: Apache-2.0

// Command status prints what happens to the peering with an endpoint, which is
// dialed again and again:
//
//	go run ./examples/status -peer 127.0.0.1:9999
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

func main() {
	peer := flag.String("peer", "127.0.0.1:9999", "an endpoint")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *peer, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address string, out io.Writer) error {
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	if err != nil {
		return err
	}
	defer e.Close(context.WithoutCancel(ctx))
	events, err := e.SubscribeStatus(false)
	if err != nil {
		return err
	}
	// It needn't be there yet. Pauses between attempts grow up to a second.
	if err := e.PeerAsync(address, broker.PeerOptions{Retry: time.Second}); err != nil {
		return err
	}
	for ev := range events.All(ctx) {
		fmt.Fprintf(out, "%s: %s\n", ev.Code, ev.Message)
	}
	return nil
}
