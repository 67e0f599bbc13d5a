// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// workload is a script of transactions, with everything that a backend can be told to do; one is larger than SQLite's cache.
var workload = []func(b *Backend) error{
	func(b *Backend) error { return putCounts(b, 0, 30, 10, 7) },
	func(b *Backend) error {
		return errors.Join(putCounts(b, 20, 40, 200, 0), b.SetMeta("sequence", []byte("2")))
	},
	func(b *Backend) error { return eraseCounts(b, 5, 25) },
	func(b *Backend) error { return putCounts(b, 0, 60, 2000, 9) },
	func(b *Backend) error {
		return errors.Join(putCounts(b, 0, 1, 30000, 0), b.SetMeta("sequence", []byte("5")))
	},
	func(b *Backend) error { return errors.Join(b.Clear(), putCounts(b, 3, 9, 50, 4)) },
	func(b *Backend) error {
		return errors.Join(putCounts(b, 0, 20, 500, 0), b.SetMeta("sequence", nil), b.SetMeta("epoch", []byte("1")))
	},
}

func putCounts(b *Backend, from, to, size int, deadline backend.Deadline) error {
	for i := from; i < to; i++ {
		e := backend.Entry{Key: data.Count(uint64(i)), Value: data.String(strings.Repeat(string(rune('a'+i%26)), size)), Deadline: backend.Never}
		if deadline > 0 && i%2 == 0 {
			e.Deadline = deadline
		}
		if err := b.Put(e); err != nil {
			return err
		}
	}
	return nil
}

func eraseCounts(b *Backend, from, to int) error {
	for i := from; i < to; i++ {
		if _, err := b.Erase(data.Count(uint64(i))); err != nil {
			return err
		}
	}
	return nil
}

// history is what the workload makes: the content before its first transaction, and after each.
func history(t *testing.T) []map[string]string {
	t.Helper()
	b := mustOpen(t, filepath.Join(t.TempDir(), "x"), Options{Synchronous: Off})
	states := []map[string]string{{}}
	for _, step := range workload {
		err := errors.Join(step(b), b.Commit())
		state, readErr := content(b)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		states = append(states, state)
	}
	return states
}

// run carries the workload out as far as it goes, and answers how many transactions were acknowledged.
func run(d *simDisk, path string, o Options) (acknowledged int, b *Backend, err error) {
	o.vfs, o.cacheKiB, o.boot = d.name, 64, 1
	if b, err = Open(path, o); err != nil {
		return 0, nil, err
	}
	for _, step := range workload {
		if err = step(b); err == nil {
			err = b.Commit()
		}
		if err != nil {
			return acknowledged, b, err
		}
		acknowledged++
	}
	return acknowledged, b, b.Close()
}

// checkStopped makes sure that an error names the file and says what to do, and that nothing works after it.
func checkStopped(t *testing.T, path string, b *Backend, err error) {
	t.Helper()
	var failure *backend.Error
	if !errors.Is(err, code.BackendFailure) || !errors.As(err, &failure) || failure.Path != path || !strings.Contains(err.Error(), " (") {
		t.Fatalf("error %v", err)
	}
	if b == nil || b.file.conn == nil {
		return
	}
	for what, again := range map[string]error{
		"put": errors.Join(b.Put(backend.Entry{Key: data.Count(9999), Deadline: backend.Never}), b.Commit()), "commit": b.Commit(),
	} {
		if !errors.Is(again, code.BackendFailure) {
			t.Fatalf("%s after a failure: %v", what, again)
		}
	}
	_ = b.Close()
}

// TestEveryWriteFails lets each write, sync, truncation, removal and creation of a scripted workload go wrong in several ways. Nothing
// that was acknowledged is lost, and what is found is always the state after one of the transactions.
func TestEveryWriteFails(t *testing.T) {
	states := history(t)
	for _, o := range []Options{
		{JournalMode: Delete, Synchronous: Full}, {JournalMode: Delete, Synchronous: Normal},
		{JournalMode: WAL, Synchronous: Full}, {JournalMode: WAL, Synchronous: Normal},
	} {
		t.Run(string(o.JournalMode)+string(o.Synchronous), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x")
			clean := newSimDisk(t, map[string]*simFile{})
			if n, _, err := run(clean, path, o); err != nil || n != len(workload) {
				t.Fatalf("%d transactions, %v", n, err)
			}
			s := seed.For(t)
			for at := 1; at <= clean.ops; at++ {
				for i, f := range faults(at) {
					if t.Failed() {
						return
					}
					if underRace && (i != at%4 || o.Synchronous == Normal && at%3 != 0) {
						continue // these take long enough
					}
					rng := rand.New(rand.NewPCG(s, uint64(at*100+i)))
					testFault(t, path, o, f, rng, states)
				}
			}
			t.Logf("%d operations", clean.ops)
		})
	}
}

