// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
)

// TestMemory, TestPebble and TestSQLite try random histories of a master with that backend.
func TestMemory(t *testing.T) {
	try(t, storage{name: "memory", open: func(uint64, string) disk { return volatile{} }}, memoryHistories)
}

func TestPebble(t *testing.T) {
	try(t, storage{name: "pebble", survives: true, diesWriting: true, open: openPebble}, pebbleHistories)
}

func TestSQLite(t *testing.T) {
	try(t, storage{name: "sqlite", survives: true, open: openSQLite}, sqliteHistories)
}

func try(t *testing.T, s storage, histories int) {
	t.Parallel()
	for _, seed := range seed.Several(t, histories) {
		h := newHistory(rand.New(rand.NewPCG(seed, 0)), s)
		err := run(t, seed, s, h)
		if err == nil {
			continue
		}
		h, err = shrink(t, seed, s, h, err)
		var story strings.Builder
		for _, a := range h {
			fmt.Fprintf(&story, "\n\t%v", a)
		}
		t.Fatalf("%v\nafter:%s\nagain: SEED=%d go test -count=10 -run '^%s$' ./pkg/store/modeltest", err, story.String(), seed, t.Name())
	}
}

// run plays a history and answers what is wrong.
func run(t *testing.T, seed uint64, s storage, h []action) (err error) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(seed, s, dir)
		for place := range endpoints {
			w.start(place)
		}
		if s.foreign {
			for i := range outsiders {
				w.goOutside(i)
			}
		}
		time.Sleep(time.Second)
		for _, a := range h {
			if w.do(a); w.failure != nil {
				break
			}
		}
		w.finish()
		err = w.check()
	})
	return err
}

// shrink leaves actions out for as long as the history still fails.
func shrink(t *testing.T, seed uint64, s storage, h []action, err error) ([]action, error) {
	t.Helper()
	began := time.Now()
	for size := (len(h) + 1) / 2; size > 0; size /= 2 {
		for at := 0; at < len(h) && time.Since(began) < 20*time.Second; {
			less := slices.Delete(slices.Clone(h), at, min(at+size, len(h)))
			if again := run(t, seed, s, less); again != nil {
				h, err = less, again
			} else {
				at += size
			}
		}
	}
	return h, err
}
