// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// compactTime is how long a compaction may take at least. Like a database, it has no other bound.
const compactTime = time.Hour

// compacter is a backend that can make its files smaller.
type compacter interface {
	Compact(ctx context.Context) error
}

// verifier is a backend that can look for damage beyond what it does anyway.
type verifier interface {
	Verify(ctx context.Context) error
}

// Compact makes a database file as small as it can be, or that of a running master.
func Compact(ctx context.Context, o Options) error {
	if o.File == "" {
		return o.with(ctx, func(t *target) error { return t.compactMaster(ctx) })
	}
	return o.withBackend(func(be backend.Backend, kind string) error {
		c, ok := be.(compacter)
		if !ok {
			return fmt.Errorf("compact: a %s database can't be compacted", kind)
		}
		if err := c.Compact(ctx); err != nil {
			return fmt.Errorf("compact %s: %w", o.File, err)
		}
		fmt.Fprintf(o.Notes, "%s: compacted\n", o.File)
		return nil
	})
}

// compactMaster asks a running master. It takes its time.
func (t *target) compactMaster(ctx context.Context) error {
	if t.remote == nil {
		return fmt.Errorf("compact: %w: its files are its own matter", store.ErrForeignMaster)
	}
	t.askNames(ctx)
	master, err := t.masterReport(ctx)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, max(t.o.Timeout, compactTime))
	defer cancel()
	began := time.Now()
	if err := t.remote.At(master).Compact(ctx); err != nil {
		return t.o.failure(ctx, fmt.Errorf("compact: the master at %s: %w", t.name(master.ID.Endpoint), err))
	}
	fmt.Fprintf(t.o.Notes, "store %s: compacted by the master at %s in %.1fs\n", t.o.Name, t.name(master.ID.Endpoint), time.Since(began).Seconds())
	return nil
}

// verifyFile reads all of a database: everything in it is checked on the way.
func (o Options) verifyFile(ctx context.Context) error {
	return o.withBackend(func(be backend.Backend, kind string) error {
		if v, ok := be.(verifier); ok {
			if err := v.Verify(ctx); err != nil {
				return fmt.Errorf("verify %s: %w", o.File, err)
			}
		}
		snapshot, err := be.Snapshot()
		if err != nil {
			return fmt.Errorf("verify %s: %w", o.File, err)
		}
		defer snapshot.Close()
		size := snapshot.Size()
		bar := newProgress(o.Progress, "verify", size.Entries)
		defer bar.end()
		for _, err := range snapshot.Entries() {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("verify %s: after %d of %d entries: %w", o.File, bar.done, size.Entries, err)
			}
			bar.add(1)
		}
		if bar.done != size.Entries {
			return fmt.Errorf("verify %s: it has %d entries, and says that there are %d", o.File, bar.done, size.Entries)
		}
		if o.JSON {
			return writeJSON(o.Out, fileDocument{File: o.File, Backend: kind, Entries: size.Entries, Bytes: size.Bytes, Sound: true})
		}
		_, err = fmt.Fprintf(o.Out, "%s: sound: %s\n", o.File, table.Count(int(size.Entries), "entry", "entries"))
		return err
	})
}

type fileDocument struct {
	File    string `json:"file"`
	Backend string `json:"backend"`
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
	Sound   bool   `json:"sound"`
}

// withBackend works with a database itself.
func (o Options) withBackend(do func(be backend.Backend, kind string) error) (err error) {
	if o.Peer != "" {
		return ctl.BadInput(errors.New("--peer and --file exclude each other"))
	}
	be, kind, err := o.openFile()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, be.Close()) }()
	return do(be, kind)
}
