// SPDX-License-Identifier: Apache-2.0

// Command pubsub is a subscriber or a publisher of measurements:
//
//	go run ./examples/pubsub -listen 127.0.0.1:9999
//	go run ./examples/pubsub -peer 127.0.0.1:9999
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
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func main() {
	listen := flag.String("listen", "", "accept a publisher at HOST:PORT, and print what it publishes")
	peer := flag.String("peer", "", "connect to a subscriber at HOST:PORT, and publish")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *peer != "" {
		err = publish(ctx, *peer)
	} else {
		err = subscribe(ctx, *listen, os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// Measurement is what is published.
type Measurement struct {
	Station string
	At      time.Time
	Celsius float64
}

// subscribe prints the measurements of a publisher until it is gone.
func subscribe(ctx context.Context, address string, out io.Writer) error {
	e, err := broker.New(broker.Options{})
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	sub, err := e.Subscribe([]string{"/weather/"}, broker.QueueLimit{})
	if err != nil {
		return err
	}
	at, err := e.Listen(address)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "listening at", at)

	for m := range sub.All(ctx) {
		if m.Topic == "/weather/end" {
			break
		}
		var x Measurement
		if err := data.Unmarshal(m.Value, &x); err != nil {
			fmt.Fprintln(out, m.Topic, "is no measurement:", err)
			continue
		}
		fmt.Fprintf(out, "%s: %s %.1f °C\n", m.Topic, x.At.Format(time.TimeOnly), x.Celsius)
	}
	return ctx.Err()
}

// publish sends three measurements, and something else.
func publish(ctx context.Context, address string) error {
	e, err := broker.New(broker.Options{})
	if err != nil {
		return err
	}
	if _, err := e.Peer(ctx, address, broker.PeerOptions{Retry: time.Second}); err != nil {
		return err
	}
	at := time.Unix(1700000000, 0).UTC()
	for i, celsius := range []float64{4.5, 4.2, 3} {
		v, err := data.Marshal(Measurement{Station: "north", At: at.Add(time.Duration(i) * time.Minute), Celsius: celsius})
		if err != nil {
			return err
		}
		if err := e.Publish("/weather/north", v); err != nil {
			return err
		}
	}
	if err := e.Publish("/weather/south", data.String("broken")); err != nil {
		return err
	}
	if err := e.Publish("/weather/end", data.None()); err != nil {
		return err
	}
	return e.Close(ctx) // writes what is queued
}
