// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"path/filepath"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Diff compares a store of a mesh with a database (one file and Options.Name), or two databases (two files), and ends with ErrDiffer if a
// key or a value is only in one of them. Each side is looked at as it is at one moment; entries that have expired count for nothing, and
// deadlines are not compared. It keeps a hash of 16 bytes of each key in memory. Without files it is Verify with keys.
func Diff(ctx context.Context, o Options, files []string, values bool) error {
	switch {
	case len(files) == 0:
		return Verify(ctx, o, true, values)
	case len(files) > 2:
		return ctl.BadInput(fmt.Errorf("--file: %d times: wanted: 1 (and NAME) or 2", len(files)))
	case len(files) == 2 && (o.Peer != "" || o.Name != ""):
		return ctl.BadInput(errors.New("two --file, NAME and --peer: wanted: two of them (NAME goes with --peer)"))
	case len(files) == 2 && sameFile(files[0], files[1]):
		return ctl.BadInput(errors.New("--file: both are the same"))
	case len(files) == 1 && o.Name == "":
		return ctl.BadInput(errors.New("diff: there is nothing to compare --file with: give NAME and --peer, or --file a second time"))
	}
	if len(files) == 1 {
		return o.with(ctx, func(t *target) error {
			return o.withSnapshot(files[0], func(right backend.Snapshot) error {
				d := fileDiff{o: o, values: values, left: t.what, right: files[0]}
				return d.run(t.entries(ctx, false), right)
			})
		})
	}
	return o.withSnapshot(files[0], func(left backend.Snapshot) error {
		return o.withSnapshot(files[1], func(right backend.Snapshot) error {
			d := fileDiff{o: o, values: values, left: files[0], right: files[1]}
			return d.run(until(ctx, left.Entries()), right)
		})
	})
}

func sameFile(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

// withSnapshot opens a database and shows what it holds.
func (o Options) withSnapshot(file string, do func(backend.Snapshot) error) error {
	o.File, o.Peer = file, ""
	return o.withBackend(func(be backend.Backend, _ string) error {
		s, err := be.Snapshot()
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		return errors.Join(do(s), s.Close())
	})
}

// until ends a sequence with the context.
func until(ctx context.Context, entries iter.Seq2[backend.Entry, error]) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for e, err := range entries {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// fileDiff compares what is read on the left with what is looked up on the right.
type fileDiff struct {
	o           Options
	values      bool
	left, right string

	now   time.Time
	seeds [2]maphash.Seed
	seen  map[[2]uint64]struct{}
	doc   fileDiffDocument
}

type fileDiffDocument struct {
	Left   sideDocument   `json:"left"`
	Right  sideDocument   `json:"right"`
	Equal  bool           `json:"equal"`
	Differ int            `json:"differ"`
	Keys   []diffDocument `json:"keys,omitempty"`
}

type sideDocument struct {
	Name    string `json:"name"`
	Entries int64  `json:"entries"`
}

func (d *fileDiff) run(left iter.Seq2[backend.Entry, error], right backend.Snapshot) error {
	d.now = time.Now()
	d.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	d.seen = map[[2]uint64]struct{}{}
	d.doc.Left.Name, d.doc.Right.Name = d.left, d.right
	for e, err := range left {
		if err != nil {
			return fmt.Errorf("read %s: %w", d.left, err)
		}
		if e.Deadline.Passed(d.now) {
			continue
		}
		if err := d.lookUp(e, right); err != nil {
			return fmt.Errorf("read %s: %w", d.right, err)
		}
	}
	for e, err := range right.Entries() {
		if err != nil {
			return fmt.Errorf("read %s: %w", d.right, err)
		}
		if e.Deadline.Passed(d.now) {
			continue
		}
		d.doc.Right.Entries++
		if _, ok := d.seen[d.mark(e.Key)]; !ok {
			d.show(keyDiff{key: e.Key, clone: &e.Value})
		}
	}
	return d.end()
}

// lookUp compares an entry of the left with the right.
func (d *fileDiff) lookUp(e backend.Entry, right backend.Snapshot) error {
	d.doc.Left.Entries++
	d.seen[d.mark(e.Key)] = struct{}{}
	other, ok, err := right.Get(e.Key)
	switch {
	case err != nil:
		return err
	case !ok || other.Deadline.Passed(d.now):
		d.show(keyDiff{key: e.Key, master: &e.Value})
	case !sameBytes(other.Value, e.Value):
		d.show(keyDiff{key: e.Key, master: &e.Value, clone: &other.Value})
	}
	return nil
}

// mark stands for a key. Two keys have the same once in 2^128.
func (d *fileDiff) mark(key data.Value) [2]uint64 {
	encoded := key.AppendBinary(nil)
	return [2]uint64{maphash.Bytes(d.seeds[0], encoded), maphash.Bytes(d.seeds[1], encoded)}
}

func (d *fileDiff) show(k keyDiff) {
	d.doc.Differ++
	if d.o.JSON {
		d.doc.Keys = append(d.doc.Keys, diffOf(k, d.values, "left", "right"))
		return
	}
	showDiff(d.o, k, d.values, "left", "right")
}

// end prints the sum, and answers ErrDiffer.
func (d *fileDiff) end() error {
	d.doc.Equal = d.doc.Differ == 0
	if d.o.JSON {
		if err := writeJSON(d.o.Out, d.doc); err != nil {
			return err
		}
	} else {
		result := "equal"
		if !d.doc.Equal {
			result = table.Count(d.doc.Differ, "key differs", "keys differ")
		}
		entries := func(s sideDocument) string {
			return s.Name + " with " + table.Count(int(s.Entries), "entry", "entries")
		}
		fmt.Fprintf(d.o.Out, " %s, %s: %s\n", entries(d.doc.Left), entries(d.doc.Right), result)
	}
	if !d.doc.Equal {
		return &ctl.Error{Code: ctl.ExitFailure, Err: ErrDiffer}
	}
	return nil
}
