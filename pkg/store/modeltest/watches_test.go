// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/brokermesh/brokermesh/pkg/store"
)

// watched is what a clone has told from a number on, whole numbers only.
type watched struct {
	place   int
	base    uint64
	content content
	changes []store.Change
}

// watch notes what a clone tells, as somebody who breaks off now and then, and goes on after the last number that he has seen whole.
func (r *record) watch(place int, c *store.Clone) {
	const pieces = 7 // changes, then it breaks off
	ctx := context.Background()
	r.followers.Go(func() {
		for {
			s, err := c.Snapshot(ctx)
			if errors.Is(err, store.ErrStale) {
				time.Sleep(time.Second)
				continue
			}
			if err != nil {
				return
			}
			seen := &watched{place: place, base: s.Number()}
			if seen.content, err = contentOf(s); err != nil {
				return
			}
			r.mu.Lock()
			r.watches = append(r.watches, seen)
			r.mu.Unlock()
			for err == nil {
				err = r.piece(seen, c, pieces)
			}
			if !errors.Is(err, store.ErrHistoryGone) {
				return
			}
		}
	})
}

// piece takes some changes. The last number may have more of them, so it is seen again.
func (r *record) piece(seen *watched, c *store.Clone, n int) error {
	after, wanted := seen.base, seen.base
	if len(seen.changes) > 0 {
		after = seen.changes[len(seen.changes)-1].Number
		wanted = after
	}
	var got []store.Change
	for ch, err := range c.Watch(context.Background(), store.WatchOptions{After: after}) {
		if err != nil {
			r.keepWhole(seen, got)
			return err
		}
		if len(got) >= n && ch.Number > wanted {
			break
		}
		got, wanted = append(got, ch), ch.Number
	}
	r.keepWhole(seen, append(got, store.Change{Number: wanted + 1}))
	return nil
}

// keepWhole keeps the changes before the last number, which may not be complete.
func (r *record) keepWhole(seen *watched, got []store.Change) {
	n := len(got)
	for n > 0 && got[n-1].Number == got[len(got)-1].Number {
		n--
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seen.changes = append(seen.changes, got[:n]...)
}

// watched checks that everything that was told of makes the content before that after it.
func (r *record) watched() error {
	for _, s := range r.watches {
		c := maps.Clone(s.content)
		number := s.base
		for i, ch := range s.changes {
			if ch.Number < number || ch.Number == s.base {
				return fmt.Errorf("the clone at %d tells of change %d after %d", s.place, ch.Number, number)
			}
			if ch.Number > number && (i%8 == 0 || i > len(s.changes)-4) {
				if err := r.sameAt(s.place, number, c); err != nil {
					return err
				}
			}
			number = ch.Number
			key := text(ch.Key)
			old, there := c[key]
			if (ch.Kind == store.ChangeInsert) == there || there && ch.Old.String() != old {
				return fmt.Errorf("the clone at %d tells of change %d: %v of %s, which was %q (%v), from %v", s.place, number, ch.Kind, key, old,
					there, ch.Old)
			}
			if ch.Kind == store.ChangeErase || ch.Kind == store.ChangeExpire {
				delete(c, key)
			} else {
				c[key] = ch.New.String()
			}
		}
		if err := r.sameAt(s.place, number, c); err != nil {
			return err
		}
	}
	return nil
}

// sameAt compares what a watcher knows with what the master had.
func (r *record) sameAt(place int, number uint64, c content) error {
	i := r.lifeOf(number)
	if i < 0 {
		return fmt.Errorf("a watcher of the clone at %d is at number %d, before all", place, number)
	}
	l := r.lives[i]
	if i+1 < len(r.lives) && number > l.last() && r.lives[i+1].base > l.last() {
		return nil // between what was seen of two processes
	}
	if want, _ := l.contentAt(number); !maps.Equal(want, c) {
		return fmt.Errorf("a watcher of the clone at %d has something else at number %d than the master had: %s", place, number, difference(c, want))
	}
	return nil
}
