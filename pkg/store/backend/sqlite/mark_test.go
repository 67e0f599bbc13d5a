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

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

// killedFiles carries the workload out, and lets the process be killed at operation at; 0: before it closes the file.
func killedFiles(t *testing.T, path string, o Options, at int) (files map[string]*simFile, acknowledged int) {
	t.Helper()
	d := newSimDisk(t, map[string]*simFile{})
	d.fault = fault{at: at, kind: killed}
	o.vfs, o.cacheKiB, o.boot = d.name, 64, 1
	b, err := Open(path, o)
	for _, step := range workload {
		if err == nil {
			err = errors.Join(step(b), b.Commit())
		}
		if err == nil {
			acknowledged++
		}
	}
	if at == 0 && err != nil {
		t.Fatal(err)
	}
	return d.afterwards(nil), acknowledged
}

// openFiles opens what was left, as it is after a boot.
func openFiles(t *testing.T, path string, o Options, files map[string]*simFile, boot uint64) (map[string]string, error) {
	t.Helper()
	fresh := map[string]*simFile{}
	for name, f := range files {
		fresh[name] = &simFile{now: bytes.Clone(f.now), synced: bytes.Clone(f.now), made: true}
	}
	o.vfs, o.boot = newSimDisk(t, fresh).name, boot
	b, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	got, err := content(b)
	return got, errors.Join(err, b.Close())
}

// TestFlippedLog changes single bits of what a killed process left beside its database: log, journal and mark. Whatever SQLite takes it
// for, no acknowledged commit is missing without an error.
func TestFlippedLog(t *testing.T) {
	states := history(t)
	for _, tt := range []struct {
		o    Options
		boot uint64
	}{
		{Options{JournalMode: WAL, Synchronous: Full}, 1},
		{Options{JournalMode: WAL, Synchronous: Full}, 2},
		{Options{JournalMode: WAL, Synchronous: Normal}, 1},
		{Options{JournalMode: Delete, Synchronous: Full}, 2},
	} {
		t.Run(fmt.Sprintf("%s%s%d", tt.o.JournalMode, tt.o.Synchronous, tt.boot), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed.For(t), 0))
			path := filepath.Join(t.TempDir(), "x")
			ends := []int{0}
			if tt.o.JournalMode == Delete { // whose journal is only of use between two operations
				for at := 60; at < 200; at += 9 {
					ends = append(ends, at)
				}
			}
			noticed, flips := 0, 0
			for _, at := range ends {
				files, acknowledged := killedFiles(t, path, tt.o, at)
				for _, suffix := range []string{"-wal", "-journal", markSuffix} {
					whole := files[path+suffix]
					if whole == nil {
						continue
					}
					for _, bit := range bitsOf(whole.now, rng, 240/len(ends)) {
						files[path+suffix] = &simFile{now: bytes.Clone(whole.now)}
						files[path+suffix].now[bit/8] ^= 1 << (bit % 8)
						got, err := openFiles(t, path, tt.o, files, tt.boot)
						flips++
						if err != nil {
							backendtest.Failure(t, path, err)
							noticed++
						} else if !maps.Equal(got, states[acknowledged]) && !(at > 0 && maps.Equal(got, states[min(acknowledged+1, len(workload))])) {
							t.Errorf("bit %d of byte %d of %s: a change was not noticed after %d transactions", bit%8, bit/8, suffix, acknowledged)
						}
					}
					files[path+suffix] = whole
				}
			}
			t.Logf("%d bits, %d noticed; the others change nothing", flips, noticed)
			if tt.o.JournalMode == WAL && noticed < flips/3 {
				t.Error("that is too few to be true")
			}
		})
	}
}

// bitsOf chooses bits, more of the front of the file than of the rest.
func bitsOf(p []byte, rng *rand.Rand, n int) (bits []int) {
	if underRace {
		n = max(n/20, 2) // these take long enough
	}
	for i := range n {
		limit := len(p) * 8
		if i%4 == 0 {
			limit = min(limit, 64*8)
		}
		if limit > 0 {
			bits = append(bits, rng.IntN(limit))
		}
	}
	return bits
}

