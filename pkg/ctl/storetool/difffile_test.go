// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// newFile makes a database of a kind that maps these counts to counts; a last entry has expired.
func newFile(t *testing.T, kind string, entries map[uint64]uint64) string {
	t.Helper()
	f := fileTool(filepath.Join(t.TempDir(), "db"))
	f.Backend = kind
	be, _, err := f.openFile()
	must(t, err)
	for k, v := range entries {
		must(t, be.Put(backend.Entry{Key: data.Count(k), Value: data.Count(v), Deadline: backend.Never}))
	}
	must(t, be.Put(backend.Entry{Key: data.String("gone in " + kind), Value: data.None(), Deadline: 1}))
	must(t, be.Commit())
	must(t, be.Close())
	return f.File
}

func TestDiffFiles(t *testing.T) {
	ctx := t.Context()
	a := newFile(t, "sqlite", map[uint64]uint64{1: 1, 2: 2, 3: 3})
	b := newFile(t, "pebble", map[uint64]uint64{2: 2, 3: 4, 5: 5})
	same := newFile(t, "pebble", map[uint64]uint64{1: 1, 2: 2, 3: 3})
	o := newTool("", "")
	must(t, Diff(ctx, o.Options, []string{a, same}, true))
	if got, want := o.printed(), " "+a+" with 3 entries, "+same+" with 3 entries: equal\n"; got != want {
		t.Errorf("equal ones: %q", got)
	}
	err := Diff(ctx, o.Options, []string{a, b}, true)
	if !errors.Is(err, ErrDiffer) || ctl.Code(err) != ctl.ExitFailure {
		t.Errorf("two that differ: %v", err)
	}
	got := o.printed()
	for _, want := range []string{"< 1\n    left:  1\n", "! 3\n    left:  3\n    right: 4\n", "> 5\n    right: 5\n", ": 3 keys differ\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	o.JSON = true
	if err := Diff(ctx, o.Options, []string{a, b}, true); !errors.Is(err, ErrDiffer) {
		t.Errorf("as JSON: %v", err)
	}
	var doc fileDiffDocument
	must(t, json.Unmarshal([]byte(o.printed()), &doc))
	if doc.Equal || doc.Differ != 3 || len(doc.Keys) != 3 || doc.Left.Entries != 3 || doc.Right.Name != b {
		t.Errorf("as JSON: %+v", doc)
	}

	e, address := newNode(t)
	master := startMaster(t, e, "known")
	for i := range uint64(3) {
		must(t, master.Put(ctx, data.Count(i+1), data.Count(i+1), time.Hour))
	}
	o = newTool(address, "known")
	must(t, Diff(ctx, o.Options, []string{a}, false))
	must(t, master.Put(ctx, data.Count(9), data.Count(9), 0))
	if err := Diff(ctx, o.Options, []string{a}, false); !errors.Is(err, ErrDiffer) || !strings.Contains(o.printed(), "< 9\n") {
		t.Errorf("a mesh and a file: %v", err)
	}
	must(t, Diff(ctx, o.Options, nil, false)) // the mesh alone
	named, nameless := o.Options, newTool("", "").Options
	for what, err := range map[string]error{
		"three":       Diff(ctx, nameless, []string{a, b, same}, false),
		"one":         Diff(ctx, nameless, []string{a}, false),
		"two and one": Diff(ctx, named, []string{a, b}, false),
		"the same":    Diff(ctx, nameless, []string{a, filepath.Dir(a) + "/./db"}, false),
		"not there":   Diff(ctx, nameless, []string{a, a + "x"}, false),
	} {
		if ctl.Code(err) != ctl.ExitBadInput {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestCompactRunning has masters of every kind compacted over the mesh, while somebody writes.
func TestCompactRunning(t *testing.T) {
	ctx := t.Context()
	e, address := newNode(t)
	far, farAddress := newNode(t)
	_, err := e.Peer(ctx, farAddress, broker.PeerOptions{})
	must(t, err)
	be, err := sqlite.Open(filepath.Join(t.TempDir(), "db"), sqlite.Options{JournalMode: sqlite.WAL})
	must(t, err)
	master, err := store.NewMaster(far, "known", be, store.MasterOptions{})
	must(t, err)
	defer master.Close()
	written := make(chan error, 1)
	writing, stop := context.WithCancel(ctx)
	go func() {
		var err error
		for i := uint64(0); err == nil && writing.Err() == nil; i++ {
			if err = master.Put(ctx, data.Count(i%50), data.Count(i), 0); err == nil && i%3 == 0 {
				err = master.Erase(ctx, data.Count(i%50))
			}
		}
		written <- err
	}()
	o := newTool(address, "known")
	for range 3 {
		must(t, Compact(ctx, o.Options))
	}
	stop()
	must(t, <-written)
	if got := o.notes.String(); strings.Count(got, "store known: compacted by the master at ") != 3 {
		t.Errorf("%q", got)
	}
	must(t, Verify(ctx, o.Options, false, false))

	startMaster(t, e, "memory")
	o.Name = "memory"
	if err := Compact(ctx, o.Options); !errors.Is(err, store.ErrNotSupported) || ctl.Code(err) != ctl.ExitFailure {
		t.Errorf("a master in memory: %v", err)
	}
	closed, err := store.NewMaster(far, "closed", memory.New(), store.MasterOptions{})
	must(t, err)
	must(t, closed.Close())
	if err := closed.Compact(ctx); err == nil {
		t.Error("a closed master compacts")
	}
}
