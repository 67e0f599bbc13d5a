// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

// content is all that a store holds, as text.
type content map[string]string

// script is a workload: after commit i the content is states[i]; states[0] is empty.
type script struct {
	commits [][]step
	states  []content
}

type step func(b *Backend) error

// tiny makes Pebble flush and compact every few commits.
func tiny(fs vfs.FS) Options { return Options{MemTableBytes: 1, CacheBytes: 1 << 20, FS: fs} }

// newScript makes a workload that uses every write there is.
func newScript(rng *rand.Rand, commits int) *script {
	s := &script{states: []content{{}}}
	for i := range commits {
		state := maps.Clone(s.states[i])
		var steps []step
		for range 1 + rng.IntN(6) {
			steps = append(steps, randomStep(rng, state))
		}
		if i == commits/2 {
			steps = append(steps, (*Backend).Clear)
			maps.DeleteFunc(state, func(k, _ string) bool { return !strings.HasPrefix(k, "meta ") })
		}
		steps = append(steps, setMeta("number", fmt.Sprint(i), state))
		s.commits = append(s.commits, steps)
		s.states = append(s.states, state)
	}
	return s
}

func setMeta(name, value string, state content) step {
	state["meta "+name] = value
	return func(b *Backend) error { return b.SetMeta(name, []byte(value)) }
}

func randomStep(rng *rand.Rand, state content) step {
	key := data.Count(rng.Uint64N(40))
	name := showKey(key)
	switch rng.IntN(8) {
	case 0:
		delete(state, name)
		return func(b *Backend) error {
			_, err := b.Erase(key)
			return err
		}
	case 1:
		meta := fmt.Sprintf("writer/%d", rng.IntN(4))
		delete(state, "meta "+meta)
		return func(b *Backend) error { return b.SetMeta(meta, nil) }
	case 2:
		return setMeta(fmt.Sprintf("writer/%d", rng.IntN(4)), fmt.Sprint(rng.Uint64()), state)
	}
	e := backend.Entry{Key: key, Deadline: backend.Never}
	text := make([]byte, 50+rng.IntN(4000))
	for i := range text {
		text[i] = byte('a' + rng.IntN(26))
	}
	e.Value = data.String(string(text))
	if rng.IntN(3) == 0 {
		e.Deadline = backend.Deadline(rng.Int64())
	}
	state[name] = showEntry(e)
	return func(b *Backend) error { return b.Put(e) }
}

func showKey(key data.Value) string { return fmt.Sprintf("entry %x", key.AppendBinary(nil)) }

func showEntry(e backend.Entry) string { return fmt.Sprintf("%s until %d", e.Value, e.Deadline) }

// run carries the workload out, and answers how many commits were acknowledged.
func (s *script) run(b *Backend, acknowledged func(n int)) (err error) {
	for i, steps := range s.commits {
		for _, do := range steps {
			if err := do(b); err != nil {
				return err
			}
		}
		if err := b.Commit(); err != nil {
			return err
		}
		acknowledged(i + 1)
	}
	return nil
}

// contentOf reads everything, checked.
func contentOf(b *Backend) (content, error) {
	if err := b.Verify(context.Background()); err != nil {
		return nil, err
	}
	return served(b)
}

// served reads everything.
func served(b *Backend) (content, error) {
	c := content{}
	s, err := b.Snapshot()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for e, err := range s.Entries() {
		if err != nil {
			return nil, err
		}
		c[showKey(e.Key)] = showEntry(e)
	}
	for m, err := range b.Metas("") {
		if err != nil {
			return nil, err
		}
		c["meta "+m.Name] = string(m.Value)
	}
	return c, nil
}

// expectOneOf opens the folder again and checks that it is as after one of the commits from least to most.
func (s *script) expectOneOf(t *testing.T, what string, fs vfs.FS, least, most int) {
	t.Helper()
	b, err := Open(folder, tiny(fs))
	if err != nil {
		t.Errorf("%s: open again: %v", what, err)
		return
	}
	got, err := contentOf(b)
	if err := errors.Join(err, b.Close()); err != nil {
		t.Errorf("%s: read again: %v", what, err)
		return
	}
	for _, want := range s.states[least:min(most+1, len(s.states))] {
		if maps.Equal(got, want) {
			return
		}
	}
	t.Errorf("%s: %d commits were acknowledged; the content is that of %d of %d", what, least,
		slices.IndexFunc(s.states, func(c content) bool { return maps.Equal(c, got) }), len(s.commits))
}

const folder = "/made/store"

// faults is an injector that is told of every write.
type faults struct {
	seen atomic.Int64
	// at is called before write n.
	at func(n int64, op errorfs.Op) error
}

func (f *faults) String() string { return "faults" }

func (f *faults) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpFileClose || op.Kind == errorfs.OpLock {
		return nil
	}
	return f.at(f.seen.Add(1), op)
}

// TestEveryWriteFails lets write n fail, for every n of a workload, opening included: once, and from then on for ever.
func TestEveryWriteFails(t *testing.T) {
	s := newScript(rand.New(rand.NewPCG(seed.For(t), 0)), scriptLength)
	total := s.writes(t)
	for _, kind := range []struct {
		name  string
		every bool
		err   error
	}{
		{"Once", false, syscall.EIO}, {"DiskFull", true, syscall.ENOSPC}, {"ReadOnly", true, syscall.EROFS},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			for n := int64(1); n <= total; n += stride {
				fs := vfs.NewMem()
				f := &faults{at: func(i int64, _ errorfs.Op) error {
					if i == n || kind.every && i > n {
						return kind.err
					}
					return nil
				}}
				s.failing(t, fmt.Sprintf("write %d of %d", n, total), errorfs.Wrap(fs, f), fs, kind.err)
			}
		})
	}
}

