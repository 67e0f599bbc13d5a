// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// staleAfter is the option of all clones.
const staleAfter = 2 * time.Second

// content is what a store holds, as text.
type content map[string]string

// clonesAnswer says that writes at clones are acknowledged when the master has executed them.
const clonesAnswer = true

// outcome is what became of a write.
type outcome uint8

const (
	waiting outcome = iota
	acknowledged
	refused
	unknown
)

// op is a write.
type op struct {
	id      int
	action  action
	writer  *process
	outcome outcome
	won     bool
	err     error
	// expected is what a comparison wants to find, if present.
	expected string
	present  bool
}

// change is what the master did.
type change struct {
	store.Change
	at time.Time
}

// life is what was seen of one process of the master: its content at the start, and what it did from then on.
type life struct {
	base    uint64
	content content
	began   time.Time
	changes []change
}

// sight is what was seen of a frontend.
type sight struct {
	place  int
	number uint64
	content
	status store.Status
	at     time.Time
}

// record is all that happened.
type record struct {
	followers sync.WaitGroup
	mu        sync.Mutex
	ops       []*op
	lives     []*life
	sights    []sight
	watches   []*watched
}

func newRecord() *record { return new(record) }

// follow notes what a master does. It returns when it knows the master's content.
func (r *record) follow(w *world, p *process, m *store.Master) {
	ctx := context.Background()
	s, err := m.Snapshot(ctx)
	if err != nil {
		if !p.dead.Load() {
			w.fail("snapshot of a new master: %w", err)
		}
		return
	}
	l := &life{base: s.Number(), began: time.Now()}
	if l.content, err = contentOf(s); err != nil {
		w.fail("content of a new master: %w", err)
		return
	}
	r.mu.Lock()
	r.lives = append(r.lives, l)
	r.mu.Unlock()
	changes := m.Watch(ctx, store.WatchOptions{After: l.base})
	r.followers.Go(func() {
		for c, err := range changes {
			if err != nil {
				if errors.Is(err, store.ErrHistoryGone) {
					w.fail("watching the master: %w", err)
				}
				return
			}
			r.mu.Lock()
			if !p.dead.Load() {
				l.changes = append(l.changes, change{c, time.Now()})
			}
			r.mu.Unlock()
		}
	})
}

func contentOf(s *store.Snapshot) (content, error) {
	defer s.Close()
	c := content{}
	for e, err := range s.Entries() {
		if err != nil {
			return nil, err
		}
		c[text(e.Key)] = e.Value.String()
	}
	return c, nil
}

// text is a key.
func text(key data.Value) string {
	s, _ := key.AsString()
	return s
}

// look notes what a frontend has and claims. One that has nothing yet is left alone.
func (r *record) look(place int, p *process) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	status := p.Status() // before: what it says of the content has to be true of what is read later
	s, err := p.Snapshot(ctx)
	if err != nil {
		return
	}
	seen := sight{place: place, number: s.Number(), at: time.Now(), status: status}
	if seen.content, err = contentOf(s); err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sights = append(r.sights, seen)
}

// begin notes a write that begins.
func (r *record) begin(a action, p *process) *op {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &op{id: len(r.ops) + 1, action: a, writer: p}
	r.ops = append(r.ops, o)
	return o
}

// end notes how a write ended. Nobody hears a dead process.
func (r *record) end(o *op, won bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.won, o.err = won, err
	switch {
	case o.writer.dead.Load() || errors.Is(err, store.ErrUnknown):
		o.outcome = unknown
	case !clonesAnswer && o.writer.at.place != 0 && o.action.kind != doUnique:
		o.outcome = unknown
	case err == nil:
		o.outcome = acknowledged
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrTooLarge), errors.Is(err, store.ErrConditionFailed):
		o.outcome = refused
	default:
		o.outcome = unknown
	}
}

func (r *record) unfinished() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, o := range r.ops {
		if o.outcome == waiting {
			all = append(all, fmt.Sprintf("%d (%v)", o.id, o.action))
		}
	}
	return strings.Join(all, ", ")
}

// write begins the write of an action. Those of one process are taken in in the order of their numbers.
func (w *world) write(a action, p *process) {
	o := w.rec.begin(a, p)
	value := data.Count(uint64(o.id))
	key := data.String(keyOf(o))
	switch a.kind {
	case doUnique:
		w.ops.Go(func() {
			won, err := p.PutUnique(context.Background(), key, value, 0)
			w.rec.end(o, won, err)
		})
		return
	case doCompareSet:
		w.ops.Go(func() { w.compareAndSet(o, key, value) })
		return
	case doBatch:
		w.ops.Go(func() { w.rec.end(o, false, p.Apply(context.Background(), batchOf(o))) })
		return
	}
	var write store.Write
	switch a.kind {
	case doPut, doPutShared, doExpiring:
		write = store.WritePut(key, value, a.d)
	case doEraseShared:
		write = store.WriteErase(key)
	case doPush:
		write = store.WriteAdd(key, value, data.KindVector, 0)
	case doIncrement:
		write = store.WriteAdd(key, data.Count(1), data.KindCount, 0)
	case doClear:
		write = store.WriteClear()
	}
	pending := p.WriteAsync(write)
	w.ops.Go(func() { w.rec.end(o, false, pending.Wait(context.Background())) })
}

// keyOf is the key of a write. Those of doPut and doExpiring have one for themselves.
func keyOf(o *op) string {
	switch o.action.kind {
	case doPut:
		return fmt.Sprintf("put/%d", o.id)
	case doExpiring:
		return fmt.Sprintf("expiring/%d", o.id)
	case doPush:
		return "order"
	case doIncrement:
		return "counter"
	case doCompareSet:
		return fmt.Sprintf("compared/%d", o.action.n)
	case doBatch:
		return fmt.Sprintf("gate/%d", o.action.n)
	case doUnique:
		return fmt.Sprintf("lock/%d", o.action.n)
	}
	return fmt.Sprintf("shared/%d", o.action.n)
}

// apply carries a change out on a content.
func (c content) apply(ch store.Change) content {
	c = maps.Clone(c)
	switch ch.Kind {
	case store.ChangeErase, store.ChangeExpire:
		delete(c, text(ch.Key))
	default:
		c[text(ch.Key)] = ch.New.String()
	}
	return c
}

// last is the newest number that was seen of a life.
func (l *life) last() uint64 {
	if len(l.changes) == 0 {
		return l.base
	}
	return l.changes[len(l.changes)-1].Number
}

// contentAt is the content after change number; ok is false if this life doesn't tell.
func (l *life) contentAt(number uint64) (c content, ok bool) {
	if number < l.base {
		return nil, false
	}
	c = l.content
	for _, ch := range l.changes[:l.upTo(number)] {
		c = c.apply(ch.Change)
	}
	return c, true
}

// upTo is how many of the changes have a number up to this.
func (l *life) upTo(number uint64) int {
	n, _ := slices.BinarySearchFunc(l.changes, number+1, func(c change, n uint64) int {
		return int(int64(c.Number) - int64(n))
	})
	return n
}
