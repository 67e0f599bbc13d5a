// SPDX-License-Identifier: Apache-2.0

// Package backendtest is the suite that every storage backend passes (spec/stores.md 7 and 13.3).
package backendtest

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Kind is a kind of backend under test.
type Kind struct {
	// Open opens the backend in a folder; opening the same folder again after Close finds what was committed.
	Open func(t *testing.T, dir string) backend.Backend
	// Persistent tells whether it does.
	Persistent bool
}

// Run tries a kind of backend.
func Run(t *testing.T, k Kind) {
	tests := []struct {
		name string
		run  func(t *testing.T, k Kind)
	}{
		{"PutGetErase", testPutGetErase},
		{"KeysAreToldApartByTheirBytes", testKeyIdentity},
		{"EveryKindOfValue", testEveryKind},
		{"Deadlines", testDeadlines},
		{"Clear", testClear},
		{"Metas", testMetas},
		{"Snapshot", testSnapshot},
		{"SnapshotIsReadWhileWriting", testSnapshotIsReadWhileWriting},
		{"SnapshotsInAHistory", testSnapshotsInAHistory},
		{"OneTransaction", testOneTransaction},
		{"LargeTransaction", testLargeTransaction},
		{"Model", testModel},
		{"ClosedTwice", testClosedTwice},
	}
	if k.Persistent {
		tests = append(tests, []struct {
			name string
			run  func(t *testing.T, k Kind)
		}{
			{"CommittedStays", testCommittedStays},
			{"UncommittedGoes", testUncommittedGoes},
			{"MetasStay", testMetasStay},
			{"Large", testLarge},
		}...)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, k) })
	}
}

