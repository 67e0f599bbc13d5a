// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"bytes"
	"errors"
	"hash/maphash"
	"math/bits"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

const (
	// keptBatchBytes is how much of a batch's buffer is used again.
	keptBatchBytes = 4 << 20
	// keptChanges is how many places for changes are used again.
	keptChanges = 1 << 16
	// maxBatchBytes is below what Pebble takes in one batch.
	maxBatchBytes = 2 << 30
)

var errTooLarge = errors.New("the transaction is larger than 2 GiB")

// transaction has the changes since the last commit: as a batch for Pebble, and so that they can be read. (Pebble's indexed batch does
// both with a skip list, which costs several times as much.)
type transaction struct {
	batch *pebble.Batch
	// cleared says that entries outside of the transaction are gone.
	cleared bool
	// changes are those of entries, newest their newest by the hash of the key.
	changes []change
	newest  map[uint64]int32
	seed    maphash.Seed
	metas   map[string][]byte
}

// change is an entry that was put or erased. Offsets point into the batch.
type change struct {
	key, keyEnd, body, bodyEnd int
	// older is the place of another change with this hash plus one; 0: there is none.
	older  int32
	erased bool
}

func newTransaction(db *pebble.DB) transaction {
	return transaction{
		batch:  db.NewBatch(pebble.WithMaxRetainedSizeBytes(keptBatchBytes)),
		newest: map[uint64]int32{}, seed: maphash.MakeSeed(), metas: map[string][]byte{},
	}
}

// empty tells whether there is nothing to commit.
func (t *transaction) empty() bool { return t.batch.Empty() }

// reset forgets everything.
func (t *transaction) reset() {
	t.batch.Reset()
	t.cleared = false
	t.forgetChanges()
	if len(t.metas) > 0 {
		t.metas = map[string][]byte{}
	}
}

func (t *transaction) forgetChanges() {
	if len(t.changes) > keptChanges {
		t.changes, t.newest = nil, map[uint64]int32{}
		return
	}
	t.changes = t.changes[:0]
	clear(t.newest)
}

// find is the newest change of a key, nil if there is none.
func (t *transaction) find(key []byte) *change {
	if len(t.changes) == 0 {
		return nil
	}
	repr := t.batch.Repr()
	for i := t.newest[maphash.Bytes(t.seed, key)]; i > 0; i = t.changes[i-1].older {
		if c := &t.changes[i-1]; bytes.Equal(repr[c.key:c.keyEnd], key) {
			return c
		}
	}
	return nil
}

// bodyOf is what a change put.
func (t *transaction) bodyOf(c *change) []byte { return t.batch.Repr()[c.body:c.bodyEnd] }

// put stores an entry under an encoded key, which it copies.
func (t *transaction) put(key []byte, e *backend.Entry) error {
	size := bodySize(e)
	if t.batch.Len()+len(key)+size > maxBatchBytes {
		return errTooLarge
	}
	op := t.batch.SetDeferred(len(key), size)
	copy(op.Key, key)
	appendBody(op.Value[:0], key, e)
	if err := op.Finish(); err != nil {
		return err
	}
	// A record of the batch ends with: key, length of the value, value.
	end := t.batch.Len()
	keyEnd := end - size - uvarintLen(uint64(size))
	t.note(key, change{key: keyEnd - len(key), keyEnd: keyEnd, body: end - size, bodyEnd: end})
	return nil
}

// erase removes an entry that is there.
func (t *transaction) erase(key []byte) error {
	if t.batch.Len()+len(key) > maxBatchBytes {
		return errTooLarge
	}
	if err := t.batch.Delete(key, nil); err != nil {
		return err
	}
	end := t.batch.Len()
	t.note(key, change{key: end - len(key), keyEnd: end, erased: true})
	return nil
}

func (t *transaction) note(key []byte, c change) {
	if old := t.find(key); old != nil {
		c.older = old.older
		*old = c
		return
	}
	h := maphash.Bytes(t.seed, key)
	c.older = t.newest[h]
	t.changes = append(t.changes, c)
	t.newest[h] = int32(len(t.changes))
}

// clear removes all entries.
func (t *transaction) clear() error {
	t.cleared = true
	t.forgetChanges()
	return errors.Join(t.deleteAll(entryPrefix), t.deleteAll(deadlinePrefix))
}

func (t *transaction) deleteAll(prefix byte) error {
	return t.batch.DeleteRange([]byte{prefix}, []byte{prefix + 1}, nil)
}

// uvarintLen is the length of a number as batches hold it.
func uvarintLen(n uint64) int { return max(1, (bits.Len64(n)+6)/7) }
