// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

func remote(t *testing.T, e *broker.Endpoint) *store.Remote {
	t.Helper()
	r, err := store.NewRemote(e, "zeek/known/hosts", store.RemoteOptions{Timeout: 50 * time.Second, FindTimeout: 20 * time.Second})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// line is a mesh of nodes, each peered with the one before it.
func line(t *testing.T, n int) (nodes []*broker.Endpoint, addresses []string) {
	t.Helper()
	for i := range n {
		e, address := listening(t)
		if i > 0 {
			_, err := e.Peer(patience(t), addresses[i-1], broker.PeerOptions{})
			must(t, err)
		}
		nodes, addresses = append(nodes, e), append(addresses, address)
	}
	return nodes, addresses
}

func leaf(t *testing.T, address string) *broker.Endpoint {
	t.Helper()
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	must(t, err)
	t.Cleanup(func() { e.Close(context.Background()) })
	_, err = e.Peer(patience(t), address, broker.PeerOptions{})
	must(t, err)
	return e
}

// TestRemoteOverHops: remotes on every node of a mesh, and on clients of both ends, work with one master.
func TestRemoteOverHops(t *testing.T) {
	ctx := patience(t)
	nodes, addresses := line(t, 3)
	be, err := sqlite.Open(filepath.Join(t.TempDir(), "store.sqlite"), sqlite.Options{})
	must(t, err)
	m := master(t, nodes[0], be)
	c := clone(t, nodes[1])
	remotes := []*store.Remote{
		remote(t, nodes[0]), remote(t, nodes[1]), remote(t, nodes[2]), remote(t, leaf(t, addresses[0])), remote(t, leaf(t, addresses[2])),
	}
	var group sync.WaitGroup
	for i, r := range remotes {
		group.Go(func() {
			for n := range 20 {
				key := data.Vector(data.Count(uint64(i)), data.Count(uint64(n)))
				if err := r.Put(ctx, key, data.Count(uint64(n)), 0); err != nil {
					t.Errorf("remote %d: %v", i, err)
				}
				if err := r.Increment(ctx, data.String("sum"), data.Count(1), 0); err != nil {
					t.Errorf("remote %d: %v", i, err)
				}
				if v, err := r.Get(ctx, key); err != nil || !data.Equal(v, data.Count(uint64(n))) {
					t.Errorf("remote %d: %v, %v", i, v, err)
				}
			}
		})
	}
	group.Wait()
	must(t, c.AwaitIdle(ctx))
	must(t, m.AwaitIdle(ctx))
	for i, r := range remotes {
		if v, err := r.Get(ctx, data.String("sum")); err != nil || v.String() != "100" {
			t.Errorf("remote %d: the sum is %v, %v", i, v, err)
		}
		keys, err := r.Keys(ctx)
		if err != nil || keys.Len() != 101 {
			t.Errorf("remote %d: %d keys, %v", i, keys.Len(), err)
		}
		report, err := r.Master(ctx)
		must(t, err)
		want, err := r.At(report).Checksums(ctx, 64)
		must(t, err)
		clones, err := r.Clones(ctx, 20*time.Second, 1)
		must(t, err)
		if len(clones) != 1 {
			t.Fatalf("remote %d: %d clones", i, len(clones))
		}
		got, err := r.At(clones[0]).Checksums(ctx, 64)
		if err != nil || len(want.Differ(got)) > 0 {
			t.Errorf("remote %d: %v, the clone differs in %v", i, err, want.Differ(got))
		}
	}
	if _, err := remotes[4].Get(ctx, data.String("missing")); !errors.Is(err, code.NoSuchKey) {
		t.Errorf("a key that is missing: %v", err)
	}
}

// TestRemoteLargeValues: entries of megabytes pass, also by pages.
func TestRemoteLargeValues(t *testing.T) {
	ctx := patience(t)
	nodes, addresses := line(t, 2)
	master(t, nodes[0], memory.New())
	r := remote(t, leaf(t, addresses[1]))
	large := make([]byte, 3<<20)
	for i := range large {
		large[i] = byte('a' + i%26)
	}
	for i := range 3 {
		must(t, r.Put(ctx, data.Count(uint64(i)), data.String(string(large)), time.Hour))
	}
	scan, err := r.Scan(ctx, store.ScanOptions{})
	must(t, err)
	defer scan.Close()
	n := 0
	for e, err := range scan.Entries(ctx) {
		must(t, err)
		if text, _ := e.Value.AsString(); text != string(large) {
			t.Errorf("%v: %d bytes", e.Key, len(text))
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d entries", n)
	}
}

// TestRemoteFollowsTheMaster: the master ends, and another one takes over two hops away.
func TestRemoteFollowsTheMaster(t *testing.T) {
	ctx := patience(t)
	nodes, addresses := line(t, 3)
	start := func(e *broker.Endpoint, be backend.Backend) *store.Master {
		m, err := store.NewMaster(e, "zeek/known/hosts", be, store.MasterOptions{})
		must(t, err)
		return m
	}
	first := start(nodes[0], memory.New())
	r := remote(t, leaf(t, addresses[1]))
	must(t, r.Put(ctx, data.String("k"), data.Count(1), 0))
	must(t, first.Close())
	var group sync.WaitGroup
	group.Go(func() {
		v, err := r.Get(ctx, data.String("k"))
		if err == nil || !errors.Is(err, code.NoSuchKey) {
			t.Errorf("at the second: %v, %v", v, err)
		}
	})
	second := start(nodes[2], memory.New())
	defer second.Close()
	group.Wait()
	must(t, r.Put(ctx, data.String("k"), data.Count(2), 0))
	if v, err := second.Get(ctx, data.String("k")); err != nil || fmt.Sprint(v) != "2" {
		t.Errorf("the second has %v, %v", v, err)
	}
}