func open(t *testing.T, k Kind) backend.Backend {
	t.Helper()
	b := k.Open(t, t.TempDir())
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func put(t *testing.T, b backend.Backend, key, value data.Value, d backend.Deadline) {
	t.Helper()
	if err := b.Put(backend.Entry{Key: key, Value: value, Deadline: d}); err != nil {
		t.Fatalf("put %v: %v", key, err)
	}
}

func erase(t *testing.T, b backend.Backend, key data.Value, want bool) {
	t.Helper()
	if ok, err := b.Erase(key); err != nil || ok != want {
		t.Fatalf("erase %v: %v, %v", key, ok, err)
	}
}

func commit(t *testing.T, b backend.Backend) {
	t.Helper()
	if err := b.Commit(); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// expect checks the content, read in every way there is but by a snapshot.
func expect(t *testing.T, b backend.Backend, want ...backend.Entry) {
	t.Helper()
	var size backend.Size
	var expiring []string
	for _, e := range want {
		got, ok, err := b.Get(e.Key)
		if err != nil || !ok || show(got) != show(e) {
			t.Fatalf("get: %s, %v, %v; want %s", show(got), ok, err, show(e))
		}
		if e.Deadline != backend.Never {
			expiring = append(expiring, show(backend.Entry{Key: e.Key, Deadline: e.Deadline}))
		}
		size.Entries++
		size.Bytes += int64(e.Key.BinarySize() + e.Value.BinarySize())
	}
	compare(t, "expiring", expiring, b.Expiring())
	if got := b.Size(); got != size {
		t.Fatalf("size %+v, want %+v", got, size)
	}
}

// show is an entry as text.
func show(e backend.Entry) string {
	return fmt.Sprintf("%x -> %x until %d", e.Key.AppendBinary(nil), e.Value.AppendBinary(nil), e.Deadline)
}

// compare compares entries without looking at their order.
func compare(t *testing.T, what string, want []string, seq iter.Seq2[backend.Entry, error]) {
	t.Helper()
	var got []string
	for e, err := range seq {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got = append(got, show(e))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func entry(key, value data.Value) backend.Entry {
	return backend.Entry{Key: key, Value: value, Deadline: backend.Never}
}

func testPutGetErase(t *testing.T, k Kind) {
	b := open(t, k)
	foo, bar := data.String("foo"), data.String("bar")
	expect(t, b)
	if _, ok, err := b.Get(foo); ok || err != nil {
		t.Fatalf("get of a missing key: %v, %v", ok, err)
	}
	erase(t, b, foo, false)
	put(t, b, foo, data.Count(7), backend.Never)
	put(t, b, bar, data.String("some text"), backend.Never)
	expect(t, b, entry(foo, data.Count(7)), entry(bar, data.String("some text")))
	commit(t, b)
	put(t, b, foo, data.Count(42), backend.Never)
	expect(t, b, entry(foo, data.Count(42)), entry(bar, data.String("some text")))
	erase(t, b, bar, true)
	erase(t, b, bar, false)
	expect(t, b, entry(foo, data.Count(42)))
	commit(t, b)
	commit(t, b)
	expect(t, b, entry(foo, data.Count(42)))
}

func testKeyIdentity(t *testing.T, k Kind) {
	b := open(t, k)
	var want []backend.Entry
	for i, key := range []data.Value{
		data.Count(1), data.Integer(1), data.Real(1), data.Real(0), data.Real(negativeZero()), data.String("1"), data.Enum("1"),
		data.None(), data.Boolean(false), data.Vector(), data.Set(), data.Table(), data.Vector(data.Count(1)), data.String(""),
		data.String("a"), data.String("a\x00"), data.Timestamp(time.Unix(0, 0)), data.Timespan(0), data.Real(notANumber()),
	} {
		put(t, b, key, data.Count(uint64(i)), backend.Never)
		want = append(want, entry(key, data.Count(uint64(i))))
	}
	put(t, b, data.Real(notANumber()), data.Count(18), backend.Never)
	expect(t, b, want...)
}

func testEveryKind(t *testing.T, k Kind) {
	b := open(t, k)
	var want []backend.Entry
	for _, v := range values() {
		put(t, b, v, v, backend.Never)
		want = append(want, entry(v, v))
	}
	commit(t, b)
	expect(t, b, want...)
	expectSnapshot(t, snapshot(t, b), want...)
}

func testDeadlines(t *testing.T, k Kind) {
	b := open(t, k)
	a, c := data.String("a"), data.String("c")
	put(t, b, a, data.Count(1), 1000)
	put(t, b, c, data.Count(2), -5)
	expect(t, b, backend.Entry{Key: a, Value: data.Count(1), Deadline: 1000}, backend.Entry{Key: c, Value: data.Count(2), Deadline: -5})
	put(t, b, a, data.Count(1), 2000)
	put(t, b, c, data.Count(2), backend.Never)
	expect(t, b, backend.Entry{Key: a, Value: data.Count(1), Deadline: 2000}, entry(c, data.Count(2)))
	commit(t, b)
	erase(t, b, a, true)
	expect(t, b, entry(c, data.Count(2)))
}

func testClear(t *testing.T, k Kind) {
	b := open(t, k)
	if err := b.Clear(); err != nil {
		t.Fatal(err)
	}
	put(t, b, data.Count(1), data.Count(1), 7)
	commit(t, b)
	put(t, b, data.Count(2), data.Count(2), backend.Never)
	if err := b.Clear(); err != nil {
		t.Fatal(err)
	}
	expect(t, b)
	put(t, b, data.Count(3), data.Count(3), backend.Never)
	commit(t, b)
	expect(t, b, entry(data.Count(3), data.Count(3)))
}

func testClosedTwice(t *testing.T, k Kind) {
	b := k.Open(t, t.TempDir())
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func testCommittedStays(t *testing.T, k Kind) {
	dir := t.TempDir()
	b := k.Open(t, dir)
	put(t, b, data.Count(1), data.String("one"), backend.Never)
	put(t, b, data.Count(2), data.String("two"), 12345)
	put(t, b, data.Count(3), data.String("three"), 99)
	commit(t, b)
	erase(t, b, data.Count(3), true)
	commit(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = k.Open(t, dir)
	defer b.Close()
	expect(t, b, entry(data.Count(1), data.String("one")), backend.Entry{Key: data.Count(2), Value: data.String("two"), Deadline: 12345})
}

func testUncommittedGoes(t *testing.T, k Kind) {
	dir := t.TempDir()
	b := k.Open(t, dir)
	put(t, b, data.Count(1), data.String("one"), 5)
	commit(t, b)
	put(t, b, data.Count(1), data.String("two"), backend.Never)
	put(t, b, data.Count(2), data.String("two"), backend.Never)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = k.Open(t, dir)
	if err := b.Clear(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = k.Open(t, dir)
	defer b.Close()
	expect(t, b, backend.Entry{Key: data.Count(1), Value: data.String("one"), Deadline: 5})
}

func testLarge(t *testing.T, k Kind) {
	dir := t.TempDir()
	b := k.Open(t, dir)
	big := data.String(string(make([]byte, 1<<20)))
	var want []backend.Entry
	for i := range 2000 {
		put(t, b, data.Count(uint64(i)), data.Vector(data.String("value"), data.Count(uint64(i))), backend.Never)
		want = append(want, entry(data.Count(uint64(i)), data.Vector(data.String("value"), data.Count(uint64(i)))))
	}
	for i := range 5 {
		put(t, b, data.Integer(int64(i)), big, backend.Never)
		want = append(want, entry(data.Integer(int64(i)), big))
	}
	put(t, b, big, data.None(), 1)
	want = append(want, backend.Entry{Key: big, Value: data.None(), Deadline: 1})
	commit(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = k.Open(t, dir)
	defer b.Close()
	expect(t, b, want...)
}

// Failure checks that opening a backend at path fails with an error that matches code.BackendFailure and names the path.
func Failure(t *testing.T, path string, err error) {
	t.Helper()
	var failure *backend.Error
	if !errors.Is(err, code.BackendFailure) || !errors.As(err, &failure) || failure.Path != path || failure.Act == "" {
		t.Fatalf("got %v, want a failure that names %s", err, path)
	}
}
