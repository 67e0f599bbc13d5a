// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// snapshot is what the database held at one commit.
type snapshot struct {
	path string
	s    *pebble.Snapshot
	size backend.Size
}

// Snapshot is the content as of the last Commit.
func (b *Backend) Snapshot() (backend.Snapshot, error) {
	s := &snapshot{path: b.path, s: b.db.NewSnapshot()}
	raw, closer, err := s.s.Get(sizeKey)
	if err == nil {
		s.size = decodeSize(raw)
		closer.Close()
	} else if !errors.Is(err, pebble.ErrNotFound) {
		s.s.Close()
		return nil, backend.Failure(b.path, "take a snapshot", err)
	}
	return s, nil
}

func (s *snapshot) Entries() iter.Seq2[backend.Entry, error] {
	return scan(s.path, s.s, []byte{entryPrefix}, []byte{entryEnd}, func(key, value []byte) (e backend.Entry, err error) {
		if len(value) < 8 {
			return e, errors.New("an entry without deadline")
		}
		e.Deadline = decodeDeadline(value)
		if e.Key, err = data.Decode(key[1:]); err == nil {
			e.Value, err = data.Decode(value[8:])
		}
		return e, err
	})
}

func (s *snapshot) Get(key data.Value) (backend.Entry, bool, error) {
	raw, closer, err := s.s.Get(key.AppendBinary([]byte{entryPrefix}))
	if errors.Is(err, pebble.ErrNotFound) {
		return backend.Entry{}, false, nil
	}
	if err != nil {
		return backend.Entry{}, false, backend.Failure(s.path, "get", err)
	}
	defer closer.Close()
	if len(raw) < 8 {
		return backend.Entry{}, false, backend.Failure(s.path, "get", errors.New("an entry without deadline"))
	}
	value, err := data.Decode(raw[8:])
	if err != nil {
		return backend.Entry{}, false, backend.Failure(s.path, "get: decode value", err)
	}
	return backend.Entry{Key: key, Value: value, Deadline: decodeDeadline(raw)}, true, nil
}

func (s *snapshot) Size() backend.Size { return s.size }

func (s *snapshot) Close() error {
	if s.s == nil {
		return nil
	}
	err := s.s.Close()
	s.s = nil
	return backend.Failure(s.path, "close a snapshot", err)
}

// Meta is a small value of the store itself.
func (b *Backend) Meta(name string) ([]byte, error) {
	raw, closer, err := b.reader().Get(metaKey(name))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, backend.Failure(b.path, "read "+name, err)
	}
	defer closer.Close()
	return append([]byte{}, raw...), nil
}

// SetMeta replaces the value under a name.
func (b *Backend) SetMeta(name string, value []byte) error {
	if value == nil {
		return backend.Failure(b.path, "remove "+name, b.writer().Delete(metaKey(name), nil))
	}
	return backend.Failure(b.path, "write "+name, b.writer().Set(metaKey(name), value, nil))
}

// Metas are those whose names begin with the prefix.
func (b *Backend) Metas(prefix string) iter.Seq2[backend.Meta, error] {
	from := metaKey(prefix)
	to := append(metaKey(prefix), 0xff) // names are text
	return scan(b.path, b.reader(), from, to, func(key, value []byte) (backend.Meta, error) {
		return backend.Meta{Name: string(key[1:]), Value: append([]byte{}, value...)}, nil
	})
}

func metaKey(name string) []byte { return append([]byte{metaPrefix}, name...) }
