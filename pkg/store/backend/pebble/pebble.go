// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Backend is a store in a Pebble folder.
type Backend struct {
	// path is the folder as the caller calls it, dir as the file system does.
	path, dir string
	opt       Options
	fs        *guard
	lock      *pebble.Lock
	mark      *mark
	db        *pebble.DB
	// reader looks up entries as of the last commit; nil if nothing was looked up since.
	reader *pebble.Iterator
	// failed is the error that ended the service.
	failed error
	// tx are the changes since the last commit, of which size tells the result; committed is what the folder has.
	tx        transaction
	size      backend.Size
	committed state
	// written counts bytes of batches since the last look at what Pebble has to do in the background.
	written int
	// key is the last key that was looked up, prefix included, and found what was there if foundKnown; other is room for the next key.
	key, other []byte
	found      existing
	foundKnown bool
	scratch    []byte
	snapshots  snapshots
}

// existing is what is known of a stored entry.
type existing struct {
	there    bool
	deadline backend.Deadline
	// bytes is its part of Size.Bytes.
	bytes int64
}

var _ backend.Backend = (*Backend)(nil)

// Get answers what is stored under a key.
func (b *Backend) Get(key data.Value) (backend.Entry, bool, error) {
	raw, err := b.lookUp(key)
	if err != nil || raw == nil {
		return backend.Entry{}, false, err
	}
	e := backend.Entry{Key: key}
	e.Value, e.Deadline, err = decodeBody(b.key, raw)
	if err != nil {
		return backend.Entry{}, false, b.fail("get", err)
	}
	return e, true, nil
}

// lookUp leaves the key in b.key and what is there in b.found, and answers the body, nil if there is none.
func (b *Backend) lookUp(key data.Value) (raw []byte, err error) {
	if err := b.usable(); err != nil {
		return nil, err
	}
	b.foundKnown = false
	b.key = key.AppendBinary(append(b.key[:0], entryPrefix))
	raw, err = b.read()
	if err != nil {
		return nil, err
	}
	b.found, b.foundKnown = existing{}, true
	if raw == nil {
		return nil, nil
	}
	body, err := cut(raw)
	if err != nil {
		return nil, b.fail("get", err)
	}
	b.found = existing{there: true, deadline: body.deadline, bytes: int64(len(b.key) - 1 + len(body.value))}
	return raw, nil
}

// read is the body under b.key, nil if there is none. It is valid until the next call of anything.
func (b *Backend) read() (raw []byte, err error) {
	if c := b.tx.find(b.key); c != nil {
		if c.erased {
			return nil, nil
		}
		return b.tx.bodyOf(c), nil
	}
	if b.tx.cleared {
		return nil, nil
	}
	return b.readCommitted()
}

// readCommitted looks for b.key outside of the transaction. All lookups between two commits go by one iterator: other than DB.Get, that
// uses the filters of the last level too, which has most of the tables, and keeps their readers at hand.
func (b *Backend) readCommitted() ([]byte, error) {
	if b.reader == nil {
		var err error
		b.reader, err = b.db.NewIter(&pebble.IterOptions{
			UseL6Filters: true, LowerBound: []byte{entryPrefix}, UpperBound: []byte{entryPrefix + 1},
		})
		if err != nil {
			return nil, b.fail("get", err)
		}
	}
	if !b.reader.SeekPrefixGE(b.key) || !bytes.Equal(b.reader.Key(), b.key) {
		return nil, b.fail("get", b.reader.Error())
	}
	raw, err := b.reader.ValueAndErr()
	return raw, b.fail("get", err)
}

// closeReader lets go of what the iterator for lookups sees.
func (b *Backend) closeReader() error {
	if b.reader == nil {
		return nil
	}
	err := b.reader.Close()
	b.reader = nil
	return err
}

// existing leaves the key in b.key and answers what is there. The master reads a key before it writes it; that answer is used again.
func (b *Backend) existing(key data.Value) (existing, error) {
	if b.foundKnown {
		b.other = key.AppendBinary(append(b.other[:0], entryPrefix))
		if bytes.Equal(b.other, b.key) {
			return b.found, b.usable()
		}
	}
	if _, err := b.lookUp(key); err != nil {
		return existing{}, err
	}
	return b.found, nil
}

// Put stores an entry in the place of the one with its key.
func (b *Backend) Put(e backend.Entry) error {
	old, err := b.existing(e.Key)
	if err != nil {
		return err
	}
	b.foundKnown = false
	if err := b.tx.put(b.key, &e); err != nil {
		return b.fail("put", err)
	}
	if !old.there {
		old.deadline = backend.Never
		b.size.Entries++
	}
	b.size.Bytes += int64(len(b.key)-1+e.Value.BinarySize()) - old.bytes
	return b.move(old.deadline, e.Deadline)
}

// Erase removes a key and answers whether it was there.
func (b *Backend) Erase(key data.Value) (bool, error) {
	old, err := b.existing(key)
	if err != nil || !old.there {
		return false, err
	}
	b.foundKnown = false
	if err := b.tx.erase(b.key); err != nil {
		return false, b.fail("erase", err)
	}
	b.size.Entries--
	b.size.Bytes -= old.bytes
	return true, b.move(old.deadline, backend.Never)
}

// move gives the entry with the key in b.key another place in the order of deadlines.
func (b *Backend) move(from, to backend.Deadline) error {
	if from == to {
		return nil
	}
	var err error
	if from != backend.Never {
		b.scratch = deadlineKey(b.scratch[:0], from, b.key)
		err = b.tx.batch.Delete(b.scratch, nil)
	}
	if err == nil && to != backend.Never {
		b.scratch = deadlineKey(b.scratch[:0], to, b.key)
		err = b.tx.batch.Set(b.scratch, nil, nil)
	}
	return b.fail("put deadline", err)
}

// Clear removes all entries.
func (b *Backend) Clear() error {
	if err := b.usable(); err != nil {
		return err
	}
	b.foundKnown = false
	b.size = backend.Size{}
	return b.fail("clear", b.tx.clear())
}

// Size tells how much is stored.
func (b *Backend) Size() backend.Size { return b.size }

// Close drops what was not committed and closes the folder. Snapshots end.
func (b *Backend) Close() error {
	if b.db == nil {
		return nil
	}
	b.snapshots.closeAll()
	b.fs.closing()
	err := b.usable() // what ended the service was told already
	if err == nil {
		err = b.fail("close", b.close())
	} else {
		_ = b.close()
		err = nil
	}
	b.db = nil
	if b.failed == nil {
		b.failed = errClosed
	}
	return err
}

var errClosed = errors.New("pebble: the backend is closed")

// close gives everything back that was opened. A database that panicked may hold its own locks for ever, so it is left alone.
func (b *Backend) close() error {
	var err error
	if b.tx.batch != nil {
		err = errors.Join(err, b.tx.batch.Close())
	}
	if b.db != nil && !errors.Is(b.failed, errPanicked) {
		err = errors.Join(err, b.closeReader(), b.db.Close())
	}
	if b.mark != nil {
		b.fs.watch(nil)
		err = errors.Join(err, b.mark.close())
	}
	if b.lock != nil && !errors.Is(b.failed, errPanicked) {
		err = errors.Join(err, b.lock.Close())
	}
	b.fs.unlock()
	return err
}

// fs is the file system that the backend works on, vfs.Default unless the options say otherwise.
func (o *Options) fs() vfs.FS {
	if o.FS != nil {
		return o.FS
	}
	return vfs.Default
}
