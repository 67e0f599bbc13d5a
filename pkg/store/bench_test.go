// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// quietBus has no subscribers.
type quietBus struct{ *fakeBus }

func (quietBus) HasLocal(string) bool { return false }

func benchMaster(b *testing.B) *Master {
	m, err := NewMaster(quietBus{new(fabric).join()}, "s", memory.New(), MasterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	return m
}

// benchKeys is the number of keys that benchmarks write in turn.
const benchKeys = 200_000

// BenchmarkPut puts without waiting, into a store that is watched in several ways: by nobody; by 1,000 watchers of a key each; of a
// prefix each; of everything.
func BenchmarkPut(b *testing.B) {
	key := func(i int) data.Value { return data.String(fmt.Sprintf("%06d/key", i)) }
	keys := make([]data.Value, benchKeys)
	for i := range keys {
		keys[i] = key(i)
	}
	for _, bb := range []struct {
		name    string
		options func(i int) WatchOptions
	}{
		{"alone", nil},
		{"keys", func(i int) WatchOptions { k := key(i * 7); return WatchOptions{Key: &k} }},
		{"prefixes", func(i int) WatchOptions { return WatchOptions{Prefix: fmt.Sprintf("%06d", i*7)} }},
		{"everything", func(int) WatchOptions { return WatchOptions{} }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			m := benchMaster(b)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			var watching sync.WaitGroup
			for i := 0; bb.options != nil && i < 1000; i++ {
				changes := m.Watch(ctx, bb.options(i))
				watching.Go(func() {
					for range changes {
					}
				})
			}
			b.ReportAllocs()
			b.ResetTimer()
			var last *Pending
			for i := range b.N {
				last = m.PutAsync(keys[i%benchKeys], data.Count(uint64(i)), 0)
			}
			if err := last.Wait(ctx); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			cancel()
			watching.Wait()
		})
	}
}

// BenchmarkGet reads from a master at rest.
func BenchmarkGet(b *testing.B) {
	m := benchMaster(b)
	for i := range uint64(benchKeys) {
		m.PutAsync(data.Count(i), data.Count(i), 0)
	}
	ctx := b.Context()
	if err := m.AwaitIdle(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		if _, err := m.Get(ctx, data.Count(i%benchKeys)); err != nil {
			b.Fatal(err)
		}
	}
}