// TestTornWrites lets write n get half of its bytes to the disk and fail, for every n.
func TestTornWrites(t *testing.T) {
	t.Parallel()
	s := newScript(rand.New(rand.NewPCG(seed.For(t), 0)), scriptLength)
	total := s.writes(t)
	for n := int64(1); n <= total; n += stride {
		fs := vfs.NewMem()
		s.failing(t, fmt.Sprintf("torn write %d", n), &tornFS{FS: fs, at: n}, fs, syscall.EIO)
	}
}

// tornFS tears a write.
type tornFS struct {
	vfs.FS
	seen atomic.Int64
	at   int64
}

func (t *tornFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return t.wrap(t.FS.Create(name, c))
}

func (t *tornFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return t.wrap(t.FS.OpenReadWrite(name, c, o...))
}

func (t *tornFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return t.wrap(t.FS.ReuseForWrite(oldname, newname, c))
}

func (t *tornFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &tornFile{f, t}, nil
}

type tornFile struct {
	vfs.File
	fs *tornFS
}

func (f *tornFile) Write(p []byte) (int, error) {
	if f.fs.seen.Add(1) != f.fs.at {
		return f.File.Write(p)
	}
	n, _ := f.File.Write(p[:len(p)/2])
	return n, syscall.EIO
}

func (f *tornFile) WriteAt(p []byte, at int64) (int, error) {
	if f.fs.seen.Add(1) != f.fs.at {
		return f.File.WriteAt(p, at)
	}
	n, _ := f.File.WriteAt(p[:len(p)/2], at)
	return n, syscall.EIO
}

// writes counts the writes of the workload without a fault. (The background makes the number vary a little.)
func (s *script) writes(t *testing.T) int64 {
	t.Helper()
	f := &faults{at: func(int64, errorfs.Op) error { return nil }}
	b, err := Open(folder, tiny(errorfs.Wrap(vfs.NewMem(), f)))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.run(b, func(int) {}), b.Close()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d writes", f.seen.Load())
	return f.seen.Load()
}

// failing runs the workload on a file system with faults, and looks at what is left on the one below.
func (s *script) failing(t *testing.T, what string, faulty vfs.FS, fs *vfs.MemFS, cause error) {
	t.Helper()
	acknowledged := 0
	b, err := Open(folder, tiny(faulty))
	if err == nil {
		err = s.run(b, func(n int) { acknowledged = n })
		if err != nil {
			backendtest.Failure(t, folder, err)
			if !errors.Is(err, cause) || !strings.Contains(err.Error(), "; ") {
				t.Errorf("%s: the failure says neither what went wrong nor what to do: %v", what, err)
			}
			refusesAll(t, what, b, err)
		}
		if err := b.Close(); err != nil {
			backendtest.Failure(t, folder, err)
		}
	} else {
		backendtest.Failure(t, folder, err)
	}
	s.expectOneOf(t, what, fs, acknowledged, acknowledged+1)
}

// refusesAll checks that a backend that has failed does nothing any more.
func refusesAll(t *testing.T, what string, b *Backend, want error) {
	t.Helper()
	_, _, get := b.Get(data.Count(1))
	_, erase := b.Erase(data.Count(1))
	_, meta := b.Meta("x")
	_, snapshot := b.Snapshot()
	for i, err := range []error{
		get, erase, meta, snapshot, b.Put(backend.Entry{Key: data.Count(1)}), b.Clear(), b.SetMeta("x", nil), b.Commit(), b.Verify(context.Background()),
		b.Compact(context.Background()),
	} {
		if !errors.Is(err, want) {
			t.Errorf("%s: call %d after the failure answers %v", what, i, err)
		}
	}
}

// TestPowerLoss cuts the power before every write of a workload. What was not synced is there, gone, or there in parts.
func TestPowerLoss(t *testing.T) {
	start := seed.For(t)
	s := newScript(rand.New(rand.NewPCG(start, 0)), scriptLength)
	fs := vfs.NewCrashableMem()
	var acknowledged atomic.Int64
	type loss struct {
		fs          *vfs.MemFS
		least, most int
		n           int64
	}
	losses := make(chan loss, 4096)
	f := &faults{at: func(n int64, _ errorfs.Op) error {
		// Two clones a point at most, and a fixed seed for each: a loss is told by its number.
		least := int(acknowledged.Load())
		for _, percent := range []int{0, 50} {
			if n%stride != 0 && percent == 0 {
				continue
			}
			clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(start, uint64(n)))})
			losses <- loss{clone, least, int(acknowledged.Load()) + 1, n}
		}
		return nil
	}}
	b, err := Open(folder, tiny(errorfs.Wrap(fs, f)))
	if err != nil {
		t.Fatal(err)
	}
	err = s.run(b, func(n int) { acknowledged.Store(int64(n)) })
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	close(losses)
	n := 0
	for l := range losses {
		s.expectOneOf(t, fmt.Sprintf("power lost before write %d", l.n), l.fs, l.least, l.most)
		n++
	}
	t.Logf("%d losses of power", n)
}
