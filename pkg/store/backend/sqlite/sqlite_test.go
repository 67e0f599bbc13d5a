// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

func mustOpen(t *testing.T, path string, o Options) *Backend {
	t.Helper()
	b, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestSQLite(t *testing.T) {
	for name, o := range map[string]Options{
		"default": {}, "WAL": {JournalMode: WAL, Synchronous: Normal}, "unsafe": {Synchronous: Off, IntegrityCheck: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, backendtest.Kind{Persistent: true, Open: func(t *testing.T, dir string) backend.Backend {
				b, err := Open(filepath.Join(dir, "made", "on demand", "store.sqlite"), o)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}})
		})
	}
}

// pragma reads a setting of an open database.
func pragma(t *testing.T, b *Backend, name string) (value string) {
	t.Helper()
	err := b.query("PRAGMA "+name, func(stmt *sqlite3.Stmt) error {
		value = stmt.ColumnText(0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		o                    Options
		synchronous, journal string
	}{
		{Options{}, "2", "delete"},
		{Options{Synchronous: Off}, "0", "delete"},
		{Options{Synchronous: Normal, JournalMode: Delete}, "1", "delete"},
		{Options{Synchronous: Full, JournalMode: WAL}, "2", "wal"},
		{Options{Synchronous: Extra}, "3", "delete"},
	} {
		b := mustOpen(t, filepath.Join(t.TempDir(), "x"), tt.o)
		if s, j := pragma(t, b, "synchronous"), pragma(t, b, "journal_mode"); s != tt.synchronous || j != tt.journal {
			t.Errorf("%+v: synchronous %s, journal mode %s", tt.o, s, j)
		}
	}
	for _, o := range []Options{{Synchronous: "FULL"}, {Synchronous: "Sometimes"}, {JournalMode: "Truncate"}} {
		path := filepath.Join(t.TempDir(), "x")
		_, err := Open(path, o)
		backendtest.Failure(t, path, err)
	}
	_, err := Open("", Options{})
	backendtest.Failure(t, "", err)
}

func TestModeOfTheFileStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	b := mustOpen(t, path, Options{JournalMode: WAL})
	if err := b.Put(backend.Entry{Key: data.Count(1), Deadline: backend.Never}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Commit(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if mode := pragma(t, mustOpen(t, path, Options{}), "journal_mode"); mode != "wal" {
		t.Errorf("journal mode %s", mode)
	}
}

// TestNothingIsLeftBeside makes sure that a closed database is one file.
func TestNothingIsLeftBeside(t *testing.T) {
	for _, mode := range []JournalMode{Delete, WAL} {
		path := filepath.Join(t.TempDir(), "x")
		b := mustOpen(t, path, Options{JournalMode: mode})
		if err := errors.Join(putCounts(b, 0, 10, 10, 0), b.Commit(), putCounts(b, 5, 20, 10, 0), b.Commit(), b.Close()); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
			t.Errorf("%s: left behind: %v", mode, left)
		}
	}
}

// TestDeletedWithWhatIsBeside damages a file that has its last changes in the write-ahead log: the new file doesn't get them.
func TestDeletedWithWhatIsBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	first := mustOpen(t, path, Options{JournalMode: WAL})
	if err := errors.Join(putCounts(first, 0, 10, 10, 0), first.Commit(), first.exec("PRAGMA wal_checkpoint(TRUNCATE)"),
		putCounts(first, 5, 6, 10, 0), first.Commit()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for from, to := range map[string]string{path: "wal.sqlite", path + "-wal": "wal.sqlite-wal"} {
		content, err := os.ReadFile(from)
		if err != nil || len(content) == 0 {
			t.Fatalf("%s: %d bytes, %v", from, len(content), err)
		}
		if to == "wal.sqlite" {
			copy(content, "this is no database")
		}
		if err := os.WriteFile(filepath.Join(dir, to), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, lines := logged()
	b := mustOpen(t, filepath.Join(dir, "wal.sqlite"), Options{DeleteOnFailure: true, Log: log})
	if got, err := content(b); err != nil || len(got) > 0 || !strings.Contains(lines.String(), "is deleted") {
		t.Errorf("%d entries, %v, log: %s", len(got), err, lines)
	}
}

// TestManyRows changes more rows, all over the file, than have their checksums in memory.
func TestManyRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	b := mustOpen(t, path, Options{Synchronous: Off, chunks: 64})
	const n = 4 * 64 * chunkRows
	for i := range uint64(2 * n) {
		key := data.Count(mix(i%n) % n) // the second half again, and so that not all numbers come
		if err := b.Put(backend.Entry{Key: key, Value: data.Count(i), Deadline: backend.Never}); err != nil {
			t.Fatal(err)
		}
		if i == n {
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	size := b.Size()
	if err := errors.Join(b.Commit(), b.Close()); err != nil {
		t.Fatal(err)
	}
	b = mustOpen(t, path, Options{})
	if size.Entries < n/2 || b.Size() != size {
		t.Fatalf("%+v, %+v opened again", size, b.Size())
	}
	for i := range uint64(1000) {
		want := n + i*17%n
		key := data.Count(mix(want%n) % n)
		if e, ok, err := b.Get(key); !ok || err != nil || e.Value.Kind() != data.KindCount {
			t.Fatalf("key %v: %v, %v, %v", key, e.Value, ok, err)
		}
	}
}

func TestSchema(t *testing.T) {
	b := mustOpen(t, filepath.Join(t.TempDir(), "x"), Options{})
	var tables []string
	err := b.query("SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY name", func(stmt *sqlite3.Stmt) error {
		tables = append(tables, stmt.ColumnText(0))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// As a file of the reference has them.
	want := []string{
		"CREATE TABLE meta(key text primary key, value text)",
		"CREATE TABLE store(key blob primary key, value blob, expiry integer)",
	}
	reference := slices.DeleteFunc(slices.Clone(tables), func(sql string) bool { return strings.HasPrefix(sql, "CREATE TABLE brokermesh_") })
	if !slices.Equal(reference, want) || len(tables) != 5 {
		t.Errorf("tables %q", tables)
	}
	if err := b.Put(backend.Entry{Key: data.String("foo"), Value: data.Count(1), Deadline: 5}); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	var row string
	err = b.query("SELECT hex(key) || ' ' || hex(value) || ' ' || expiry || ' ' || (SELECT value FROM meta) FROM store", func(stmt *sqlite3.Stmt) error {
		row = stmt.ColumnText(0)
		return nil
	})
	if want := "0503666F6F 020000000000000001 5 2.8.0+brokermesh"; err != nil || row != want {
		t.Errorf("row %q, %v", row, err)
	}
}

// unpack writes a compressed file of testdata to a folder.
func unpack(t *testing.T, name, dir string) []byte {
	t.Helper()
	packed, err := os.Open(filepath.Join("testdata", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	zip, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return content
}

// TestFilesOfTheReference opens databases that C++ Broker wrote; one of them still has everything in its write-ahead log.
func TestFilesOfTheReference(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
	}{{"plain", []string{"plain.sqlite"}}, {"wal", []string{"wal.sqlite", "wal.sqlite-wal", "wal.sqlite-shm"}}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range tt.files {
				unpack(t, file, dir)
			}
			want := map[string]string{}
			lines := bufio.NewScanner(bytes.NewReader(unpack(t, tt.name+".jsonl", t.TempDir())))
			for lines.Scan() {
				var line struct {
					Key, Value string
					Expiry     *backend.Deadline
				}
				if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
					t.Fatal(err)
				}
				deadline := backend.Never
				if line.Expiry != nil {
					deadline = *line.Expiry
				}
				want[line.Key] = show(line.Value, deadline)
			}
			b := mustOpen(t, filepath.Join(dir, tt.name+".sqlite"), Options{IntegrityCheck: true})
			if n := b.Size().Entries; len(want) != 270 || n != 270 {
				t.Fatalf("%d entries listed, %d found", len(want), n)
			}
			for e, err := range entries(t, b) {
				if err != nil {
					t.Fatal(err)
				}
				key, value := hex.EncodeToString(e.Key.AppendBinary(nil)), hex.EncodeToString(e.Value.AppendBinary(nil))
				if got := show(value, e.Deadline); got != want[key] {
					t.Errorf("%s: %s, want %s", key, got, want[key])
				}
				if again, ok, err := b.Get(data.Canonical(e.Key)); !ok || err != nil || again.Deadline != e.Deadline {
					t.Errorf("%s is not found: %v", key, err)
				}
				delete(want, key)
			}
			if len(want) > 0 {
				t.Errorf("missing: %v", want)
			}
		})
	}
}

func show(value string, d backend.Deadline) string {
	text, _ := json.Marshal(d)
	return value + " until " + string(text)
}

func TestDamagedFile(t *testing.T) {
	damaged := func() string {
		dir := t.TempDir()
		path := filepath.Join(dir, "plain.sqlite")
		content := unpack(t, "plain.sqlite", dir)
		copy(content, "this is no database")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := damaged()
	_, err := Open(path, Options{})
	backendtest.Failure(t, path, err)
	if !errors.Is(err, sqlite3.NOTADB) {
		t.Errorf("cause: %v", err)
	}
	b := mustOpen(t, damaged(), Options{DeleteOnFailure: true})
	if b.Size().Entries != 0 {
		t.Errorf("%+v", b.Size())
	}
	if _, err := Open(t.TempDir(), Options{DeleteOnFailure: true}); err == nil {
		t.Error("a folder was opened")
	}
}

func TestEntryThatIsNoValue(t *testing.T) {
	for _, row := range []string{"(x'00', x'ff')", "(x'0100', NULL)", "(x'ff', x'00')"} {
		path := filepath.Join(t.TempDir(), "x")
		asTheReference(t, path, "INSERT INTO store(key, value) VALUES"+row)
		_, err := Open(path, Options{})
		backendtest.Failure(t, path, err)
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", row, err)
		}
	}
}

// asTheReference opens a file as the reference does, making it if there is none, and changes it.
func asTheReference(t *testing.T, path string, changes ...string) {
	t.Helper()
	conn, err := sqlite3.Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range slices.Concat(schema[:2], []string{"REPLACE INTO meta(key, value) VALUES('broker_version', '2.8.0')"}, changes) {
		if err := conn.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

// entries are those of a snapshot.
func entries(t *testing.T, b *Backend) iter.Seq2[backend.Entry, error] {
	t.Helper()
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.Entries()
}
