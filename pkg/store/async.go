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

// Put stores a value under a key; after expiry it goes away again, unless expiry is 0.
func (o *operations) Put(ctx context.Context, key, value data.Value, expiry time.Duration) error {
	return o.Write(ctx, WritePut(key, value, expiry))
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

// Erase removes a key; that it is missing is no error.
func (o *operations) Erase(ctx context.Context, key data.Value) error {
	return o.Write(ctx, WriteErase(key))
}

// Clear removes all keys.
func (o *operations) Clear(ctx context.Context) error { return o.Write(ctx, WriteClear()) }

// Add adds an operand to the value of a key, or to the zero value of init if the key is missing (backend.Add). Like every change it
// replaces the expiry. Errors: code.TypeClash, code.InvalidData; at a clone of a foreign master nobody tells.
func (o *operations) Add(ctx context.Context, key, operand data.Value, init data.Kind, expiry time.Duration) error {
	return o.Write(ctx, WriteAdd(key, operand, init, expiry))
}

// Subtract takes an operand from the value of a key (backend.Subtract). Errors: code.NoSuchKey, code.TypeClash; at a clone of a foreign
// master nobody tells.
func (o *operations) Subtract(ctx context.Context, key, operand data.Value, expiry time.Duration) error {
	return o.Write(ctx, WriteSubtract(key, operand, expiry))
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

// CompareAndSet stores a value under a key if what is there equals old, or, with present false, if nothing is there. It answers whether
// it did.
func (o *operations) CompareAndSet(ctx context.Context, key, old data.Value, present bool, value data.Value, expiry time.Duration) (bool, error) {
	p, err := o.beginBatch(ctx, Batch{If: []Condition{{key, present, old}}, Writes: []Write{WritePut(key, value, expiry)}})
	if err != nil {
		return false, err
	}
	switch err := p.Wait(ctx); err {
	case nil:
		return true, nil
	case ErrConditionFailed:
		return false, nil
	default:
		return false, err
	}
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
