// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// plan is a batch worked out before anything of it is carried out: what its keys would hold after the writes so far.
type plan struct {
	be      backend.Backend
	cleared bool
	values  map[string]planned
	writes  []command.Command
	// growth is how many bytes the writes so far add to the store, peak the most that it has been.
	growth, peak int64
}

// planned is what a key would hold.
type planned struct {
	value   data.Value
	present bool
}

// apply carries out a batch whose values are canonical.
func (m *Master) apply(b *Batch, publisher data.EntityID) error {
	if err := m.refusal(); err != nil {
		return err
	}
	p := &plan{be: m.be, values: map[string]planned{}}
	for i := range b.If {
		c := &b.If[i]
		value, present, err := p.get(c.Key)
		if err != nil {
			return m.failing(err)
		}
		if present != c.Present || present && !data.Equal(value, c.Value) {
			return ErrConditionFailed
		}
	}
	for i := range b.Writes {
		if err := p.add(&b.Writes[i], publisher, m.maxEntry); err != nil {
			return m.failing(err)
		}
	}
	if b, ok := m.be.(backend.Bounded); ok {
		if room, bounded := b.Room(); bounded && p.peak > room {
			return backend.ErrFull
		}
	}
	for _, c := range p.writes {
		if _, err := m.execute(c); err != nil {
			return err
		}
	}
	return nil
}

// get is what a key holds after the writes so far.
func (p *plan) get(key data.Value) (data.Value, bool, error) {
	if v, ok := p.values[string(key.AppendBinary(nil))]; ok || p.cleared {
		return v.value, v.present, nil
	}
	e, ok, err := p.be.Get(key)
	return e.Value, ok, err
}

// add works out a write. What goes into the plan can't fail any more but by the backend.
func (p *plan) add(w *Write, publisher data.EntityID, limit int) error {
	current, present, err := p.get(w.key)
	if err != nil {
		return err
	}
	after := planned{present: true}
	switch w.kind {
	case command.KindPutUnique:
		if present {
			return ErrConditionFailed
		}
		after.value = w.value
	case command.KindAdd:
		after.value, err = backend.Add(current, present, w.value, w.init)
	case command.KindSubtract:
		after.value, err = backend.Subtract(current, present, w.value)
	case command.KindErase:
		after = planned{}
	case command.KindClear:
		p.cleared, p.values = true, map[string]planned{}
		size := p.be.Size()
		p.growth = -size.Bytes - size.Entries*entryBytes
		p.writes = append(p.writes, w.command(publisher))
		return nil
	default:
		after.value = w.value
	}
	if err != nil {
		return err
	}
	if limit > 0 && after.present && w.key.BinarySize()+after.value.BinarySize() > limit {
		return ErrTooLarge
	}
	p.grow(w.key, current, present, -1)
	p.grow(w.key, after.value, after.present, 1)
	p.values[string(w.key.AppendBinary(nil))] = after
	if w.kind == command.KindPutUnique { // it is no question here
		put := WritePut(w.key, w.value, w.expiry)
		w = &put
	}
	p.writes = append(p.writes, w.command(publisher))
	return nil
}

// entryBytes is what a backend.Bounded counts for an entry besides its key and value.
const entryBytes = 64

// grow counts an entry that comes (sign 1) or goes (-1).
func (p *plan) grow(key, value data.Value, present bool, sign int64) {
	if present {
		p.growth += sign * int64(key.BinarySize()+value.BinarySize()+entryBytes)
		p.peak = max(p.peak, p.growth)
	}
}

// failing ends the service if an error is the backend's.
func (m *Master) failing(err error) error {
	if errors.Is(err, code.BackendFailure) {
		m.fail(err)
	}
	return err
}

// deadlineOf is when an entry expires that is written now.
func deadlineOf(expiry command.Expiry) backend.Deadline {
	if !expiry.Set {
		return backend.Never
	}
	return backend.DeadlineAfter(time.Now(), expiry.After)
}
