// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// snapshot takes a snapshot, which is closed when the test ends.
func snapshot(t *testing.T, b backend.Backend) backend.Snapshot {
	t.Helper()
	s, err := b.Snapshot()
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	t.Cleanup(func() { closeSnapshot(t, s) })
	return s
}

func closeSnapshot(t *testing.T, s backend.Snapshot) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close a snapshot: %v", err)
	}
}

// expectSnapshot checks the whole content of a snapshot.
func expectSnapshot(t *testing.T, s backend.Snapshot, want ...backend.Entry) {
	t.Helper()
	var size backend.Size
	var all []string
	for _, e := range want {
		got, ok, err := s.Get(e.Key)
		if err != nil || !ok || show(got) != show(e) {
			t.Fatalf("get from a snapshot: %s, %v, %v; want %s", show(got), ok, err, show(e))
		}
		all = append(all, show(e))
		size.Entries++
		size.Bytes += int64(e.Key.BinarySize() + e.Value.BinarySize())
	}
	if got := s.Size(); got != size {
		t.Fatalf("size of a snapshot %+v, want %+v", got, size)
	}
	compare(t, "entries of a snapshot", all, s.Entries())
}

func testSnapshot(t *testing.T, k Kind) {
	b := k.Open(t, t.TempDir())
	a, c, d := data.String("a"), data.String("c"), data.String("d")
	put(t, b, a, data.Count(1), backend.Never)
	empty := snapshot(t, b) // nothing is committed
	expectSnapshot(t, empty)
	commit(t, b)
	first := snapshot(t, b)
	put(t, b, a, data.Count(2), 7)
	put(t, b, c, data.Count(3), 8)
	second := snapshot(t, b) // in the middle of a transaction
	commit(t, b)
	third := snapshot(t, b)
	erase(t, b, a, true)
	put(t, b, d, data.Count(4), backend.Never)
	fourth := snapshot(t, b)
	commit(t, b)
	if err := b.Clear(); err != nil {
		t.Fatal(err)
	}
	fifth := snapshot(t, b)
	commit(t, b)
	last := snapshot(t, b)
	for range 2 { // and every one can be read again
		expectSnapshot(t, first, entry(a, data.Count(1)))
		expectSnapshot(t, second, entry(a, data.Count(1)))
		expectSnapshot(t, third, until(a, data.Count(2), 7), until(c, data.Count(3), 8))
		expectSnapshot(t, fourth, until(a, data.Count(2), 7), until(c, data.Count(3), 8))
		expectSnapshot(t, fifth, until(c, data.Count(3), 8), entry(d, data.Count(4)))
		expectSnapshot(t, last)
	}
	if _, ok, err := first.Get(c); ok || err != nil {
		t.Errorf("a key of later: %v, %v", ok, err)
	}
	for _, s := range []backend.Snapshot{empty, first, second, second, third, fourth, fifth, last} {
		closeSnapshot(t, s)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func until(key, value data.Value, d backend.Deadline) backend.Entry {
	return backend.Entry{Key: key, Value: value, Deadline: d}
}

// testSnapshotIsReadWhileWriting reads a snapshot in another goroutine while the backend is changed: the two must not touch the same
// memory without care (this test means little without the race detector), and the snapshot stays as it was.
func testSnapshotIsReadWhileWriting(t *testing.T, k Kind) {
	b := open(t, k)
	const n = 300
	var want []backend.Entry
	for i := range uint64(n) {
		put(t, b, data.Count(i), data.Count(i), backend.Never)
		want = append(want, entry(data.Count(i), data.Count(i)))
	}
	commit(t, b)
	var readers sync.WaitGroup
	for range 2 {
		s := snapshot(t, b)
		readers.Go(func() {
			got := map[string]bool{}
			for e, err := range s.Entries() {
				if err != nil {
					t.Errorf("entries: %v", err)
					return
				}
				got[show(e)] = true
			}
			for _, e := range want {
				if found, ok, err := s.Get(e.Key); !got[show(e)] || !ok || err != nil || show(found) != show(e) {
					t.Errorf("%s: listed %v, found %v, %s, %v", show(e), got[show(e)], ok, show(found), err)
				}
			}
			if len(got) != n {
				t.Errorf("%d entries", len(got))
			}
		})
	}
	for i := range uint64(n) {
		switch i % 3 {
		case 0:
			erase(t, b, data.Count(i), true)
		case 1:
			put(t, b, data.Count(i), data.String("new"), 5)
		default:
			put(t, b, data.Count(n+i), data.Count(i), backend.Never)
		}
		if i%10 == 0 {
			commit(t, b)
		}
	}
	readers.Wait()
}

func setMeta(t *testing.T, b backend.Backend, name string, value []byte) {
	t.Helper()
	if err := b.SetMeta(name, value); err != nil {
		t.Fatalf("set %s: %v", name, err)
	}
}

// expectMetas checks the metas with a prefix: names and values in turn.
func expectMetas(t *testing.T, b backend.Backend, prefix string, want ...string) {
	t.Helper()
	var got []string
	for m, err := range b.Metas(prefix) {
		if err != nil {
			t.Fatalf("metas: %v", err)
		}
		got = append(got, m.Name, string(m.Value))
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Fatalf("metas %q: %q, want %q", prefix, got, want)
	}
	for i := 0; i < len(want); i += 2 {
		if v, err := b.Meta(want[i]); err != nil || v == nil || string(v) != want[i+1] {
			t.Fatalf("meta %s: %q, %v", want[i], v, err)
		}
	}
}

func testMetas(t *testing.T, k Kind) {
	b := open(t, k)
	if v, err := b.Meta("history"); v != nil || err != nil {
		t.Fatalf("a meta that is not there: %q, %v", v, err)
	}
	expectMetas(t, b, "")
	value := []byte("12345\x00\xff")
	setMeta(t, b, "log/b", value)
	clear(value) // it keeps a copy
	setMeta(t, b, "log/a", []byte("x"))
	setMeta(t, b, "log", []byte("short"))
	setMeta(t, b, "logs", []byte{})
	setMeta(t, b, "epoch", []byte("1"))
	expectMetas(t, b, "log/", "log/a", "x", "log/b", "12345\x00\xff")
	commit(t, b)
	setMeta(t, b, "epoch", []byte("2"))
	setMeta(t, b, "log/a", nil)
	setMeta(t, b, "nothing", nil)
	expectMetas(t, b, "", "epoch", "2", "log", "short", "log/b", "12345\x00\xff", "logs", "")
	put(t, b, data.Count(1), data.Count(1), backend.Never)
	if err := b.Clear(); err != nil {
		t.Fatal(err)
	}
	commit(t, b)
	expect(t, b)
	expectMetas(t, b, "log", "log", "short", "log/b", "12345\x00\xff", "logs", "")
}

func testMetasStay(t *testing.T, k Kind) {
	dir := t.TempDir()
	b := k.Open(t, dir)
	setMeta(t, b, "a", []byte("1"))
	put(t, b, data.Count(1), data.Count(1), backend.Never)
	commit(t, b)
	setMeta(t, b, "b", []byte("2")) // alone, and not committed
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = k.Open(t, dir)
	expectMetas(t, b, "", "a", "1")
	setMeta(t, b, "a", []byte("3"))
	commit(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = k.Open(t, dir)
	defer b.Close()
	expectMetas(t, b, "", "a", "3")
	expect(t, b, entry(data.Count(1), data.Count(1)))
}
