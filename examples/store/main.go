// SPDX-License-Identifier: Apache-2.0

// Command store has the master of a store on one endpoint and a clone on
// another one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	office, err := broker.New(broker.Options{})
	if err != nil {
		return err
	}
	defer office.Close(ctx)
	address, err := office.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	master, err := store.NewMaster(office, "stock", memory.New(), store.MasterOptions{})
	if err != nil {
		return err
	}
	defer master.Close()
	if err := master.Put(ctx, data.String("apples"), data.Count(10), 0); err != nil {
		return err
	}
	return shop(ctx, address.String(), out)
}

// shop has a clone of the master at an address.
func shop(ctx context.Context, address string, out io.Writer) error {
	e, err := broker.New(broker.Options{})
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	events, err := e.Subscribe([]string{topic.StoreEvents("stock")}, broker.QueueLimit{})
	if err != nil {
		return err
	}
	if _, err := e.Peer(ctx, address, broker.PeerOptions{}); err != nil {
		return err
	}
	clone, err := store.NewClone(e, "stock", store.CloneOptions{})
	if err != nil {
		return err
	}
	defer clone.Close()
	if err := use(ctx, clone, out); err != nil {
		return err
	}
	for events.Available() > 0 {
		ev, _ := events.Poll()
		what, _ := ev.Value.Index(0)
		key, _ := ev.Value.Index(2)
		fmt.Fprintln(out, "event:", what, key)
	}
	return nil
}

// use reads and writes. A clone answers reads itself, and sends writes to the
// master.
func use(ctx context.Context, clone *store.Clone, out io.Writer) error {
	if err := clone.AwaitIdle(ctx); err != nil { // it has the master's content now
		return err
	}
	apples := data.String("apples")
	v, err := clone.Get(ctx, apples)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "apples:", v)

	if err := clone.Decrement(ctx, apples, data.Count(4), 0); err != nil {
		return err
	}
	first, err := clone.PutUnique(ctx, data.String("pears"), data.Count(7), time.Hour)
	if err != nil {
		return err
	}
	second, err := clone.PutUnique(ctx, data.String("pears"), data.Count(8), time.Hour)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "put unique:", first, second)
	if err := clone.AwaitIdle(ctx); err != nil { // the writes have come back
		return err
	}
	keys, err := clone.Keys(ctx)
	if err != nil {
		return err
	}
	for key := range keys.Elements() {
		v, err := clone.Get(ctx, key)
		fmt.Fprintln(out, key, v, err)
	}
	_, err = clone.Get(ctx, data.String("plums"))
	fmt.Fprintln(out, "plums:", errors.Is(err, code.NoSuchKey))
	return nil
}
