// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// office is an endpoint with the master of a store, for the examples.
func office() (*broker.Endpoint, *store.Master) {
	e, err := broker.New(broker.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := store.NewMaster(e, "stock", memory.New(), store.MasterOptions{})
	if err != nil {
		log.Fatal(err)
	}
	return e, m
}

func ExampleRemote() {
	ctx := context.Background()
	e, master := office()
	defer e.Close(ctx)
	defer master.Close()

	// This endpoint has the master itself; any other endpoint of the mesh would do.
	remote, err := store.NewRemote(e, "stock", store.RemoteOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer remote.Close()
	if err := remote.Increment(ctx, data.String("apples"), data.Count(3), 0); err != nil {
		log.Fatal(err)
	}
	done, err := remote.CompareAndSet(ctx, data.String("apples"), data.Count(3), true, data.Count(2), 0)
	fmt.Println(done, err)
	apples, err := remote.Get(ctx, data.String("apples"))
	fmt.Println(apples, err)
	_, err = remote.Get(ctx, data.String("pears"))
	fmt.Println(err)
	// Output:
	// true <nil>
	// 2 <nil>
	// no_such_key
}

func ExampleMap() {
	ctx := context.Background()
	e, master := office()
	defer e.Close(ctx)
	defer master.Close()

	type item struct {
		Shelf string
		Count uint64
	}
	stock := store.NewMap[string, item](master)
	for _, name := range []string{"apples", "pears"} {
		if err := stock.Put(ctx, name, item{"A", uint64(len(name))}, 0); err != nil {
			log.Fatal(err)
		}
	}
	pears, ok, err := stock.Get(ctx, "pears")
	fmt.Println(pears, ok, err)
	var names []string
	for entry, err := range stock.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		names = append(names, entry.Key)
	}
	slices.Sort(names)
	fmt.Println(names)
	// Output:
	// {A 5} true <nil>
	// [apples pears]
}

func ExampleProxy() {
	ctx := context.Background()
	e, master := office()
	defer e.Close(ctx)
	defer master.Close()

	proxy := store.NewProxy(master)
	defer proxy.Close()
	proxy.PutUnique(data.String("apples"), data.Count(3), 0)
	proxy.Get(data.String("apples"))
	responses, err := proxy.ReceiveN(ctx, 2)
	for _, r := range responses {
		fmt.Println(r.ID, r.Value, r.Err)
	}
	fmt.Println(err)
	// Output:
	// 1 T <nil>
	// 2 3 <nil>
	// <nil>
}
