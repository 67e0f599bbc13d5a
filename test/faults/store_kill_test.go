// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// Processes that are masters of a store are told so by these variables: which backend, where, and the number to go on with.
const (
	storeKindEnv  = "BROKERMESH_FAULTS_STORE"
	storePathEnv  = "BROKERMESH_FAULTS_STORE_PATH"
	storeFirstEnv = "BROKERMESH_FAULTS_STORE_FIRST"
)

// storeKills is how often a master is killed, killBefore the most writes that it acknowledges before.
const (
	storeKills = 6
	killBefore = 4000
)

// verifiable is a backend that can check itself.
type verifiable interface {
	backend.Backend
	Verify(ctx context.Context) error
}

func openStore(kind, path string) (verifiable, error) {
	switch kind {
	case "pebble":
		return pebble.Open(path, pebble.Options{MemTableBytes: 1 << 18}) // so that much is flushed and compacted
	case "sqlite":
		return sqlite.Open(path, sqlite.Options{})
	case "sqlite-wal":
		return sqlite.Open(path, sqlite.Options{JournalMode: sqlite.WAL})
	}
	return nil, fmt.Errorf("no such backend: %q", kind)
}

// writeStore is a process that puts one entry after the other, and counts them, until it is killed. It prints the number of each one
// that was acknowledged.
func writeStore(out io.Writer) error {
	be, err := openStore(os.Getenv(storeKindEnv), os.Getenv(storePathEnv))
	if err != nil {
		return err
	}
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	if err != nil {
		return err
	}
	m, err := store.NewMaster(e, "killed", be, store.MasterOptions{})
	if err != nil {
		return err
	}
	first, err := strconv.ParseUint(os.Getenv(storeFirstEnv), 10, 64)
	if err != nil {
		return err
	}
	type write struct {
		number       uint64
		put, counted *store.Pending
	}
	taken := make(chan write, 256)
	go func() {
		for i := first; ; i++ {
			put := m.PutAsync(data.Count(i), storedUnder(i), 0)
			taken <- write{i, put, m.WriteAsync(store.WriteAdd(data.String("writes"), data.Count(1), data.KindCount, 0))}
		}
	}()
	for w := range taken {
		if err := errors.Join(w.put.Wait(context.Background()), w.counted.Wait(context.Background())); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, w.number); err != nil {
			return err
		}
	}
	return nil
}

func storedUnder(i uint64) data.Value {
	return data.Vector(data.String("value"), data.Count(i), data.String(string(make([]byte, i%700))))
}

// TestStoreKilled kills masters of persistent stores while they write, after a number of acknowledgements that the seed says, and looks
// whether all that they acknowledged is there.
func TestStoreKilled(t *testing.T) {
	for _, kind := range []string{"pebble", "sqlite", "sqlite-wal"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed.For(t), 0))
			path := filepath.Join(t.TempDir(), "store")
			next := uint64(0)
			for range storeKills {
				acknowledged := killWriter(t, kind, path, next, 1+rng.Uint64N(killBefore))
				next = checkStore(t, kind, path, acknowledged)
			}
			t.Logf("%d writes", next)
		})
	}
}

// killWriter lets a process write until it has acknowledged some more, kills it, and answers how many are acknowledged in all.
func killWriter(t *testing.T, kind, path string, first, more uint64) (acknowledged uint64) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), storeKindEnv+"="+kind, storePathEnv+"="+path, fmt.Sprintf("%s=%d", storeFirstEnv, first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged = first
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			break // the end of a line that was cut off
		}
		if acknowledged = n + 1; acknowledged == first+more {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if acknowledged < first+more {
		t.Fatalf("the writer ended by itself after %d writes", acknowledged)
	}
	return acknowledged
}

// checkStore opens the store and compares it with what was acknowledged. It answers the number after the last entry.
func checkStore(t *testing.T, kind, path string, acknowledged uint64) (next uint64) {
	t.Helper()
	be, err := openStore(kind, path)
	if err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	defer be.Close()
	if err := be.Verify(t.Context()); err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	for ; ; next++ {
		e, ok, err := be.Get(data.Count(next))
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if !data.Equal(e.Value, storedUnder(next)) {
			t.Fatalf("entry %d is %v", next, e.Value)
		}
	}
	if next < acknowledged {
		t.Fatalf("%d entries were acknowledged, entry %d is missing", acknowledged, next)
	}
	// The entry and the count of it are two writes, of which the second may be missing at each kill.
	e, _, err := be.Get(data.String("writes"))
	if n, _ := e.Value.AsCount(); err != nil || n > next || n+storeKills < acknowledged {
		t.Fatalf("%d writes were counted, %d were acknowledged, %d are there; %v", n, acknowledged, next, err)
	}
	return next
}
