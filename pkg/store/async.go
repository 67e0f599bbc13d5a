// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// WriteAsync takes in a write and returns at once, but that it waits while too much is taken in already. Writes of one goroutine are
// carried out in their order, and a read that follows in it sees them.
func (o *operations) WriteAsync(w Write) *Pending {
	p, err := o.begin(context.Background(), w)
	if err != nil {
		return settled(err)
	}
	return p
}

// PutAsync is Put without waiting.
func (o *operations) PutAsync(key, value data.Value, expiry time.Duration) *Pending {
	return o.WriteAsync(WritePut(key, value, expiry))
}

// EraseAsync is Erase without waiting.
func (o *operations) EraseAsync(key data.Value) *Pending { return o.WriteAsync(WriteErase(key)) }

// ApplyAsync is Apply without waiting.
func (o *operations) ApplyAsync(b Batch) *Pending {
	p, err := o.beginBatch(context.Background(), b)
	if err != nil {
		return settled(err)
	}
	return p
}

// Write carries out a write and waits for it. At a master it returns when the write is committed; at a clone when the master has
// executed it.
func (o *operations) Write(ctx context.Context, w Write) error {
	p, err := o.begin(ctx, w)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// PutUnique stores a value under a key that holds none, and answers whether it did.
func (o *operations) PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error) {
	p, err := o.begin(ctx, WritePutUnique(key, value, expiry))
	if err != nil {
		return false, err
	}
	err = p.Wait(ctx)
	return p.Inserted(), err
}

// Apply carries out a batch: all of it or nothing. ErrConditionFailed: a condition did not hold. Any other error is that of the first
// write that could not be carried out.
func (o *operations) Apply(ctx context.Context, b Batch) error {
	p, err := o.beginBatch(ctx, b)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// begin takes in a write.
func (o *operations) begin(ctx context.Context, w Write) (*Pending, error) {
	if err := w.check(o.maxEntry); err != nil {
		return nil, err
	}
	return o.in.write(ctx, item{kind: writeRequest, write: w, bytes: itemBytes + w.size()})
}

// beginBatch takes in a batch.
func (o *operations) beginBatch(ctx context.Context, b Batch) (*Pending, error) {
	c := b.canonical()
	if err := c.check(o.maxEntry); err != nil {
		return nil, err
	}
	cost := itemBytes * (1 + len(b.If) + len(b.Writes))
	return o.in.write(ctx, item{kind: batchRequest, batch: c, bytes: cost + c.size()})
}

// publish puts the publisher into a write of this endpoint.
func publish(c command.Command, id data.EntityID) {
	switch c := c.(type) {
	case *command.Put:
		c.Publisher = id
	case *command.PutUnique:
		c.Publisher, c.Who = id, id
	case *command.Erase:
		c.Publisher = id
	case *command.Add:
		c.Publisher = id
	case *command.Subtract:
		c.Publisher = id
	case *command.Clear:
		c.Publisher = id
	case *command.Batch:
		c.Publisher = id
	}
}