// faults are what is tried at an operation.
func faults(at int) []fault {
	codes := []error{sqlite3.FULL, sqlite3.IOERR_WRITE, sqlite3.READONLY, sqlite3.IOERR_FSYNC}
	return []fault{
		{at, faultKind(at % 3), codes[at%len(codes)]},
		{at, killed, nil},
		{at, powerCut, nil},
		{at, powerCut, nil},
	}
}

func testFault(t *testing.T, path string, o Options, f fault, rng *rand.Rand, states []map[string]string) {
	t.Helper()
	what := fmt.Sprintf("operation %d %v (%v)", f.at, f.kind, f.err)
	d := newSimDisk(t, map[string]*simFile{})
	d.fault = f
	acknowledged, b, err := run(d, path, o)
	if err != nil {
		checkStopped(t, path, b, err)
	}
	again := newSimDisk(t, d.afterwards(rng))
	o.vfs, o.boot = again.name, 1
	if f.kind == powerCut {
		o.boot = 2
	}
	b, err = Open(path, o)
	if err != nil {
		t.Fatalf("%s: opened again after %d transactions: %v", what, acknowledged, err)
	}
	got, err := content(b)
	if err != nil {
		t.Fatalf("%s: read after %d transactions: %v", what, acknowledged, err)
	}
	first := acknowledged
	if f.kind == powerCut && o.JournalMode == WAL && o.Synchronous == Normal {
		first = 0 // the last ones may be lost
	}
	last := min(acknowledged+1, len(workload))
	for i := first; i <= last; i++ {
		if maps.Equal(got, states[i]) {
			if err := b.Close(); err != nil {
				t.Fatalf("%s: close: %v", what, err)
			}
			return
		}
	}
	t.Fatalf("%s: %d transactions were acknowledged; found is what none of them left, %d things", what, acknowledged, len(got))
}

// TestEveryWriteOfAnAdoptionFails lets everything go wrong while a file of the reference, and one of ours that the reference has changed,
// is made ours. Afterwards it holds what it held.
func TestEveryWriteOfAnAdoptionFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	asTheReference(t, path, "INSERT INTO store VALUES(x'0503666F6F', x'020000000000000001', 5), (x'0503626172', x'00', NULL)")
	fresh := fileOnDisk(t, path)
	if err := mustOpen(t, path, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	asTheReference(t, path, "UPDATE store SET value = x'020000000000000001', expiry = 5 WHERE key = x'0503626172'",
		"UPDATE store SET value = x'00', expiry = NULL WHERE key = x'0503666F6F'")
	for name, tt := range map[string]struct {
		file *simFile
		want map[string]string
	}{
		"fresh": {fresh, map[string]string{"\x05\x03foo": "020000000000000001 until 5", "\x05\x03bar": fmt.Sprint("00 until ", backend.Never)}},
		"again": {fileOnDisk(t, path), map[string]string{"\x05\x03bar": "020000000000000001 until 5", "\x05\x03foo": fmt.Sprint("00 until ", backend.Never)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := seed.For(t)
			for at := 1; ; at++ {
				ops := 0
				for i, f := range faults(at) {
					if underRace && i != at%4 {
						continue
					}
					d := newSimDisk(t, map[string]*simFile{path: {now: bytes.Clone(tt.file.now), synced: tt.file.now, made: true}})
					d.fault = f
					b, err := Open(path, Options{vfs: d.name})
					if err == nil {
						err = b.Close()
					}
					if ops = d.ops; err != nil {
						checkStopped(t, path, nil, err)
					}
					again := newSimDisk(t, d.afterwards(rand.New(rand.NewPCG(s, uint64(at*100+i)))))
					b, err = Open(path, Options{vfs: again.name})
					if err != nil {
						t.Fatalf("operation %d %v: opened again: %v", at, f.kind, err)
					}
					got, err := content(b)
					if err = errors.Join(err, b.Close()); err != nil || !maps.Equal(got, tt.want) {
						t.Fatalf("operation %d %v: %v, %v", at, f.kind, got, err)
					}
				}
				if ops < at {
					return
				}
			}
		})
	}
}

func fileOnDisk(t *testing.T, path string) *simFile {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &simFile{now: content, synced: content, made: true}
}
