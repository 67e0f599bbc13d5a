// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Meta is a copy of the value under a name, nil if there is none.
func (b *Backend) Meta(name string) ([]byte, error) {
	if err := b.usable(); err != nil {
		return nil, err
	}
	if v, ok := b.tx.metas[name]; ok {
		return slices.Clone(v), nil
	}
	b.scratch = metaKey(b.scratch[:0], name)
	v, closer, err := b.db.Get(b.scratch)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, b.fail("read meta "+name, err)
	}
	v = append([]byte{}, v...)
	return v, b.fail("read meta "+name, closer.Close())
}

// SetMeta replaces the value under a name; nil removes it.
func (b *Backend) SetMeta(name string, value []byte) error {
	if err := b.usable(); err != nil {
		return err
	}
	b.tx.metas[name] = slices.Clone(value)
	b.scratch = metaKey(b.scratch[:0], name)
	if value == nil {
		return b.fail("remove meta "+name, b.tx.batch.Delete(b.scratch, nil))
	}
	return b.fail("set meta "+name, b.tx.batch.Set(b.scratch, value, nil))
}

// Metas are those whose names begin with the prefix, ascending by name.
func (b *Backend) Metas(prefix string) iter.Seq2[backend.Meta, error] {
	return func(yield func(backend.Meta, error) bool) {
		// What is uncommitted comes in between, in its place.
		changed := slices.Sorted(maps.Keys(b.tx.metas))
		changed = slices.DeleteFunc(changed, func(name string) bool { return !strings.HasPrefix(name, prefix) })
		pass := func(name string) bool {
			v := b.tx.metas[name]
			return v == nil || yield(backend.Meta{Name: name, Value: slices.Clone(v)}, nil)
		}
		from := metaKey(nil, prefix)
		for key, value := range b.scan(b.db, "read metas", from, after(from), func(err error) { yield(backend.Meta{}, err) }) {
			name := string(key[1:])
			for len(changed) > 0 && changed[0] < name {
				if !pass(changed[0]) {
					return
				}
				changed = changed[1:]
			}
			if _, ok := b.tx.metas[name]; ok {
				continue
			}
			if !yield(backend.Meta{Name: name, Value: append([]byte{}, value...)}, nil) {
				return
			}
		}
		for _, name := range changed {
			if b.failed != nil || !pass(name) {
				return
			}
		}
	}
}

func metaKey(dst []byte, name string) []byte { return append(append(dst, metaPrefix), name...) }

// after is the first key behind all that begin with a prefix.
func after(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
