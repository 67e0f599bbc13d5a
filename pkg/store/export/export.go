// SPDX-License-Identifier: Apache-2.0

// Package export is a store's content in a file: JSON lines, which `brokerctl store export` writes and `import` reads, and which nodes
// write as backups.
//
// The first line may be a header. Each other line is an entry, its key and its value in the project's JSON. The last line may be a footer:
// how many entries there are, and the SHA-256 of every byte before it. A footer looks like a header, so that who doesn't know it passes it
// over. Values are those of spec/data.md.
package export

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// MaxLine bounds a line of an export.
const MaxLine = 256 << 20

// Errors of exports.
var (
	// ErrNoEntry says that a line is something else.
	ErrNoEntry = errors.New(`not an entry: {"key": …, "value": …, "expires": TIME}`)
	// ErrFormat says that a later program wrote the line.
	ErrFormat = errors.New("the export is of a newer format")
	// ErrDamaged says that an export is not what was written.
	ErrDamaged = errors.New("the export is damaged")
)

// Line is one line of an export: an entry, a header or a footer.
type Line struct {
	// Format is 1 in headers and footers.
	Format int    `json:"brokermeshStore,omitempty"`
	Store  string `json:"store,omitempty"`
	// Count and SHA256 are of a footer.
	Count  *int64 `json:"count,omitempty"`
	SHA256 string `json:"sha256,omitempty"`

	Key   json.RawMessage `json:"key,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	// Expires is when the entry goes away.
	Expires *time.Time `json:"expires,omitempty"`
}

// LineOf is an entry as a line.
func LineOf(e backend.Entry) Line {
	l := Line{Key: jsonwire.AppendValue(nil, e.Key), Value: jsonwire.AppendValue(nil, e.Value)}
	if e.Deadline != backend.Never {
		at := time.Unix(0, int64(e.Deadline)).UTC()
		l.Expires = &at
	}
	return l
}

// Parse reads a line. header tells that it holds no entry.
func Parse(text []byte) (e backend.Entry, header bool, err error) {
	l, err := parse(text)
	if err != nil || l.Key == nil {
		return e, err == nil, err
	}
	e, err = l.entry()
	return e, false, err
}

func parse(text []byte) (l Line, err error) {
	if err := json.Unmarshal(text, &l); err != nil {
		return l, err
	}
	switch {
	case l.Format > 1:
		return l, fmt.Errorf("brokermeshStore: %d: %w", l.Format, ErrFormat)
	case l.Key == nil && l.Format != 1, l.Key != nil && l.Value == nil:
		return l, ErrNoEntry
	}
	return l, nil
}

func (l *Line) entry() (e backend.Entry, err error) {
	e.Deadline = backend.Never
	if e.Key, err = jsonwire.ParseValue(l.Key); err != nil {
		return e, fmt.Errorf("key: %w", err)
	}
	if e.Value, err = jsonwire.ParseValue(l.Value); err != nil {
		return e, fmt.Errorf("value: %w", err)
	}
	if l.Expires != nil && l.Expires.Before(time.Unix(0, math.MaxInt64)) { // later can't be written down
		e.Deadline = backend.Deadline(l.Expires.UnixNano())
	}
	e.Key, e.Value = data.Canonical(e.Key), data.Canonical(e.Value)
	return e, nil
}

// Writer writes an export with a header and a footer. Not for several goroutines.
type Writer struct {
	out   *bufio.Writer
	enc   *json.Encoder
	sum   hash.Hash
	count int64
}

// NewWriter begins an export of a store.
func NewWriter(to io.Writer, store string) (*Writer, error) {
	w := &Writer{sum: sha256.New()}
	w.out = bufio.NewWriterSize(to, 1<<16)
	w.enc = json.NewEncoder(io.MultiWriter(w.out, w.sum))
	w.enc.SetEscapeHTML(false)
	return w, w.enc.Encode(Line{Format: 1, Store: store})
}

// Put adds an entry.
func (w *Writer) Put(e backend.Entry) error {
	w.count++
	return w.enc.Encode(LineOf(e))
}

// Close writes the footer and what is buffered. It doesn't close what is written to.
func (w *Writer) Close() error {
	footer := Line{Format: 1, Count: &w.count, SHA256: hex.EncodeToString(w.sum.Sum(nil))}
	if err := w.enc.Encode(footer); err != nil {
		return err
	}
	return w.out.Flush()
}

// Read calls put for each entry of an export that must have a footer. An error of put ends it. An error that wraps ErrDamaged may come after
// entries were handed out: whoever must not have half of an export reads it twice.
func Read(from io.Reader, put func(backend.Entry) error) error {
	r := reader{in: bufio.NewReaderSize(from, 1<<16), sum: sha256.New()}
	for {
		text, err := r.line()
		if err == nil {
			var end bool
			if end, err = r.take(text, put); end && err == nil {
				return r.nothingElse()
			}
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.number, err)
		}
		r.sum.Write(text)
	}
}

type reader struct {
	in     *bufio.Reader
	sum    hash.Hash
	number int
	count  int64
}

// line is the next whole line, with its end.
func (r *reader) line() ([]byte, error) {
	r.number++
	var text []byte
	for {
		part, err := r.in.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case err == nil:
			return text, nil
		case errors.Is(err, bufio.ErrBufferFull) && len(text) < MaxLine:
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%w: longer than %d bytes", ErrDamaged, MaxLine)
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%w: it has no end", ErrDamaged)
		default:
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
}

// take takes a line; end tells that it was the footer, and right.
func (r *reader) take(text []byte, put func(backend.Entry) error) (end bool, err error) {
	l, err := parse(bytes.TrimSpace(text))
	switch {
	case errors.Is(err, ErrFormat):
		return false, err
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrDamaged, err)
	case l.Key == nil && l.Count == nil:
		return false, nil
	case l.Key == nil:
		if *l.Count != r.count || l.SHA256 != hex.EncodeToString(r.sum.Sum(nil)) {
			return false, fmt.Errorf("%w: the checksum of its %d entries isn't right", ErrDamaged, r.count)
		}
		return true, nil
	}
	e, err := l.entry()
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r.count++
	return false, put(e)
}

func (r *reader) nothingElse() error {
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it goes on behind its end", ErrDamaged)
	}
	return nil
}
