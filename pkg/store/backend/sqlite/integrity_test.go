// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

// content is everything that a backend answers, by key.
func content(b *Backend) (map[string]string, error) {
	found := map[string]string{}
	s, err := b.Snapshot()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for e, err := range s.Entries() {
		if err != nil {
			return nil, err
		}
		found[string(e.Key.AppendBinary(nil))] = fmt.Sprintf("%x until %d", e.Value.AppendBinary(nil), e.Deadline)
	}
	for m, err := range b.Metas("") {
		if err != nil {
			return nil, err
		}
		found["meta "+m.Name] = string(m.Value)
	}
	for key := range found {
		if strings.HasPrefix(key, "meta ") {
			continue
		}
		k, err := data.Decode([]byte(key))
		if err != nil {
			return nil, err
		}
		e, ok, err := b.Get(k)
		if err != nil {
			return nil, err
		}
		if got := fmt.Sprintf("%x until %d", e.Value.AppendBinary(nil), e.Deadline); !ok || got != found[key] {
			return nil, fmt.Errorf("key %x is %q in a snapshot, %q by itself", key, found[key], got)
		}
	}
	for e, err := range b.Expiring() {
		if err != nil {
			return nil, err
		}
		if was := found[string(e.Key.AppendBinary(nil))]; !strings.HasSuffix(was, fmt.Sprintf(" until %d", e.Deadline)) {
			return nil, fmt.Errorf("key %v is %q, but it expires at %d", e.Key, was, e.Deadline)
		}
	}
	return found, nil
}

// sample makes a file that has pages of every kind: leaves, inner nodes and overflow of tables and indices, and free pages.
func sample(t *testing.T, path string, o Options) map[string]string {
	t.Helper()
	b := mustOpen(t, path, o)
	for i := range uint64(400) {
		e := backend.Entry{Key: data.Vector(data.String("a key of some length, so that the index has inner nodes"), data.Count(i)), Value: data.Count(i), Deadline: backend.Never}
		if i%3 == 0 {
			e.Deadline = backend.Deadline(i * 1000)
		}
		if err := b.Put(e); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			if err := errors.Join(b.SetMeta(fmt.Sprintf("log/%d", i), []byte("a meta")), b.Commit()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, size := range []int{5000, 20000} {
		big := data.String(strings.Repeat("x", size))
		if err := b.Put(backend.Entry{Key: data.Vector(data.Count(uint64(i)), big), Value: big, Deadline: backend.Never}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(b.Commit(), b.Put(backend.Entry{Key: data.None(), Value: data.String(strings.Repeat("gone", 5000)), Deadline: 1}), b.Commit()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Erase(data.None()); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	want, err := content(b)
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// flipped opens a file with one bit changed. Either an error says that it is damaged, or everything is as it was.
func flipped(t *testing.T, path string, whole []byte, bit int, want map[string]string) (noticed bool) {
	t.Helper()
	changed := bytes.Clone(whole)
	changed[bit/8] ^= 1 << (bit % 8)
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := Open(path, Options{})
	if err != nil {
		backendtest.Failure(t, path, err)
		return true
	}
	got, err := content(b)
	if closeErr := b.Close(); err == nil && closeErr != nil {
		t.Errorf("bit %d: close: %v", bit, closeErr)
	}
	if err != nil {
		backendtest.Failure(t, path, err)
		return true
	}
	if !maps.Equal(got, want) {
		t.Errorf("bit %d of byte %d (page %d): a change was not noticed", bit%8, bit/8, bit/8/4096+1)
	}
	return false
}

// TestFlippedBit changes single bits of a file: some of the header's and of each page's; other ones with SEED=random.
func TestFlippedBit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	want := sample(t, path, Options{})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed.For(t), 0))
	var bits []int
	for bit := rng.IntN(3); bit < 100*8; bit += 3 {
		bits = append(bits, bit)
	}
	const pageBits = 4096 * 8
	for page := range len(whole) / 4096 {
		for bit := range 12 * 8 { // the head of a page
			if rng.IntN(24) == 0 {
				bits = append(bits, page*pageBits+bit)
			}
		}
		for range 8 {
			bits = append(bits, page*pageBits+rng.IntN(pageBits))
		}
	}
	noticed := 0
	if underRace {
		bits = slices.DeleteFunc(bits, func(int) bool { return rng.IntN(15) > 0 })
	}
	for _, bit := range bits {
		if flipped(t, path, whole, bit, want) {
			noticed++
		}
	}
	t.Logf("%d pages, %d bits, %d noticed; the others change nothing", len(whole)/4096, len(bits), noticed)
	if noticed < len(bits)/3 {
		t.Error("that is too few to be true")
	}
}

// logged collects the lines of a log.
func logged() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, nil)), &out
}

