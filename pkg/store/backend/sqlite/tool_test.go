// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

// tool runs the sqlite3 program on a file.
func tool(t *testing.T, path, sql string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Fatal("this test needs the program sqlite3; hack/deps installs it (Debian: apt-get install sqlite3)")
	}
	out, err := exec.Command(program, "-batch", path, sql).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestToolReadsOurFiles opens a file of ours with the sqlite3 program: its structure is sound, the reference's tables are as the reference
// has them, and hold the entries.
func TestToolReadsOurFiles(t *testing.T) {
	for _, mode := range []JournalMode{Delete, WAL} {
		path := filepath.Join(t.TempDir(), "x")
		want := sample(t, path, Options{JournalMode: mode})
		for sql, answer := range map[string]string{
			"PRAGMA integrity_check":                                 "ok",
			"SELECT name, type FROM pragma_table_info('meta')":       "key|TEXT\nvalue|TEXT",
			"SELECT name, type FROM pragma_table_info('store')":      "key|BLOB\nvalue|BLOB\nexpiry|INTEGER",
			"SELECT name, pk FROM pragma_table_info('store')":        "key|1\nvalue|0\nexpiry|0",
			"SELECT key, value FROM meta":                            "broker_version|2.8.0+brokermesh",
			"SELECT count(*), count(expiry) FROM store":              "402|134",
			"SELECT hex(value), expiry FROM store ORDER BY rowid":    "",
			"SELECT count(*) FROM store WHERE typeof(key) != 'blob'": "0",
			"SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'brokermesh!_%' ESCAPE '!' ORDER BY name)": "meta store",
		} {
			got, err := tool(t, path, sql)
			if err != nil || answer != "" && got != answer {
				t.Errorf("%s: %q, %v", sql, got, err)
			}
		}
		rows, err := tool(t, path, "SELECT lower(hex(key)), lower(hex(value)), coalesce(expiry, 9223372036854775807) FROM store")
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range strings.Split(rows, "\n") {
			f := strings.Split(row, "|")
			var key []byte
			if _, err := fmt.Sscanf(f[0], "%x", &key); err != nil || want[string(key)] != f[1]+" until "+f[2] {
				t.Errorf("row %.80s is %.80q in the store", row, want[string(key)])
			}
		}
	}
}

// TestToolIsKeptOut makes sure that nobody reads or writes beside us, and that what somebody did before is seen.
func TestToolIsKeptOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	b := mustOpen(t, path, Options{})
	put := func(i uint64) {
		t.Helper()
		if err := errors.Join(b.Put(backend.Entry{Key: data.Count(i), Value: data.Count(i), Deadline: backend.Never}), b.Commit()); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	for _, sql := range []string{"SELECT * FROM store", "DELETE FROM store"} {
		if out, err := tool(t, path, sql); err == nil || !strings.Contains(out, "locked") {
			t.Errorf("%s while it is open: %q, %v", sql, out, err)
		}
	}
	put(2)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := tool(t, path, "UPDATE store SET value = x'020000000000000007'"); err != nil {
		t.Fatal(out, err)
	}
	_, err := Open(path, Options{})
	backendtest.Failure(t, path, err)
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("changed without the reference's mark: %v", err)
	}
}

func TestCompact(t *testing.T) {
	for _, mode := range []JournalMode{Delete, WAL} {
		path := filepath.Join(t.TempDir(), "x")
		b := mustOpen(t, path, Options{JournalMode: mode})
		for i := range 3000 { // with gaps in the row IDs
			if err := putCounts(b, i, i+1, 300, backend.Deadline(i%2)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Compact(t.Context()); !errors.Is(err, errUncommitted) {
			t.Errorf("uncommitted: %v", err)
		}
		if err := errors.Join(b.Commit(), eraseCounts(b, 100, 2900), b.Commit()); err != nil {
			t.Fatal(err)
		}
		before, err := content(b)
		if err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for what, err := range map[string]error{"compact": b.Compact(gone), "verify": b.Verify(gone)} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s with an ended context: %v", what, err)
			}
		}
		snapshot, err := b.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.Compact(t.Context()), b.Verify(t.Context()), putCounts(b, 100, 101, 1, 0), b.Commit(), b.Verify(t.Context())); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range snapshot.Entries() {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		after, err := content(b)
		if err != nil || n != len(before) || len(after) != n+1 {
			t.Errorf("%d entries before, %d in the snapshot, %d after, %v", len(before), n, len(after), err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() > 300_000 {
			t.Errorf("%d bytes, %v", info.Size(), err)
		}
		again, err := content(mustOpen(t, path, Options{}))
		if err != nil || len(again) != len(after) {
			t.Errorf("%d entries, %v", len(again), err)
		}
	}
}

// TestVerifyReadsTheDisk changes a file behind an open backend.
func TestVerifyReadsTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	b := mustOpen(t, path, Options{})
	if err := errors.Join(putCounts(b, 0, 500, 100, 0), b.Commit(), b.Verify(t.Context())); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	value := strings.Repeat("m", 100)
	for at := 0; at < len(whole); at++ { // also where a page has remains of what was there before
		if strings.HasPrefix(string(whole[at:min(at+100, len(whole))]), value) {
			if _, err := file.WriteAt([]byte{'M'}, int64(at+50)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	err = b.Verify(t.Context())
	backendtest.Failure(t, path, err)
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
	if _, _, err := b.Get(data.Count(1)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a read afterwards: %v", err)
	}
}

// TestCompactWithoutRoom lets the disk be full at each operation of a compaction. If the file is usable after it, it is as before.
func TestCompactWithoutRoom(t *testing.T) {
	step := 1
	if underRace {
		step = 4
	}
	for _, o := range []Options{{JournalMode: WAL}, {JournalMode: Delete}} {
		usable := 0
		for at := 1; ; at += step {
			path := filepath.Join(t.TempDir(), "x")
			d := newSimDisk(t, map[string]*simFile{})
			o.vfs, o.boot = d.name, 1
			b := mustOpen(t, path, o)
			if err := errors.Join(putCounts(b, 0, 300, 100, 7), b.Commit(), eraseCounts(b, 0, 200), b.Commit()); err != nil {
				t.Fatal(err)
			}
			want, err := content(b)
			if err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			d.fault = fault{at: d.ops + at, kind: failAlways, err: sqlite3.FULL}
			d.mu.Unlock()
			compacted := b.Compact(t.Context())
			d.mu.Lock()
			d.fault = fault{}
			d.mu.Unlock()
			if b.file.failed == nil {
				usable++
				got, err := content(b)
				if err = errors.Join(err, putCounts(b, 500, 501, 5, 0), b.Commit()); err != nil || !maps.Equal(got, want) {
					t.Fatalf("%s: operation %d: %v after %v", o.JournalMode, at, err, compacted)
				}
			}
			_ = b.Close()
			got, err := openFiles(t, path, o, d.files, 1)
			if err != nil || len(got)-len(want) > 1 {
				t.Fatalf("%s: operation %d: opened again: %v", o.JournalMode, at, err)
			}
			if compacted == nil {
				break
			}
			if !errors.Is(compacted, sqlite3.FULL) {
				t.Fatalf("%s: operation %d: %v", o.JournalMode, at, compacted)
			}
		}
		if usable < 2 {
			t.Errorf("%s: no failure left the file usable", o.JournalMode)
		}
		t.Logf("%s: usable after %d", o.JournalMode, usable)
	}
}
