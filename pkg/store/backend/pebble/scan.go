// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// scan walks over a range of what is committed. Key and value are valid until the next step. failed gets the error that ends the walk.
func (b *Backend) scan(r pebble.Reader, act string, from, to []byte, failed func(error)) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if err := b.usable(); err != nil {
			failed(err)
			return
		}
		it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			failed(b.fail(act, err))
			return
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			if !yield(it.Key(), it.Value()) {
				return
			}
		}
		if err := it.Error(); err != nil {
			failed(b.fail(act, err))
		}
	}
}

// Expiring are the keys and deadlines of the entries that have a deadline: what is committed in the order of the deadlines, then what
// is not.
func (b *Backend) Expiring() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		const act = "read deadlines"
		ended := false
		failed := func(err error) {
			ended = true
			yield(backend.Entry{}, err)
		}
		from := []byte{deadlinePrefix}
		for raw := range b.scan(b.db, act, from, after(from), failed) {
			e, err := decodeDeadlineKey(raw)
			if err != nil {
				failed(b.fail(act, err))
				return
			}
			if b.tx.cleared {
				break
			}
			b.scratch = append(append(b.scratch[:0], entryPrefix), raw[9:]...)
			if b.tx.find(b.scratch) != nil {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
		if !ended {
			b.expiringUncommitted(yield)
		}
	}
}

func (b *Backend) expiringUncommitted(yield func(backend.Entry, error) bool) {
	for i := range b.tx.changes {
		c := &b.tx.changes[i]
		if c.erased {
			continue
		}
		e, err := decodeEntry(b.tx.batch.Repr()[c.key:c.keyEnd], b.tx.bodyOf(c))
		if err != nil {
			yield(backend.Entry{}, b.fail("read deadlines", err))
			return
		}
		if e.Deadline == backend.Never {
			continue
		}
		if !yield(backend.Entry{Key: e.Key, Deadline: e.Deadline}, nil) {
			return
		}
	}
}