func TestTheReferenceWroteInBetween(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changes []string
		log     string
		// kept tells that everything is as before, less and more that entries went or came.
		kept       bool
		less, more int
	}{
		{"nothing", nil, "changed nothing", true, 0, 0},
		{"an entry", []string{"REPLACE INTO store VALUES(x'020000000000000001', x'020000000000000002', 77)"}, "made anew", false, 0, 1},
		{"less", []string{"DELETE FROM store WHERE expiry IS NOT NULL"}, "made anew", false, 134, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			before := sample(t, path, Options{})
			asTheReference(t, path, tt.changes...)
			log, lines := logged()
			b := mustOpen(t, path, Options{Log: log})
			after, err := content(b)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(lines.String(), tt.log) || !strings.Contains(lines.String(), "written_by=2.8.0") {
				t.Errorf("log: %s", lines)
			}
			metas := 4
			if tt.kept != maps.Equal(before, after) || !tt.kept && len(after) != len(before)-metas-tt.less+tt.more {
				t.Errorf("%d before, %d after", len(before), len(after))
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			lines.Reset()
			again, err := content(mustOpen(t, path, Options{Log: log}))
			if err != nil || !maps.Equal(after, again) || lines.Len() > 0 {
				t.Errorf("%v, %d opened again, log: %s", err, len(again), lines)
			}
		})
	}
}

// TestOlderFormat opens a file as releases before the checksums wrote it.
func TestOlderFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	asTheReference(t, path, "INSERT INTO store VALUES(x'0503666F6F', x'020000000000000001', 5)", "UPDATE meta SET value = '"+Version+"'")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		log, lines := logged()
		got, err := content(mustOpen(t, path, Options{Log: log}))
		if err != nil || len(got) != 1 || got["\x05\x03foo"] != "020000000000000001 until 5" {
			t.Fatalf("%v, %v", got, err)
		}
		if !strings.Contains(lines.String(), "backup="+path+".format0") {
			t.Errorf("log: %s", lines)
		}
		path += ".format0" // the backup is as the file was, and can be opened as well
		if backup, err := os.ReadFile(path + ".format0"); err == nil && !bytes.Equal(backup, old) {
			t.Error("the backup differs")
		}
	}
}

func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := mustOpen(t, path, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	asTheReference(t, path, fmt.Sprintf("PRAGMA user_version = %d", mark|7))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, Options{DeleteOnFailure: true, JournalMode: WAL})
	backendtest.Failure(t, path, err)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "format 7") || !strings.Contains(err.Error(), "up to 1") {
		t.Errorf("%v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	for _, mode := range []JournalMode{Delete, WAL} {
		path := filepath.Join(t.TempDir(), "x")
		b := mustOpen(t, path, Options{JournalMode: mode})
		_, err := Open(path, Options{DeleteOnFailure: true})
		backendtest.Failure(t, path, err)
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "close the other program") {
			t.Errorf("%v", err)
		}
		other, err := sqlite3.Open("file:" + path)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Exec("SELECT * FROM store"); !errors.Is(err, sqlite3.BUSY) {
			t.Errorf("another program reads: %v", err)
		}
		if err := errors.Join(other.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, path, Options{})
	}
}

// TestChangedBehindOurBack changes all pages on the disk but the first while the file is open, with nothing of it in memory: whatever is
// asked for then, nothing wrong is answered, also not that a key is missing.
func TestChangedBehindOurBack(t *testing.T) {
	for _, mode := range []JournalMode{Delete, WAL} {
		path := filepath.Join(t.TempDir(), "x")
		sample(t, path, Options{JournalMode: mode})
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(seed.For(t), 0))
		missed := 0
		for range 10 {
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			b := mustOpen(t, path, Options{cacheKiB: 8})
			changed := bytes.Clone(whole)
			for page := 1; page < len(whole)/4096; page++ {
				changed[page*4096+rng.IntN(4096)] ^= 1 << rng.IntN(8)
			}
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err == nil {
				_, err = file.WriteAt(changed, 0)
				err = errors.Join(err, file.Close(), b.file.conn.ReleaseMemory())
			}
			if err != nil {
				t.Fatal(err)
			}
			i := rng.Uint64N(400)
			e, ok, err := b.Get(data.Vector(data.String("a key of some length, so that the index has inner nodes"), data.Count(i)))
			if v, isCount := e.Value.AsCount(); err == nil && (!ok || !isCount || v != i) {
				t.Errorf("%s: entry %d is %v, %v", mode, i, e.Value, ok)
			}
			if err != nil {
				backendtest.Failure(t, path, err)
				missed++
			}
			_ = b.Close()
		}
		if missed < 8 {
			t.Errorf("%s: only %d of 10 reads met a changed page", mode, missed)
		}
	}
}

// TestKeyOfAnotherType changes the type of a key in an index from blob to text, which a single bit does: all bytes of it stay the same.
func TestKeyOfAnotherType(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	want := sample(t, path, Options{})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := []byte{0x04, 0x81, 0x14, 0x01, 0x0e} // of a record in the index of keys: sizes of itself, the key and the row ID, then the key
	at := bytes.Index(whole, head)
	if at < 0 {
		t.Fatal("there is no such record")
	}
	n := 0
	for ; at >= 0 && n < 5; n++ {
		flipped(t, path, whole, (at+2)*8, want)
		next := bytes.Index(whole[at+1:], head)
		if next < 0 {
			break
		}
		at += 1 + next
	}
}
