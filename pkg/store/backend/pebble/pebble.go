// SPDX-License-Identifier: Apache-2.0

// Package pebble is the backend that keeps a store in a folder of Pebble, a log-structured merge tree. It takes the place that RocksDB
// had in C++ Broker 1.x (spec/stores.md 7.5); the layout is its own.
//
// Each commit is one synced batch. Keys in the database begin with a byte that says what they are:
//
//	m NAME                -> facts about the whole: "version", "size"
//	n NAME                -> a meta of the store
//	d KEY                 -> deadline (8 bytes, big endian), value
//	x DEADLINE KEY        -> nothing; for each entry with a deadline, in their order
//
// KEY and value are binary v1.
package pebble

import (
	"encoding/binary"
	"errors"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// version is what the folder says about its layout.
const version = "1"

var (
	versionKey = []byte("mversion")
	sizeKey    = []byte("msize")
)

// First bytes of keys, and the first byte behind each range.
const (
	entryPrefix, entryEnd       = 'd', 'e'
	metaPrefix                  = 'n'
	deadlinePrefix, deadlineEnd = 'x', 'y'
)

// Backend is a store in a Pebble folder.
type Backend struct {
	path string
	db   *pebble.DB
	log  *logger
	// batch has the changes since the last commit; nil: none.
	batch *pebble.Batch
	size  backend.Size
	// key and value are where entries are encoded.
	key, value []byte
}

var _ backend.Backend = (*Backend)(nil)

// Get answers what is stored under a key.
func (b *Backend) Get(key data.Value) (backend.Entry, bool, error) {
	raw, done, err := b.lookUp(key)
	if err != nil || raw == nil {
		return backend.Entry{}, false, err
	}
	defer done()
	value, err := data.Decode(raw[8:])
	if err != nil {
		return backend.Entry{}, false, backend.Failure(b.path, "get: decode value", err)
	}
	return backend.Entry{Key: key, Value: value, Deadline: decodeDeadline(raw)}, true, nil
}

// lookUp leaves the key of an entry in b.key and answers what is stored there, nil if nothing. done gives it back.
func (b *Backend) lookUp(key data.Value) (raw []byte, done func(), err error) {
	b.key = key.AppendBinary(append(b.key[:0], entryPrefix))
	raw, closer, err := b.reader().Get(b.key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil, nil, nil
	case err != nil:
		return nil, nil, backend.Failure(b.path, "get", err)
	case len(raw) < 8:
		closer.Close()
		return nil, nil, backend.Failure(b.path, "get", errors.New("an entry without deadline"))
	}
	return raw, func() { closer.Close() }, nil
}

func (b *Backend) reader() pebble.Reader {
	if b.batch != nil {
		return b.batch
	}
	return b.db
}

func (b *Backend) writer() *pebble.Batch {
	if b.batch == nil {
		b.batch = b.db.NewIndexedBatch()
	}
	return b.batch
}

// Put stores an entry in the place of the one with its key.
func (b *Backend) Put(e backend.Entry) error {
	if _, err := b.remove(e.Key); err != nil {
		return err
	}
	b.value = e.Value.AppendBinary(encodeDeadline(b.value[:0], e.Deadline))
	if err := b.batch.Set(b.key, b.value, nil); err != nil {
		return backend.Failure(b.path, "put", err)
	}
	b.size.Entries++
	b.size.Bytes += int64(len(b.key) - 1 + len(b.value) - 8)
	if e.Deadline == backend.Never {
		return nil
	}
	return backend.Failure(b.path, "put deadline", b.batch.Set(b.deadlineKey(e.Deadline), nil, nil))
}

// Erase removes a key and answers whether it was there.
func (b *Backend) Erase(key data.Value) (bool, error) {
	existed, err := b.remove(key)
	if err != nil || !existed {
		return false, err
	}
	return true, backend.Failure(b.path, "erase", b.batch.Delete(b.key, nil))
}

// remove takes an entry out of the figures and out of the order of deadlines. The entry itself stays; its key is in b.key.
func (b *Backend) remove(key data.Value) (existed bool, err error) {
	raw, done, err := b.lookUp(key)
	if err != nil {
		return false, err
	}
	b.writer()
	if raw == nil {
		return false, nil
	}
	deadline, size := decodeDeadline(raw), len(b.key)-1+len(raw)-8
	done()
	b.size.Entries--
	b.size.Bytes -= int64(size)
	if deadline == backend.Never {
		return true, nil
	}
	return true, backend.Failure(b.path, "erase deadline", b.batch.Delete(b.deadlineKey(deadline), nil))
}

// deadlineKey is the place of the entry with the key in b.key in the order of deadlines.
func (b *Backend) deadlineKey(d backend.Deadline) []byte {
	key := append(make([]byte, 0, 8+len(b.key)), deadlinePrefix)
	return append(encodeDeadline(key, d), b.key[1:]...)
}

// Clear removes everything.
func (b *Backend) Clear() error {
	b.writer()
	b.size = backend.Size{}
	for _, r := range [][2]byte{{entryPrefix, entryEnd}, {deadlinePrefix, deadlineEnd}} {
		if err := b.batch.DeleteRange(r[:1], r[1:], nil); err != nil {
			return backend.Failure(b.path, "clear", err)
		}
	}
	return nil
}

// Expiring are the keys and deadlines of the entries that have a deadline, in the order of the deadlines.
func (b *Backend) Expiring() iter.Seq2[backend.Entry, error] {
	return scan(b.path, b.reader(), []byte{deadlinePrefix}, []byte{deadlineEnd}, func(key, _ []byte) (e backend.Entry, err error) {
		if len(key) < 9 {
			return e, errors.New("a deadline cut short")
		}
		e.Deadline = decodeDeadline(key[1:])
		e.Key, err = data.Decode(key[9:])
		return e, err
	})
}

// scan reads a range of the database.
func scan[T any](path string, r pebble.Reader, from, to []byte, decode func(key, value []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			yield(none, backend.Failure(path, "read all", err))
			return
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			e, err := decode(it.Key(), it.Value())
			if err != nil {
				yield(none, backend.Failure(path, "read all: decode entry", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(none, backend.Failure(path, "read all", err))
		}
	}
}

// Size tells how much is stored.
func (b *Backend) Size() backend.Size { return b.size }

// Commit writes the changes since the last one, and waits until the disk has them.
func (b *Backend) Commit() error {
	if b.batch == nil {
		return nil
	}
	b.value = binary.BigEndian.AppendUint64(b.value[:0], uint64(b.size.Entries))
	b.value = binary.BigEndian.AppendUint64(b.value, uint64(b.size.Bytes))
	err := b.batch.Set(sizeKey, b.value, nil)
	if err == nil {
		err = b.batch.Commit(pebble.Sync)
	}
	if err == nil {
		err = b.log.failure()
	}
	if err != nil {
		return backend.Failure(b.path, "commit", err)
	}
	err = b.batch.Close()
	b.batch = nil
	return backend.Failure(b.path, "commit", err)
}

// Close drops what was not committed and closes the folder.
func (b *Backend) Close() error {
	if b.db == nil {
		return nil
	}
	if b.batch != nil {
		b.batch.Close()
		b.batch = nil
	}
	err := b.db.Close()
	b.db = nil
	return backend.Failure(b.path, "close", err)
}

// encodeDeadline appends a deadline so that bytes sort as deadlines do.
func encodeDeadline(dst []byte, d backend.Deadline) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(d)^1<<63)
}

func decodeDeadline(b []byte) backend.Deadline {
	return backend.Deadline(binary.BigEndian.Uint64(b) ^ 1<<63)
}
