// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

const (
	// watchWait is how long a question for changes waits for one; the asker asks again.
	watchWait = time.Second
	// maxWatchChanges and maxWatchBytes end an answer. The changes of one number stay together.
	maxWatchChanges = 1024
	maxWatchBytes   = 256 << 10
	// changeValues is how many values a Change takes.
	changeValues = 7
)

// watchArgs are the arguments of opWatch: history as the asker knows it ("" if it does not yet), the number to go on after (0 with an
// unknown history: from now), and whether it is about a key or a prefix.
func watchArgs(history string, o WatchOptions) []data.Value {
	key := data.None()
	if o.Key != nil {
		key = *o.Key
	}
	return []data.Value{data.String(history), data.Count(o.After), data.Boolean(o.Key != nil), key, data.String(o.Prefix)}
}

// watch answers with the changes after a number: history, the number to go on after, then the changes. It waits a moment for one.
func (a *asks) watch(in *args) ([]data.Value, error) {
	history, o := in.string(), WatchOptions{After: in.count()}
	byKey, key := in.boolean(), data.Canonical(in.value())
	if o.Prefix = in.string(); in.err != nil {
		return nil, in.err
	}
	if byKey {
		o.Key = &key
	}
	status := a.board.Status()
	if now := status.History.String(); history != "" && history != now {
		return nil, fmt.Errorf("%w: the history is another one", ErrHistoryGone)
	}
	answer, err := a.ops.do(a.ctx, read{kind: watchRequest})
	if err != nil {
		return nil, err
	}
	if history == "" && o.After == 0 {
		o.After = answer.number
	}
	changes, err := answer.watchers.poll(a.ctx, o)
	if err != nil {
		return nil, err
	}
	next := max(o.After, answer.number)
	if len(changes) > 0 {
		next = changes[len(changes)-1].Number
	}
	values := make([]data.Value, 0, 2+changeValues*len(changes))
	values = append(values, data.String(status.History.String()), data.Count(next))
	for i := range changes {
		values = changeArgs(values, &changes[i])
	}
	if len(values) > command.MaxValues {
		return nil, fmt.Errorf("%w: %d changes at once", ErrHistoryGone, len(changes))
	}
	return values, nil
}

// poll takes what there is, and waits a moment if there is nothing.
func (s *watchers) poll(ctx context.Context, o WatchOptions) ([]Change, error) {
	w, err := s.add(o)
	if err != nil {
		return nil, err
	}
	defer s.remove(w)
	timer := time.NewTimer(watchWait)
	defer timer.Stop()
	var all []Change
	for bytes := 0; ; {
		changes, err := s.take(w, nil)
		if err != nil && len(all) == 0 {
			return nil, err
		}
		for i := range changes {
			if last := len(all) - 1; last >= 0 && all[last].Number != changes[i].Number && (len(all) >= maxWatchChanges || bytes >= maxWatchBytes) {
				return all, nil
			}
			bytes += changes[i].size()
			all = append(all, changes[i])
		}
		switch {
		case len(changes) > 0:
			continue
		case len(all) > 0 || err != nil:
			return all, nil
		}
		select {
		case <-w.wake:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// changeArgs is a change as values: number and kind as counts, key, old, new, expiry, publisher as 24 bytes.
func changeArgs(to []data.Value, c *Change) []data.Value {
	return append(to, data.Count(c.Number), data.Count(uint64(c.Kind)), c.Key, c.Old, c.New, c.Expiry.Value(),
		data.String(string(c.Publisher.AppendBinary(nil))))
}

// change reads what changeArgs has made.
func (a *args) change() Change {
	c := Change{Number: a.count(), Kind: ChangeKind(a.count()), Key: a.value(), Old: a.value(), New: a.value()}
	a.wrong(c.Kind <= ChangeExpire)
	if expiry := a.value(); expiry.Kind() != data.KindNone {
		d, ok := expiry.AsTimespan()
		a.wrong(ok)
		c.Expiry = command.Expiry{Set: true, After: d}
	}
	publisher, err := data.DecodeEntityID([]byte(a.string()))
	a.wrong(err == nil)
	c.Publisher = publisher
	return c
}
