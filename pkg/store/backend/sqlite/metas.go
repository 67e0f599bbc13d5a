// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// metaChanges are metas that were set since the last Commit; nil: removed.
type metaChanges struct{ changed map[string][]byte }

// Meta is a small value of the store itself.
func (b *Backend) Meta(name string) ([]byte, error) {
	if v, ok := b.metas.changed[name]; ok {
		return bytes.Clone(v), nil
	}
	b.file.Lock()
	defer b.file.Unlock()
	return b.readMeta(name)
}

func (b *Backend) readMeta(name string) ([]byte, error) {
	f := &b.file
	if f.failed != nil {
		return nil, f.failed
	}
	sum, ok := f.metas[name]
	if !ok {
		return nil, nil
	}
	if err := f.getMeta.BindText(1, name); err != nil {
		return nil, b.fail("read "+name, err)
	}
	value := []byte{}
	if f.getMeta.Step() {
		value = append(value, f.getMeta.ColumnRawBlob(0)...)
	}
	if err := f.getMeta.Reset(); err != nil {
		return nil, b.fail("read "+name, err)
	}
	if f.hash.meta(name, value) != sum {
		return nil, b.fail("check", fmt.Errorf("meta %q %w", name, errChecksum))
	}
	return value, nil
}

// SetMeta replaces the value under a name.
func (b *Backend) SetMeta(name string, value []byte) error {
	if err := b.usable(); err != nil {
		return err
	}
	if b.metas.changed == nil {
		b.metas.changed = map[string][]byte{}
	}
	b.metas.changed[name] = bytes.Clone(value)
	return nil
}

// Metas are those whose names begin with the prefix.
func (b *Backend) Metas(prefix string) iter.Seq2[backend.Meta, error] {
	return func(yield func(backend.Meta, error) bool) {
		for _, name := range b.metaNames(prefix) {
			value, err := b.Meta(name)
			if !yield(backend.Meta{Name: name, Value: value}, err) || err != nil {
				return
			}
		}
	}
}

func (b *Backend) metaNames(prefix string) (names []string) {
	b.file.Lock()
	defer b.file.Unlock()
	for name := range b.file.metas {
		if v, changed := b.metas.changed[name]; strings.HasPrefix(name, prefix) && (!changed || v != nil) {
			names = append(names, name)
		}
	}
	for name, v := range b.metas.changed {
		if _, known := b.file.metas[name]; strings.HasPrefix(name, prefix) && v != nil && !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// writeMetas puts what was set into SQLite's transaction. It needs the lock.
func (b *Backend) writeMetas() error {
	f := &b.file
	var put []string
	for name, value := range b.metas.changed {
		old, existed := f.metas[name]
		if existed {
			f.state.metas--
			f.state.metaSum -= old
		}
		if value != nil {
			put = append(put, name)
			continue
		}
		if !existed {
			continue
		}
		delete(f.metas, name)
		if err := bind(f.eraseMeta, name); err != nil {
			return b.fail("write "+name, err)
		}
		if err := f.eraseMeta.Exec(); err != nil {
			return b.fail("write "+name, err)
		}
	}
	slices.Sort(put)
	err := f.putMeta.run(len(put), func(stmt *sqlite3.Stmt, at, i int) error {
		name := put[i]
		value := b.metas.changed[name]
		sum := b.hash.meta(name, value)
		f.metas[name] = sum
		f.state.metas++
		f.state.metaSum += sum
		if err := stmt.BindText(at, name); err != nil {
			return err
		}
		if err := stmt.BindBlob(at+1, value); err != nil {
			return err
		}
		return stmt.BindInt64(at+2, int64(sum))
	})
	if err != nil {
		return b.fail("write metas", err)
	}
	clear(b.metas.changed)
	return nil
}
