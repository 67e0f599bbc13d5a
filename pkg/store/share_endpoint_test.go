// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// mute is an endpoint whose store says nothing for a time.
type mute struct {
	*broker.Endpoint
	silent atomic.Bool
}

func (e *mute) SendCommand(topic string, to data.EndpointID, payload []byte) error {
	if e.silent.Load() {
		return nil
	}
	return e.Endpoint.SendCommand(topic, to, payload)
}

// TestHistoryInMemoryLimit: what a master keeps for a clone that acknowledges nothing stays within the endpoint's memory limit: the clone
// is given up, its connection isn't, and it comes back with everything.
func TestHistoryInMemoryLimit(t *testing.T) {
	const limit, entry, entries = 4 << 20, 10 << 10, 1500
	ctx := patience(t)
	e, err := broker.New(broker.Options{MemoryLimit: limit})
	must(t, err)
	t.Cleanup(func() { e.Close(context.Background()) })
	address, err := e.Listen("127.0.0.1:0")
	must(t, err)
	m, err := store.NewMaster(e, "s", memory.New(), store.MasterOptions{})
	must(t, err)
	t.Cleanup(func() { m.Close() })

	far := &mute{Endpoint: endpoint(t)}
	_, err = far.Peer(ctx, address.String(), broker.PeerOptions{})
	must(t, err)
	c, err := store.NewClone(far, "s", store.CloneOptions{})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	awaitState(t, c, store.StateSynced)
	must(t, m.AwaitIdle(ctx))
	if n := m.Status().Clones; n != 1 {
		t.Fatalf("%d clones", n)
	}
	far.silent.Store(true)

	cut, most := false, int64(0)
	value := data.String(strings.Repeat("x", entry))
	for i := range uint64(entries) {
		must(t, m.Put(ctx, data.Count(i), value, 0))
		cut = cut || m.Status().Clones == 0
		most = max(most, e.Stats().MemoryUsed)
	}
	if s := e.Stats(); !cut || s.MemoryReached == 0 || most > limit+2<<20 {
		t.Errorf("given up: %v; the limit was reached %d times, %d bytes were held", cut, s.MemoryReached, most)
	}
	if len(e.Peers()) != 1 {
		t.Errorf("peers: %v", e.Peers())
	}
	far.silent.Store(false)
	for ticker := time.NewTicker(10 * time.Millisecond); c.Status().Entries != entries; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("the clone has %+v", c.Status())
		}
	}
	must(t, c.AwaitIdle(ctx))
}
