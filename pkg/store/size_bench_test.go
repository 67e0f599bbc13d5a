// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// keptMemory is a memory backend that outlives its master.
type keptMemory struct{ *memory.Backend }

func (keptMemory) Close() error { return nil }

// BenchmarkStartExpiring opens a store of a million entries that expire, until it serves. There is no scan: SCAN=no leaves it alone.
func BenchmarkStartExpiring(b *testing.B) {
	const entries = 1_000_000
	mem := keptMemory{memory.New()}
	for name, open := range map[string]func(dir string) (backend.Backend, error){
		"memory": func(string) (backend.Backend, error) { return mem, nil },
		"sqlite": func(dir string) (backend.Backend, error) {
			return sqlite.Open(filepath.Join(dir, "db"), sqlite.Options{Synchronous: "Normal", JournalMode: sqlite.WAL})
		},
		"pebble": func(dir string) (backend.Backend, error) {
			return pebble.Open(filepath.Join(dir, "db"), pebble.Options{})
		},
	} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			be, err := open(dir)
			if err != nil {
				b.Fatal(err)
			}
			for i := range uint64(entries) {
				key := data.String(fmt.Sprintf("key/%08d", i))
				if err := be.Put(backend.Entry{Key: key, Value: data.Count(i), Deadline: backend.DeadlineAfter(time.Now(), time.Hour+time.Duration(i*7919%entries)*time.Millisecond)}); err != nil {
					b.Fatal(err)
				}
				if i%65536 == 65535 {
					if err := be.Commit(); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := be.Commit(); err != nil {
				b.Fatal(err)
			}
			if err := be.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				began := cpuTime(b)
				be, err := open(dir)
				if err != nil {
					b.Fatal(err)
				}
				opened := cpuTime(b) - began
				e := benchEndpoint(b)
				m, err := store.NewMaster(e, "s", be, store.MasterOptions{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := m.Get(b.Context(), data.String("key/00000000")); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(opened.Seconds(), "cpu-s-open")
				b.ReportMetric((cpuTime(b) - began).Seconds(), "cpu-s-serving")
				m.Close()
			}
		})
	}
}

func benchEndpoint(b *testing.B) *broker.Endpoint {
	e, err := broker.New(broker.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close(b.Context()) })
	return e
}

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
