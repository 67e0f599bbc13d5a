// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

var _ store.Bus = (*broker.Endpoint)(nil)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func endpoint(t *testing.T) *broker.Endpoint {
	t.Helper()
	e, err := broker.New(broker.Options{})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		e.Close(ctx)
	})
	return e
}

func listening(t *testing.T) (*broker.Endpoint, string) {
	t.Helper()
	e := endpoint(t)
	address, err := e.Listen("127.0.0.1:0")
	must(t, err)
	return e, address.String()
}

func master(t *testing.T, e *broker.Endpoint, be backend.Backend) *store.Master {
	t.Helper()
	m, err := store.NewMaster(e, "zeek/known/hosts", be, store.MasterOptions{})
	must(t, err)
	t.Cleanup(func() { must(t, m.Close()) })
	return m
}

func clone(t *testing.T, e *broker.Endpoint) *store.Clone {
	t.Helper()
	c, err := store.NewClone(e, "zeek/known/hosts", store.CloneOptions{StaleAfter: 2 * time.Second})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// awaitState waits until a clone is in a state.
func awaitState(t *testing.T, c *store.Clone, want store.State) {
	t.Helper()
	for ctx := patience(t); ; {
		changed := c.Changed()
		if c.Status().State == want {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("not %v in time: %+v", want, c.Status())
		}
	}
}

// TestOverEndpoints: a master and clones on endpoints that are peered over TCP.
func TestOverEndpoints(t *testing.T) {
	ctx := patience(t)
	hub, address := listening(t)
	be, err := sqlite.Open(filepath.Join(t.TempDir(), "store.sqlite"), sqlite.Options{})
	must(t, err)
	m := master(t, hub, be)
	must(t, m.Put(ctx, data.String("before"), data.Count(1), 0))
	events, err := hub.Subscribe([]string{topic.StoreEvents("zeek/known/hosts")}, broker.QueueLimit{})
	must(t, err)
	var clones []*store.Clone
	for range 4 {
		e := endpoint(t)
		c := clone(t, e)
		c.WriteAsync(store.WriteAdd(data.String("early"), data.Count(1), data.KindVector, 0))
		_, err := e.Peer(ctx, address, broker.PeerOptions{})
		must(t, err)
		clones = append(clones, c)
	}
	var group sync.WaitGroup
	for i, c := range clones {
		group.Go(func() {
			for n := range 100 {
				if err := c.Put(ctx, data.Vector(data.Count(uint64(i)), data.Count(uint64(n))), data.Count(uint64(n)), 0); err != nil {
					t.Error(err)
				}
				if err := c.Increment(ctx, data.String("sum"), data.Count(uint64(n)), 0); err != nil {
					t.Error(err)
				}
			}
			if err := c.AwaitIdle(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	must(t, m.AwaitIdle(ctx))
	for i, c := range clones {
		must(t, c.AwaitIdle(ctx))
		if s := c.Status(); s.Entries != 403 || s.State != store.StateSynced || s.WritesUnknown != 0 {
			t.Errorf("clone %d: %+v", i, s)
		}
		for key, want := range map[string]string{"before": "1", "sum": "19800", "early": "(1, 1, 1, 1)"} {
			if v, err := c.Get(ctx, data.String(key)); err != nil || v.String() != want {
				t.Errorf("clone %d: %s is %v, %v; want %s", i, key, v, err, want)
			}
		}
	}
	if s := m.Status(); s.Entries != 403 || s.Clones != 4 || s.Sequence < 800 {
		t.Errorf("master: %+v", s)
	}
	first, err := events.Get(ctx)
	must(t, err)
	if kind, _ := first.Value.Index(0); first.Topic != "<$>/local/data/store-events/zeek/known/hosts" || kind.String() != "insert" {
		t.Errorf("first event: %+v", first)
	}
}

// TestCutConnection: a clone whose connection is gone turns stale, and catches up when it is back.
func TestCutConnection(t *testing.T) {
	ctx := patience(t)
	hub, address := listening(t)
	m := master(t, hub, memory.New())
	e := endpoint(t)
	c := clone(t, e)
	_, err := e.Peer(ctx, address, broker.PeerOptions{})
	must(t, err)
	must(t, m.Put(ctx, data.String("k"), data.Count(1), 0))
	awaitState(t, c, store.StateSynced)
	must(t, e.Unpeer(ctx, address))
	must(t, m.Put(ctx, data.String("k"), data.Count(2), 0))
	n := c.WriteAsync(store.WriteAdd(data.String("n"), data.Count(1), data.KindCount, 0))
	awaitState(t, c, store.StateStale)
	_, err = e.Peer(ctx, address, broker.PeerOptions{})
	must(t, err)
	must(t, n.Wait(ctx))
	awaitState(t, c, store.StateSynced)
	must(t, c.AwaitIdle(ctx))
	for key, want := range map[string]string{"k": "2", "n": "1"} {
		if v, err := c.Get(ctx, data.String(key)); err != nil || v.String() != want {
			t.Errorf("%s is %v, %v; want %s", key, v, err, want)
		}
	}
}

// TestPutUniqueOverEndpoints: one master and eight clones on nine endpoints that forward nothing; each clone tries the same four keys.
func TestPutUniqueOverEndpoints(t *testing.T) {
	ctx := patience(t)
	hub, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	must(t, err)
	defer hub.Close(ctx)
	address, err := hub.Listen("127.0.0.1:0")
	must(t, err)
	master(t, hub, memory.New())
	var mu sync.Mutex
	won := map[string]int{}
	var group sync.WaitGroup
	for i := range 8 {
		e, err := broker.New(broker.Options{Forward: broker.ForwardNone})
		must(t, err)
		defer e.Close(ctx)
		_, err = e.Peer(ctx, address.String(), broker.PeerOptions{})
		must(t, err)
		c := clone(t, e)
		group.Go(func() {
			for key := range 4 {
				ok, err := c.PutUnique(ctx, data.Count(uint64(key)), data.Count(uint64(i)), 0)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if ok {
					won[fmt.Sprint(key)]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(won) != 4 || won["0"]+won["1"]+won["2"]+won["3"] != 4 {
		t.Errorf("won: %v", won)
	}
}

// TestOverHops: a master and its clones three hops apart in a ring of nodes, and a clone on a client. They stay in sync when the shorter
// way ends.
func TestOverHops(t *testing.T) {
	ctx := patience(t)
	var nodes []*broker.Endpoint
	var addresses []string
	for range 6 {
		e, address := listening(t)
		nodes, addresses = append(nodes, e), append(addresses, address)
	}
	for i, e := range nodes {
		_, err := e.Peer(ctx, addresses[(i+1)%6], broker.PeerOptions{})
		must(t, err)
	}
	client, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	must(t, err)
	t.Cleanup(func() { client.Close(context.Background()) })
	_, err = client.Peer(ctx, addresses[4], broker.PeerOptions{})
	must(t, err)
	m := master(t, nodes[0], memory.New())
	clones := []*store.Clone{clone(t, nodes[3]), clone(t, nodes[2]), clone(t, client)}
	check := func(round uint64) {
		t.Helper()
		must(t, m.Put(ctx, data.String("master"), data.Count(round), 0))
		for i, c := range clones {
			must(t, c.Put(ctx, data.Vector(data.Count(uint64(i)), data.Count(round)), data.Count(round), 0))
			must(t, c.Increment(ctx, data.String("sum"), data.Count(1), 0))
			must(t, c.AwaitIdle(ctx))
		}
		must(t, m.AwaitIdle(ctx))
		for i, c := range clones {
			awaitState(t, c, store.StateSynced)
			for key, want := range map[string]uint64{"master": round, "sum": 3 * round} {
				if n, err := c.Get(ctx, data.String(key)); err != nil || !data.Equal(n, data.Count(want)) {
					t.Errorf("round %d, clone %d: %s is %v, %v", round, i, key, n, err)
				}
			}
		}
	}
	check(1)
	must(t, nodes[0].Unpeer(ctx, addresses[1]))
	check(2)
}
