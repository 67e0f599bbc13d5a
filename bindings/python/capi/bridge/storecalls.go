// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// operation reads an operation of the store that a call waits for.
func (s *storeHandle) operation(op string, a *arguments) (operation, error) {
	switch op {
	case "put_unique":
		key, value, expiry := a.any("key"), a.any("value"), a.expiry()
		return truth(func(ctx context.Context) (bool, error) { return s.PutUnique(ctx, key, value, expiry) }), nil
	case "compare_and_set":
		return s.compareAndSet(a), nil
	case "batch":
		b, err := a.batch()
		return truth(func(ctx context.Context) (bool, error) { return s.apply(ctx, b) }), err
	case "await_idle":
		return nothing(s.AwaitIdle), nil
	case "detach":
		return nothing(s.detach), nil
	case "entries":
		return s.entries, nil
	case "watch":
		return s.watch(a), nil
	case "get", "exists", "index", "keys", "size", "status":
		read, err := s.read(op, a)
		return func(ctx context.Context) (answer, error) {
			v, err := read(ctx)
			return answer{value: v}, err
		}, err
	}
	w, err := a.write()
	return nothing(func(ctx context.Context) error { return s.Write(ctx, w) }), err
}

// truth is an operation whose answer is a boolean.
func truth(f func(context.Context) (bool, error)) operation {
	return func(ctx context.Context) (answer, error) {
		ok, err := f(ctx)
		return answer{value: data.Boolean(ok)}, err
	}
}

// apply carries a batch out; false: a condition did not hold.
func (f *frontend) apply(ctx context.Context, b store.Batch) (bool, error) {
	err := f.Apply(ctx, b)
	if errors.Is(err, store.ErrConditionFailed) {
		return false, nil
	}
	return err == nil, err
}

func (s *storeHandle) compareAndSet(a *arguments) operation {
	key, old, present := a.any("key"), a.any("old"), a.boolean("present")
	b := store.Batch{
		If:     []store.Condition{{Key: key, Present: present, Value: old}},
		Writes: []store.Write{store.WritePut(key, a.any("new"), a.expiry())},
	}
	return truth(func(ctx context.Context) (bool, error) { return s.apply(ctx, b) })
}

// batch reads a vector of conditions and one of writes.
func (a *arguments) batch() (b store.Batch, err error) {
	conditions, writes := a.vector("conditions"), a.vector("writes")
	if a.err != nil {
		return b, a.err
	}
	for v := range conditions.Elements() {
		c := argumentsOf("condition", v)
		b.If = append(b.If, store.Condition{Key: c.any("key"), Present: c.boolean("present"), Value: c.any("value")})
		if err := c.end(); err != nil {
			return b, err
		}
	}
	for v := range writes.Elements() {
		c := argumentsOf("write", v)
		c.op = c.string("operation")
		if c.err != nil {
			return b, c.err
		}
		w, err := c.write()
		if err == nil {
			err = c.end()
		}
		if err != nil {
			return b, err
		}
		b.Writes = append(b.Writes, w)
	}
	return b, nil
}

// entries makes a cursor over all entries.
func (s *storeHandle) entries(ctx context.Context) (answer, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return answer{}, err
	}
	now := time.Now()
	h, err := s.e.newFeed(func(_ context.Context, put func(data.Value) bool) error {
		defer snapshot.Close()
		for e, err := range snapshot.Entries() {
			if err != nil {
				return err
			}
			if !put(data.Vector(e.Key, e.Value, timeLeft(e.Deadline, now))) {
				break
			}
		}
		return nil
	})
	if err != nil {
		snapshot.Close()
	}
	return answer{made: h}, err
}

// timeLeft is how long an entry stays, none if it does for ever.
func timeLeft(d backend.Deadline, now time.Time) data.Value {
	if d == backend.Never {
		return data.None()
	}
	return data.Timespan(time.Duration(int64(d) - now.UnixNano()))
}

// watch makes a watch of all keys or one.
func (s *storeHandle) watch(a *arguments) operation {
	var o store.WatchOptions
	if a.more() {
		if key := a.any("key"); !key.IsNone() {
			o.Key = &key
		}
	}
	if a.more() {
		if after := a.any("after"); !after.IsNone() {
			n, ok := asCount(after)
			if !ok {
				a.mismatch("after", after, "a count or none")
			}
			o.After = n
		}
	}
	return func(ctx context.Context) (answer, error) {
		begun := make(chan struct{})
		h, err := s.e.newFeed(func(ctx context.Context, put func(data.Value) bool) error {
			changes := s.Watch(ctx, o)
			close(begun)
			for c, err := range changes {
				if err != nil {
					return err
				}
				if !put(changeValue(&c)) {
					break
				}
			}
			return nil
		})
		if err != nil {
			return answer{}, err
		}
		select {
		case <-begun:
		case <-ctx.Done():
			err = ctx.Err()
		}
		return answer{made: h}, err
	}
}

// changeValue is a change as brokermesh.h describes it.
func changeValue(c *store.Change) data.Value {
	return data.Vector(data.String(c.Kind.String()), c.Key, c.Old, c.New, data.Count(c.Number))
}
