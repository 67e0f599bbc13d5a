// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

const (
	// copyCommitBytes bounds what is copied in one transaction.
	copyCommitBytes = 4 << 20
	// copyRounds is how often what has changed meanwhile is copied before the master is frozen, copyNearly how many changed keys are so few
	// that it need not be done again.
	copyRounds = 20
	copyNearly = 1000
)

// number is a number as metas have it.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// copyAll copies the content of the clone into the database, and what has changed meanwhile, until little is left to do. It answers how many
// clones of another kind the master has.
func (t *takeOver) copyAll(ctx context.Context, known Database) (foreign uint64, err error) {
	return t.copyUntilFew(ctx, func(c *copied) error { return t.begin(c, known) })
}

// copyUntilFew copies what has changed until that is little. With begin everything is copied first.
func (t *takeOver) copyUntilFew(ctx context.Context, begin func(*copied) error) (foreign uint64, err error) {
	for round := 0; round < copyRounds; round++ {
		whole := begin != nil && round == 0
		c, err := t.take(ctx, whole)
		if err != nil {
			return 0, err
		}
		if whole {
			err = begin(c)
		}
		if err == nil {
			err = t.copy(ctx, c)
		}
		if err = errors.Join(err, c.content.Close()); err != nil {
			return 0, err
		}
		foreign = c.foreign
		if !c.all && len(c.keys) <= copyNearly {
			break
		}
	}
	return foreign, nil
}

// take asks the clone for its content.
func (t *takeOver) take(ctx context.Context, whole bool) (*copied, error) {
	a, err := t.c.do(ctx, read{kind: copyRequest, whole: whole})
	if err != nil {
		return nil, err
	}
	t.last = *a.copied
	return a.copied, nil
}

// begin marks the database as one that is being filled. It must be empty, or hold the history.
func (t *takeOver) begin(c *copied, known Database) error {
	id := HistoryID(c.position.History)
	switch {
	case id.IsZero():
		return fmt.Errorf("%w: the clone follows a master of C++ Broker, whose store has no history", ErrNotSupported)
	case !known.History.IsZero() && known.History != id:
		return fmt.Errorf("%w: %s, the store's is %s", ErrOtherHistory, known.History, id)
	case known.History.IsZero() && !known.Unfinished && t.be.Size().Entries > 0:
		return fmt.Errorf("%w: %d entries without a history", ErrOtherHistory, t.be.Size().Entries)
	}
	if err := errors.Join(t.be.SetMeta(metaIncoming, id[:]), t.be.SetMeta(metaPrepared, nil)); err != nil {
		return err
	}
	return t.be.Commit()
}

// copy brings the database to where the clone was when it was asked.
func (t *takeOver) copy(ctx context.Context, c *copied) error {
	batch := 0
	var err error
	if c.all {
		err = t.copyWhole(ctx, c, &batch)
	} else {
		for _, key := range c.keys {
			if err = t.copyKey(ctx, c, key, &batch); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	t.at.position, t.at.number = c.position, c.number
	if !c.all && len(c.keys) == 0 {
		return nil
	}
	return t.be.Commit()
}

func (t *takeOver) copyWhole(ctx context.Context, c *copied, batch *int) error {
	t.summed = false
	if t.be.Size().Entries > 0 {
		if err := errors.Join(t.be.Clear(), t.be.Commit()); err != nil {
			return err
		}
	}
	for e, err := range c.content.Entries() {
		if err == nil {
			err = t.put(ctx, e, batch)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *takeOver) copyKey(ctx context.Context, c *copied, key data.Value, batch *int) error {
	e, ok, err := c.content.Get(key)
	if err == nil && t.summed {
		err = t.sum.readBack(t.be, key, t.sum.remove)
	}
	switch {
	case err != nil:
		return err
	case !ok:
		_, err = t.be.Erase(key)
		return err
	}
	if err = t.put(ctx, e, batch); err == nil && t.summed {
		err = t.sum.readBack(t.be, key, t.sum.add)
	}
	return err
}

// sumUp works out the checksum of the database, which copyKey keeps up to date from then on: what writes wait for later is short then.
func (t *takeOver) sumUp(ctx context.Context) error {
	content, err := t.be.Snapshot()
	if err != nil {
		return err
	}
	t.sum.sum, t.sum.count, err = contentSum(ctx, content)
	err = errors.Join(err, content.Close())
	t.summed = err == nil
	return err
}

// put stores an entry, and commits now and then.
func (t *takeOver) put(ctx context.Context, e backend.Entry, batch *int) error {
	if err := t.be.Put(e); err != nil {
		return err
	}
	if *batch += itemBytes + e.Key.BinarySize() + e.Value.BinarySize(); *batch < copyCommitBytes {
		return nil
	}
	*batch = 0
	return errors.Join(t.be.Commit(), ctx.Err())
}
