// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/export"
)

// Bounds of what goes to the master at once.
const (
	batchEntries = 1000
	batchBytes   = 1 << 20
)

// ImportOptions say where from.
type ImportOptions struct {
	// From is the file to read; In is what is read if it is empty.
	From string
	In   io.Reader
	// FromLine is the line to begin with, 1 for the first.
	FromLine int
}

// importer puts the entries of lines into a store.
type importer struct {
	t     *target
	bar   *progress
	batch store.Batch
	bytes int
	// next is the line to go on with if what waits now can't be put.
	next         int
	put, expired int
	// oneByOne is set when the master turned out to know no batches.
	oneByOne bool
}

// Import puts the entries of JSON lines. To do it again changes nothing, so an
// import that failed may begin anew, or at the line that the error names.
func Import(ctx context.Context, o Options, m ImportOptions) error {
	if m.FromLine < 1 {
		return ctl.BadInput(fmt.Errorf("--from-line: %d: allowed: 1 and more", m.FromLine))
	}
	var total int64
	if m.From != "" {
		f, err := os.Open(m.From)
		if err != nil {
			return ctl.BadInput(fmt.Errorf("--from: %w", err))
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			total = info.Size()
		}
		m.In = f
	}
	return o.with(ctx, func(t *target) error {
		i := &importer{t: t, bar: newProgress(o.Progress, "import (bytes)", total), next: m.FromLine}
		defer i.bar.end()
		err := eachLine(m.In, func(number int, text []byte, _ bool) error {
			defer i.bar.add(int64(len(text)) + 1)
			if number < m.FromLine || len(bytes.TrimSpace(text)) == 0 {
				return nil
			}
			return i.line(ctx, number, text)
		})
		if err == nil {
			err = i.flush(ctx, 0)
		}
		if err == nil {
			err = t.settle(ctx)
		}
		if err != nil {
			return fmt.Errorf("import: %w (--from-line %d goes on there)", err, i.next)
		}
		fmt.Fprintf(o.Notes, "%d entries put, %d had expired\n", i.put, i.expired)
		return nil
	})
}

// line takes one line.
func (i *importer) line(ctx context.Context, number int, text []byte) error {
	e, header, err := export.Parse(text)
	if err != nil {
		return ctl.BadInput(errors.Join(i.flush(ctx, number), fmt.Errorf("line %d: %w", number, err)))
	}
	if header {
		return nil
	}
	var expiry time.Duration
	if e.Deadline != backend.Never {
		if expiry = time.Until(time.Unix(0, int64(e.Deadline))); expiry <= 0 {
			i.expired++
			return nil
		}
	}
	i.batch.Writes = append(i.batch.Writes, store.WritePut(e.Key, e.Value, expiry))
	if i.bytes += len(text); len(i.batch.Writes) < batchEntries && i.bytes < batchBytes {
		return nil
	}
	return i.flush(ctx, number+1)
}

// flush puts what waits, so that next is the line to go on with.
func (i *importer) flush(ctx context.Context, next int) error {
	writes := i.batch.Writes
	i.bytes = 0
	if len(writes) > 0 {
		if err := i.t.step(ctx, i.apply); err != nil {
			return err
		}
	}
	i.put += len(writes)
	i.batch.Writes = writes[:0]
	if next > 0 {
		i.next = next
	}
	return nil
}

// apply puts the batch.
func (i *importer) apply(ctx context.Context) error {
	if !i.oneByOne {
		if err := i.t.Apply(ctx, i.batch); !errors.Is(err, store.ErrNotSupported) {
			return err
		}
		i.oneByOne = true
	}
	pending := make([]*store.Pending, 0, len(i.batch.Writes))
	for _, w := range i.batch.Writes {
		if i.t.clone == nil {
			if err := i.t.Write(ctx, w); err != nil {
				return err
			}
			continue
		}
		pending = append(pending, i.t.clone.WriteAsync(w))
	}
	for _, p := range pending {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
