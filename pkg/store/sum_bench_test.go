// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// BenchmarkTakeOver moves a million entries from one backend to another of its kind, while somebody writes at a clone, which waits as long as the
// master is frozen. It reports the longest of these waits.
func BenchmarkTakeOver(b *testing.B) {
	for name, open := range map[string]func(path string) (backend.Backend, error){
		"memory": func(string) (backend.Backend, error) { return memory.New(), nil },
		"pebble": func(path string) (backend.Backend, error) { return pebble.Open(path, pebble.Options{}) },
		"sqlite": func(path string) (backend.Backend, error) { return sqlite.Open(path, sqlite.Options{}) },
	} {
		b.Run(name, func(b *testing.B) {
			longest := time.Duration(0)
			for i := range b.N {
				dir := b.TempDir()
				longest = max(longest, benchTakeOver(b, func(file string) backend.Backend {
					be, err := open(filepath.Join(dir, fmt.Sprint(file, i)))
					if err != nil {
						b.Fatal(err)
					}
					return be
				}))
			}
			b.ReportMetric(longest.Seconds(), "s-longest-wait")
		})
	}
}

func benchTakeOver(b *testing.B, open func(file string) backend.Backend) (longest time.Duration) {
	f := new(fabric)
	old, err := NewMaster(f.join(), "s", open("old"), MasterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer old.Close()
	for i := range 1_000_000 {
		old.PutAsync(data.String(fmt.Sprintf("key %08d", i)), data.String(fmt.Sprintf("%080d", i)), 0)
	}
	ctx := b.Context()
	clone, err := NewClone(f.join(), "s", CloneOptions{})
	if err != nil {
		b.Fatal(err)
	}
	writer, err := NewClone(f.join(), "s", CloneOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer writer.Close()
	for clone.Status().State != StateSynced || writer.Status().State != StateSynced {
		<-time.After(10 * time.Millisecond)
	}
	taken, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := uint64(0); ; i++ {
			begun := time.Now()
			if err := writer.Put(ctx, data.Count(i%1000), data.Count(i), 0); err != nil {
				b.Error(err)
				return
			}
			longest = max(longest, time.Since(begun))
			select {
			case <-taken:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	m, err := clone.TakeOver(ctx, open("new"), TakeOverOptions{})
	close(taken)
	<-ended
	if err != nil {
		b.Fatal(err)
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	return longest
}
