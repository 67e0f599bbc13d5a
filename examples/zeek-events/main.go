// SPDX-License-Identifier: Apache-2.0

// Command zeek-events plays ping-pong with the Zeek script beside it:
//
//	zeek examples/zeek-events/ping.zeek
//	go run ./examples/zeek-events -peer 127.0.0.1:9999
//
// Zeek protects its connections with TLS that authenticates nobody unless it is
// told otherwise. With Broker::disable_ssl=T in Zeek, add -plain here.
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
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

func main() {
	peer := flag.String("peer", "127.0.0.1:9999", "where Zeek listens")
	plain := flag.Bool("plain", false, "no TLS")
	flag.Parse()
	o := broker.Options{TLS: &peering.TLS{Anonymous: true}}
	if *plain {
		o.TLS = nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *peer, o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

const topic = "/topic/test"

func run(ctx context.Context, address string, o broker.Options, out io.Writer) error {
	e, err := broker.New(o)
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	answers, err := e.Subscribe([]string{topic}, broker.QueueLimit{})
	if err != nil {
		return err
	}
	if _, err := e.Peer(ctx, address, broker.PeerOptions{Retry: time.Second}); err != nil {
		return err
	}
	for n := range uint64(3) {
		// event ping(text: string, n: count)
		ping, err := zeek.Marshal("ping", "hello", n)
		if err != nil {
			return err
		}
		if err := e.Publish(topic, ping); err != nil {
			return err
		}
		m, err := answers.Get(ctx)
		if err != nil {
			return err
		}
		if err := answer(m, out); err != nil {
			return err
		}
	}
	return nil
}

// answer prints a pong.
func answer(m broker.Message, out io.Writer) error {
	event, err := zeek.ParseEvent(m.Value)
	if err != nil {
		return err
	}
	// event pong(text: string, n: count)
	var text string
	var n uint64
	if err := event.Scan(&text, &n); err != nil {
		return err
	}
	fmt.Fprintln(out, event.Name, text, n)
	return nil
}
