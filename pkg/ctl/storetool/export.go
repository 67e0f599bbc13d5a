// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cespare/xxhash/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/store/export"
)

// ExportOptions say where to.
type ExportOptions struct {
	// To is the file to write; empty: Out.
	To string
	// Resume goes on with a file: it keeps what is in it and appends the
	// entries whose keys it lacks. A last line that is cut off is removed first.
	Resume bool
}

// Export writes all entries, one JSON line each: the content at one moment.
func Export(ctx context.Context, o Options, x ExportOptions) error {
	if x.Resume && x.To == "" {
		return ctl.BadInput(errors.New("--resume: it goes with --to FILE"))
	}
	return o.with(ctx, func(t *target) (err error) {
		out, has := o.Out, map[uint64]struct{}{}
		if x.To != "" {
			f, known, err := x.open()
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			out, has = f, known
		}
		n, err := t.export(ctx, out, has, x.Resume)
		if err == nil && x.To != "" {
			fmt.Fprintf(o.Notes, "%s: %d entries written, %d were there\n", x.To, n, len(has))
		}
		return err
	})
}

// open opens the file, and answers the hashes of the keys that it has.
func (x ExportOptions) open() (*os.File, map[uint64]struct{}, error) {
	flags := os.O_RDWR | os.O_CREATE | os.O_EXCL
	if x.Resume {
		flags = os.O_RDWR | os.O_CREATE
	}
	f, err := os.OpenFile(x.To, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		err = fmt.Errorf("%w (--resume goes on with it)", err)
	}
	if err != nil {
		return nil, nil, ctl.BadInput(fmt.Errorf("--to: %w", err))
	}
	has, end, err := keysIn(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("--to %s: %w", x.To, err), f.Close())
	}
	return f, has, nil
}

// keysIn are the hashes of the keys of an export, and where its whole lines
// end.
func keysIn(r io.Reader) (has map[uint64]struct{}, end int64, err error) {
	has = map[uint64]struct{}{}
	err = eachLine(r, func(number int, text []byte, whole bool) error {
		if !whole {
			return nil
		}
		if end += int64(len(text)) + 1; len(bytes.TrimSpace(text)) == 0 {
			return nil
		}
		e, header, err := export.Parse(text)
		if err != nil {
			return ctl.BadInput(fmt.Errorf("line %d: %w", number, err))
		}
		if !header {
			has[hashOf(e.Key)] = struct{}{}
		}
		return nil
	})
	return has, end, err
}

func hashOf(key data.Value) uint64 { return xxhash.Sum64(key.AppendBinary(nil)) }

// eachLine calls do for each line, without its end; whole says that it had one.
func eachLine(r io.Reader, do func(number int, text []byte, whole bool) error) error {
	in := bufio.NewReaderSize(r, 1<<16)
	var text []byte
	for number := 1; ; {
		part, err := in.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(text) < export.MaxLine:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return ctl.BadInput(fmt.Errorf("line %d: longer than %d bytes", number, export.MaxLine))
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		whole := err == nil
		if whole || len(text) > 0 {
			if err := do(number, bytes.TrimSuffix(text, []byte("\n")), whole); err != nil {
				return err
			}
		}
		if !whole {
			return nil
		}
		text, number = text[:0], number+1
	}
}

// export writes the entries whose keys are not there yet.
func (t *target) export(ctx context.Context, to io.Writer, has map[uint64]struct{}, resumed bool) (n int, err error) {
	out := bufio.NewWriterSize(to, 1<<16)
	defer func() { err = errors.Join(err, out.Flush()) }()
	var total int64
	if err := t.step(ctx, func(ctx context.Context) error {
		size, err := t.Size(ctx)
		total = size.Entries
		return err
	}); err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	if !resumed || len(has) == 0 {
		if err := writeJSON(out, export.Line{Format: 1, Store: t.o.Name}); err != nil {
			return 0, err
		}
	}
	bar := newProgress(t.o.Progress, "export", total)
	defer bar.end()
	for e, err := range t.entries(ctx, false) {
		if err != nil {
			return n, fmt.Errorf("export: %w", err)
		}
		bar.add(1)
		if len(has) > 0 {
			if _, there := has[hashOf(e.Key)]; there {
				continue
			}
		}
		if err := writeJSON(out, export.LineOf(e)); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