// TestLostLog takes away what no crash does, and does what the error says.
func TestLostLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	o := Options{JournalMode: WAL}
	files, _ := killedFiles(t, path, o, 0)
	if got, err := openFiles(t, path, o, files, 2); err != nil || len(got) == 0 {
		t.Fatalf("%v, %v", got, err)
	}
	log := files[path+"-wal"]
	delete(files, path+"-wal")
	_, err := openFiles(t, path, o, files, 2)
	backendtest.Failure(t, path, err)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "by x-mark 7 were acknowledged, 0 are there") || !strings.Contains(err.Error(), "remove that -mark") {
		t.Errorf("the error doesn't say what is missing and what to do: %v", err)
	}
	// The log is only looked at, so that a better copy of the rest can still have it.
	log.now[len(log.now)/2] ^= 1
	files[path+"-wal"] = log
	d := newSimDisk(t, files)
	before := bytes.Clone(log.now)
	o.vfs, o.boot = d.name, 2
	if _, err := Open(path, o); !errors.Is(err, errLost) {
		t.Errorf("%v", err)
	}
	if after := d.files[path+"-wal"]; after == nil || !bytes.Equal(after.now, before) || d.files[path+markSuffix] == nil {
		t.Error("the log or the mark didn't stay as it was")
	}
	delete(files, path+markSuffix)
	if got, err := openFiles(t, path, o, files, 2); err != nil || len(got) == 0 {
		t.Errorf("without the mark: %v, %v", got, err)
	}
}

// TestMarkOfWhom has marks beside files that they don't fit.
func TestMarkOfWhom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	o := Options{JournalMode: WAL}
	files, n := killedFiles(t, path, o, 0)
	want, err := openFiles(t, path, o, files, 2)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := killedFiles(t, path, Options{}, 0)
	older, _ := killedFiles(t, path, o, 60)
	for name, tt := range map[string]struct {
		change func(files map[string]*simFile)
		want   map[string]string
		err    error
	}{
		"of another database":      {func(f map[string]*simFile) { f[path+markSuffix] = other[path+markSuffix] }, want, nil},
		"of a file that is gone":   {func(f map[string]*simFile) { delete(f, path); delete(f, path+"-wal") }, map[string]string{}, nil},
		"of an empty file":         {func(f map[string]*simFile) { f[path] = &simFile{}; delete(f, path+"-wal") }, nil, errLost},
		"gone":                     {func(f map[string]*simFile) { delete(f, path+markSuffix) }, want, nil},
		"empty":                    {func(f map[string]*simFile) { f[path+markSuffix] = &simFile{} }, want, nil},
		"zeros":                    {func(f map[string]*simFile) { f[path+markSuffix] = &simFile{now: make([]byte, 5000)} }, want, nil},
		"nothing but damage":       {func(f map[string]*simFile) { f[path+markSuffix] = &simFile{now: bytes.Repeat([]byte("x"), 5000)} }, nil, errLost},
		"one place damaged":        {func(f map[string]*simFile) { f[path+markSuffix].now[markDistance] ^= 1 }, want, nil},
		"of an older file's state": {func(f map[string]*simFile) { f[path+markSuffix] = older[path+markSuffix] }, want, nil},
	} {
		t.Run(name, func(t *testing.T) {
			changed := map[string]*simFile{}
			for name, f := range files {
				changed[name] = &simFile{now: bytes.Clone(f.now)}
			}
			tt.change(changed)
			got, err := openFiles(t, path, o, changed, 2)
			if !errors.Is(err, tt.err) || !maps.Equal(got, tt.want) {
				t.Errorf("%d of %d things, %v", len(got), n, err)
			}
		})
	}
}

// TestMarkComesAndGoes uses real files: a mark is there while the file is open, and after a failure.
func TestMarkComesAndGoes(t *testing.T) {
	for _, o := range []Options{{JournalMode: WAL}, {JournalMode: WAL, Synchronous: Normal}, {Synchronous: Off}, {}} {
		path := filepath.Join(t.TempDir(), "x")
		b := mustOpen(t, path, o)
		if err := errors.Join(putCounts(b, 0, 3, 3, 0), b.Commit()); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path + markSuffix)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := readClaims(bytes.NewReader(raw))
		if err != nil || len(claims) != 2 || claims[1].commits != 1 || claims[0].commits != 0 {
			t.Errorf("%+v, %v", claims, err)
		}
		unsynced := o.Synchronous == Off || o.Synchronous == Normal
		if claims[1].boot != 0 != unsynced {
			t.Errorf("%+v: boot is %d", o, claims[1].boot)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path + markSuffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after closing: %v", err)
		}
	}
}

// FuzzReadClaims reads marks of any content: what is read is as it was written.
func FuzzReadClaims(f *testing.F) {
	first := claim{identity: 1, commits: 2, boot: 3}.append(nil)
	f.Add(first)
	f.Add(append(append(bytes.Clone(first), make([]byte, markDistance-markSize)...), first...))
	f.Add([]byte(strings.Repeat("x", 2*markDistance)))
	f.Fuzz(func(t *testing.T, p []byte) {
		claims, err := readClaims(bytes.NewReader(p))
		if err != nil && !errors.Is(err, errLost) {
			t.Fatal(err)
		}
		for _, c := range claims {
			if !bytes.Contains(p, c.append(nil)) {
				t.Errorf("%+v was not written", c)
			}
		}
	})
}
