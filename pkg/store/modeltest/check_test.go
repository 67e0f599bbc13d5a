// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/store"
)

// slack is what a tick of 100 ms may add to a time.
const slack = 250 * time.Millisecond

// check compares what happened with what may happen.
func (w *world) check() error {
	r := w.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.failure != nil {
		return w.failure
	}
	for _, check := range []func() error{r.livesGoOn, r.sightsArePrefixes, r.allAgree, r.staleness, r.writes, r.order, r.unique, r.expiry, r.comparisons, r.batches, r.watched, w.outsideWrites} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// livesGoOn checks that each process of the master begins where the one before ended. It may know of commits that nobody saw.
func (r *record) livesGoOn() error {
	for i, l := range r.lives[1:] {
		before := r.lives[i]
		if l.base < before.last() {
			return fmt.Errorf("process %d of the master begins with number %d, the one before had come to %d", i+2, l.base, before.last())
		}
		want, _ := before.contentAt(before.last())
		if l.base == before.last() && !maps.Equal(want, l.content) {
			return fmt.Errorf("process %d of the master begins with another content than the one before had at %d: %s", i+2, l.base,
				difference(l.content, want))
		}
	}
	return nil
}

// sightsArePrefixes checks every look at a frontend.
func (r *record) sightsArePrefixes() error {
	for _, s := range r.sights {
		i := r.lifeOf(s.number)
		if i < 0 {
			return fmt.Errorf("the frontend at %d has number %d, before all", s.place, s.number)
		}
		l := r.lives[i]
		if i+1 < len(r.lives) && s.number > l.last() && r.lives[i+1].base > l.last() {
			continue // between what was seen of two processes
		}
		if want, _ := l.contentAt(s.number); !maps.Equal(want, s.content) {
			return fmt.Errorf("the frontend at %d has something else at number %d than the master had: %s", s.place, s.number,
				difference(s.content, want))
		}
	}
	return nil
}

// lifeOf is the index of the process of the master that tells of a number; -1: none.
func (r *record) lifeOf(number uint64) int {
	for i := len(r.lives) - 1; i >= 0; i-- {
		if number >= r.lives[i].base {
			return i
		}
	}
	return -1
}

// final is the master's content in the end, which the last looks have seen.
func (r *record) final() content {
	l := r.lives[len(r.lives)-1]
	c, _ := l.contentAt(l.last())
	return c
}

// allAgree checks the last look at each frontend.
func (r *record) allAgree() error {
	if len(r.sights) < endpoints {
		return fmt.Errorf("only %d frontends can be read in the end", len(r.sights))
	}
	for i, s := range r.sights[len(r.sights)-endpoints:] {
		if s.place != i {
			return fmt.Errorf("the frontend at %d can't be read in the end", i)
		}
		if want := r.final(); !maps.Equal(s.content, want) {
			return fmt.Errorf("the frontend at %d differs in the end: %s", s.place, difference(s.content, want))
		}
	}
	return nil
}

// staleness checks that no clone claims to have been in sync at a time at which the master had more.
func (r *record) staleness() error {
	for _, s := range r.sights {
		if s.place == 0 || s.status.SyncedAt.IsZero() {
			continue
		}
		for _, l := range r.lives {
			for _, c := range l.changes {
				if c.Number > s.number && s.status.SyncedAt.Sub(c.at) > maxDelay+slack {
					return fmt.Errorf("the clone at %d is at %d and says it was in sync %v after change %d", s.place, s.number,
						s.status.SyncedAt.Sub(c.at), c.Number)
				}
			}
		}
		if age := s.at.Sub(s.status.SyncedAt); age > staleAfter+slack && s.status.State == store.StateSynced {
			return fmt.Errorf("the clone at %d was in sync %v ago and calls itself synced", s.place, age)
		}
	}
	return nil
}

// cleared tells whether anybody may have cleared the store.
func (r *record) cleared() bool {
	return slices.ContainsFunc(r.ops, func(o *op) bool { return o.action.kind == doClear })
}

// writes checks the keys that one write has for itself, and the counter.
func (r *record) writes() error {
	final, done := r.final(), r.executions()
	acked, possible := 0, 0
	for _, o := range r.ops {
		switch o.action.kind {
		case doPut:
			if _, there := final[keyOf(o)]; o.outcome == acknowledged && !there && !r.cleared() {
				return fmt.Errorf("write %d was acknowledged at %d and is not there", o.id, o.writer.at.place)
			} else if there && o.outcome == refused {
				return fmt.Errorf("write %d was refused (%w) and is there", o.id, o.err)
			}
			if n := done[keyOf(o)]; n > 1 {
				return fmt.Errorf("write %d was executed %d times", o.id, n)
			}
		case doIncrement:
			if o.outcome == acknowledged {
				acked++
			}
			if o.outcome != refused {
				possible++
			}
		}
	}
	n, _ := strconv.Atoi(final["counter"])
	if !r.cleared() && n < acked || n > possible {
		return fmt.Errorf("the counter is %d: %d increments were acknowledged, %d possible", n, acked, possible)
	}
	return nil
}

// executions counts the changes of each key that put something there.
func (r *record) executions() map[string]int {
	n := map[string]int{}
	for _, l := range r.lives {
		for _, c := range l.changes {
			if c.Kind == store.ChangeInsert || c.Kind == store.ChangeUpdate {
				n[text(c.Key)]++
			}
		}
	}
	return n
}

// order checks what was pushed: all that was acknowledged, everything once, and that of each writer in its order.
func (r *record) order() error {
	at := map[int]int{}
	for i, s := range strings.Split(strings.Trim(r.final()["order"], "()[]{}"), ", ") {
		id, err := strconv.Atoi(s)
		if err != nil {
			break // nothing was pushed
		}
		if _, twice := at[id]; twice {
			return fmt.Errorf("push %d was executed twice: %s", id, r.final()["order"])
		}
		at[id] = i
	}
	newest := map[*process]*op{}
	for _, o := range r.ops {
		if o.action.kind != doPush {
			continue
		}
		i, there := at[o.id]
		if !there {
			if o.outcome == acknowledged && !r.cleared() {
				return fmt.Errorf("push %d was acknowledged at %d and is not there: %s", o.id, o.writer.at.place, r.final()["order"])
			}
			continue
		}
		if before := newest[o.writer]; before != nil && at[before.id] > i {
			return fmt.Errorf("pushes %d and %d of one writer are in the wrong order: %s", before.id, o.id, r.final()["order"])
		}
		newest[o.writer] = o
	}
	return nil
}

// unique checks that every lock was won once, and by who was told so.
func (r *record) unique() error {
	if r.cleared() {
		return nil // a lock can be won again
	}
	winners := map[string]*op{}
	for _, o := range r.ops {
		if o.action.kind != doUnique || o.outcome != acknowledged {
			continue
		}
		key := keyOf(o)
		switch holder, there := r.final()[key]; {
		case !there:
			return fmt.Errorf("write %d of %s was answered, and the key is not there", o.id, key)
		case o.won && winners[key] != nil:
			return fmt.Errorf("%s was won by writes %d and %d", key, winners[key].id, o.id)
		case o.won && holder != fmt.Sprint(o.id):
			return fmt.Errorf("%s was won by write %d, but write %s has it", key, o.id, holder)
		case !o.won && holder == fmt.Sprint(o.id):
			return fmt.Errorf("%s belongs to write %d, which was told that it has lost", key, o.id)
		case o.won:
			winners[key] = o
		}
	}
	return nil
}

// expiry checks when entries with an expiry went.
func (r *record) expiry() error {
	put := map[string]time.Time{}
	for _, l := range r.lives {
		for _, c := range l.changes {
			key := text(c.Key)
			switch {
			case !strings.HasPrefix(key, "expiring/"):
			case c.Kind != store.ChangeExpire:
				put[key] = c.at
			default:
				id, _ := strconv.Atoi(strings.TrimPrefix(key, "expiring/"))
				life := r.ops[id-1].action.d
				due := put[key].Add(life)
				if at, seen := put[key]; seen && c.at.Sub(at) < life {
					return fmt.Errorf("%s lived %v instead of %v", key, c.at.Sub(at), life)
				} else if due.Before(l.began) {
					due = l.began
				}
				if late := c.at.Sub(due); !put[key].IsZero() && late > slack {
					return fmt.Errorf("%s went %v late", key, late)
				}
			}
		}
	}
	for key := range r.final() {
		if strings.HasPrefix(key, "expiring/") {
			return fmt.Errorf("%s is still there", key)
		}
	}
	return nil
}

func difference(got, want content) string {
	var all []string
	for k, v := range got {
		if want[k] != v {
			all = append(all, fmt.Sprintf("%s is %q, want %q", k, v, want[k]))
		}
	}
	for k, v := range want {
		if _, ok := got[k]; !ok {
			all = append(all, fmt.Sprintf("%s is missing, want %q", k, v))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}
