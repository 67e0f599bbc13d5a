// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// maxLine bounds a line of an export.
const maxLine = 256 << 20

// line is one line of an export: an entry, or in front of them a header.
type line struct {
	// Format is 1 in the header, which is the first line and may be missing; the
	// others are for people.
	Format int    `json:"brokermeshStore,omitempty"`
	Store  string `json:"store,omitempty"`

	Key   json.RawMessage `json:"key,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	// Expires is when the entry goes away.
	Expires *time.Time `json:"expires,omitempty"`
}

// lineOf is an entry as a line.
func lineOf(e backend.Entry) line {
	l := line{Key: raw(e.Key), Value: raw(e.Value)}
	if e.Deadline != backend.Never {
		at := time.Unix(0, int64(e.Deadline)).UTC()
		l.Expires = &at
	}
	return l
}

// Errors of lines.
var (
	errNoEntry = errors.New(`not an entry: {"key": …, "value": …, "expires": TIME}`)
	errFormat  = errors.New("the export is of a newer format")
)

// parseLine reads a line. header tells that it holds no entry.
func parseLine(text []byte) (e backend.Entry, header bool, err error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return e, false, err
	}
	switch {
	case l.Format > 1:
		return e, false, fmt.Errorf("brokermeshStore: %d: %w", l.Format, errFormat)
	case l.Format == 1 && l.Key == nil:
		return e, true, nil
	case l.Key == nil || l.Value == nil:
		return e, false, errNoEntry
	}
	e.Deadline = backend.Never
	if e.Key, err = jsonwire.ParseValue(l.Key); err != nil {
		return e, false, fmt.Errorf("key: %w", err)
	}
	if e.Value, err = jsonwire.ParseValue(l.Value); err != nil {
		return e, false, fmt.Errorf("value: %w", err)
	}
	if l.Expires != nil && l.Expires.Before(time.Unix(0, math.MaxInt64)) { // later can't be written down
		e.Deadline = backend.Deadline(l.Expires.UnixNano())
	}
	e.Key, e.Value = data.Canonical(e.Key), data.Canonical(e.Value)
	return e, false, nil
}
