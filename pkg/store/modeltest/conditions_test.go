// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"context"
	"fmt"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// compareAndSet sets a key if it holds what this frontend believes at the moment.
func (w *world) compareAndSet(o *op, key, value data.Value) {
	ctx := context.Background()
	old, err := o.writer.Get(ctx, key)
	w.rec.mu.Lock()
	if o.present = err == nil; o.present {
		o.expected = old.String()
	}
	w.rec.mu.Unlock()
	won, err := o.writer.CompareAndSet(ctx, key, old, o.present, value, 0)
	w.rec.end(o, won, err)
}

// batchOf passes a gate that nobody else has passed, and leaves two entries behind it.
func batchOf(o *op) store.Batch {
	key, value := data.String(keyOf(o)), data.Count(uint64(o.id))
	b := store.Batch{If: []store.Condition{{Key: key}}, Writes: []store.Write{store.WritePut(key, value, 0)}}
	for _, k := range partsOf(o) {
		b.Writes = append(b.Writes, store.WritePut(data.String(k), value, 0))
	}
	return b
}

func partsOf(o *op) [2]string {
	return [2]string{fmt.Sprintf("batch/%d/1", o.id), fmt.Sprintf("batch/%d/2", o.id)}
}

// gaps tells whether there were changes that nobody saw.
func (r *record) gaps() bool {
	for i, l := range r.lives[1:] {
		if l.base > r.lives[i].last() {
			return true
		}
	}
	return false
}

// comparisons checks what every comparison has found.
func (r *record) comparisons() error {
	done := map[string][]change{}
	for _, l := range r.lives {
		for _, c := range l.changes {
			if strings.HasPrefix(text(c.Key), "compared/") && c.Kind != store.ChangeErase {
				done[c.New.String()] = append(done[c.New.String()], c)
			}
		}
	}
	for _, o := range r.ops {
		if o.action.kind != doCompareSet {
			continue
		}
		switch seen := done[fmt.Sprint(o.id)]; {
		case len(seen) > 1:
			return fmt.Errorf("comparison %d was executed %d times", o.id, len(seen))
		case len(seen) == 0:
			if o.outcome == acknowledged && o.won && !r.gaps() {
				return fmt.Errorf("comparison %d has succeeded at %d, and was not executed", o.id, o.writer.at.place)
			}
		case o.outcome == refused || o.outcome == acknowledged && !o.won:
			return fmt.Errorf("comparison %d at %d was told that it failed (%w), and was executed", o.id, o.writer.at.place, o.err)
		case o.present != (seen[0].Kind == store.ChangeUpdate) || o.present && seen[0].Old.String() != o.expected:
			return fmt.Errorf("comparison %d wanted %q (%v), and replaced %v", o.id, o.expected, o.present, seen[0].Old)
		}
	}
	return nil
}

// batches checks that batches are there whole or not at all, and that each gate was passed by one.
func (r *record) batches() error {
	var contents []content
	for _, l := range r.lives {
		contents = append(contents, l.content)
	}
	for _, s := range r.sights {
		if s.place == 0 {
			contents = append(contents, s.content)
		}
	}
	contents = append(contents, r.final())
	for _, o := range r.ops {
		if o.action.kind != doBatch {
			continue
		}
		parts := partsOf(o)
		for _, c := range contents {
			_, first := c[parts[0]]
			if _, second := c[parts[1]]; first != second {
				return fmt.Errorf("a half of batch %d is there", o.id)
			}
		}
		if r.cleared() {
			continue
		}
		_, there := r.final()[parts[0]]
		passed := r.final()[keyOf(o)] == fmt.Sprint(o.id)
		switch {
		case there != passed:
			return fmt.Errorf("%s is %s in the end, but that batch %d is there is %v", keyOf(o), r.final()[keyOf(o)], o.id, there)
		case o.outcome == acknowledged && !there:
			return fmt.Errorf("batch %d was acknowledged at %d and is not there", o.id, o.writer.at.place)
		case o.outcome == refused && there:
			return fmt.Errorf("batch %d was refused at %d (%w) and is there", o.id, o.writer.at.place, o.err)
		}
	}
	return nil
}
