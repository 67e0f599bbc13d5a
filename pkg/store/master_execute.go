// SPDX-License-Identifier: Apache-2.0

package store

import (
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// execute carries out a write with canonical key and value. ok is the answer to a PutUnique. An error of the backend ends the service.
func (m *Master) execute(c command.Command) (ok bool, err error) {
	if err := m.refusal(); err != nil {
		return false, err
	}
	switch c := c.(type) {
	case *command.Put:
		expiry := m.expiryOr(c.Expiry)
		err = m.put(c.Key, c.Value, expiry, expiry, c.Publisher)
	case *command.PutUnique:
		ok, err = m.putUnique(c)
	case *command.Erase:
		err = m.erase(c)
	case *command.Add:
		err = m.modify(c.Key, c.Operand, c.Expiry, c.Publisher, false, func(current data.Value, present bool) (data.Value, error) {
			return backend.Add(current, present, c.Operand, c.Init)
		})
	case *command.Subtract:
		err = m.modify(c.Key, c.Operand, c.Expiry, c.Publisher, true, func(current data.Value, present bool) (data.Value, error) {
			return backend.Subtract(current, present, c.Operand)
		})
	case *command.Clear:
		err = m.clear(c)
	default: // makes no sense for a master
		return false, nil
	}
	return ok, m.failing(err)
}

// write carries out a write of this endpoint.
func (m *Master) write(w *Write) (ok bool, err error) {
	if w.kind != command.KindPut {
		return m.execute(w.command(m.id))
	}
	if err := m.refusal(); err != nil {
		return false, err
	}
	expiry := m.expiryOr(command.After(w.expiry))
	return true, m.failing(m.put(w.key, w.value, expiry, expiry, m.id))
}

// expiryOr is the expiry of a write, or that of the store if the write has none.
func (m *Master) expiryOr(e command.Expiry) command.Expiry {
	if e.Set {
		return e
	}
	return command.After(time.Duration(m.expiry.Load()))
}

// refusal is why the master executes nothing, nil if it does.
func (m *Master) refusal() error {
	switch {
	case m.failed != nil:
		return m.failed
	case m.handing.frozen():
		return errFrozen
	}
	if m.lapsed || m.board.lease.required && m.rivals.refusing == nil && m.board.lease.left(time.Now()) == 0 {
		return ErrNoLease
	}
	return m.rivals.refusing
}

// put stores an entry. shown is the expiry that clones and events get to see.
func (m *Master) put(key, value data.Value, expiry, shown command.Expiry, publisher data.EntityID) error {
	if m.maxEntry > 0 && key.BinarySize()+value.BinarySize() > m.maxEntry {
		return ErrTooLarge
	}
	deadline := deadlineOf(expiry)
	m.changed()
	if err := m.store(backend.Entry{Key: key, Value: value, Deadline: deadline}, shown, publisher); err != nil {
		return err
	}
	m.deadlines.set(key, deadline)
	if m.heard() {
		c := &command.Put{Key: key, Value: value, Expiry: shown, Publisher: publisher}
		if expiry.Set && !shown.Set {
			c.Hidden = expiry
		}
		m.replay(c)
	} else {
		m.clones.Produce(nil, nil)
	}
	return nil
}

// store puts an entry into the backend, and the change into the feed if anybody wants it.
func (m *Master) store(e backend.Entry, shown command.Expiry, publisher data.EntityID) error {
	if !m.feed.wanted() && m.sum == nil {
		return m.be.Put(e)
	}
	old, present, err := swap(m.be, e)
	if err != nil {
		return err
	}
	if m.sum != nil {
		if m.sum.changes.add(e); present {
			m.sum.changes.remove(old)
		}
		if !m.feed.wanted() {
			return nil
		}
	}
	c := m.feed.next()
	c.Number, c.Key, c.New, c.Expiry, c.Publisher = m.clones.Next(), e.Key, e.Value, shown, publisher
	if present {
		c.Kind, c.Old = ChangeUpdate, old.Value
	}
	return nil
}

// swap puts an entry and answers the one that was there.
func swap(be backend.Backend, e backend.Entry) (old backend.Entry, present bool, err error) {
	if s, ok := be.(backend.Swapper); ok {
		return s.Swap(e)
	}
	if old, present, err = be.Get(e.Key); err == nil {
		err = be.Put(e)
	}
	return old, present, err
}

func (m *Master) putUnique(c *command.PutUnique) (bool, error) {
	_, present, err := m.be.Get(c.Key)
	if err == nil && !present {
		expiry := m.expiryOr(c.Expiry)
		err = m.put(c.Key, c.Value, expiry, expiry, c.Publisher)
	}
	inserted := err == nil && !present
	m.replay(&command.PutUniqueResult{Inserted: inserted, Who: c.Who, Request: c.Request, Publisher: m.id})
	return inserted, err
}

// modify replaces the value of a key by what change makes of it. A change that fails leaves nothing.
func (m *Master) modify(key, operand data.Value, expiry command.Expiry, publisher data.EntityID, subtract bool,
	change func(current data.Value, present bool) (data.Value, error),
) error {
	old, present, err := m.be.Get(key)
	if err != nil {
		return err
	}
	value, err := change(old.Value, present)
	if err != nil {
		return err
	}
	if present && backend.Wraps(old.Value, operand, subtract) {
		m.status.Wraps++
		m.log.Debug("arithmetic went beyond 64 bits", "key", key.String(), "before", old.Value.String(), "after", value.String())
	}
	return m.put(key, value, m.expiryOr(expiry), command.Expiry{}, publisher)
}

func (m *Master) erase(c *command.Erase) error {
	present, err := m.remove(c.Key, ChangeErase, c.Publisher)
	if err == nil && present {
		m.deadlines.set(c.Key, backend.Never)
		m.replay(c)
	}
	return err
}

// remove takes an entry out of the backend, and tells the feed if it was there.
func (m *Master) remove(key data.Value, kind ChangeKind, publisher data.EntityID) (present bool, err error) {
	var old backend.Entry
	if m.feed.watched || m.sum != nil {
		if old, _, err = m.be.Get(key); err != nil {
			return false, err
		}
	}
	m.changed()
	if present, err = m.be.Erase(key); present && err == nil {
		if m.sum != nil {
			m.sum.changes.remove(old)
		}
		m.feed.add(Change{Number: m.clones.Next(), Kind: kind, Key: key, Old: old.Value, Publisher: publisher})
	}
	return present, err
}

func (m *Master) clear(c *command.Clear) error {
	if m.feed.wanted() {
		if err := m.announceClear(c.Publisher); err != nil {
			return err
		}
	}
	m.changed()
	if err := m.be.Clear(); err != nil {
		return err
	}
	m.clearedSum()
	m.deadlines.clear()
	m.replay(c)
	return nil
}

// announceClear tells the feed of each key that a clear is about to remove, in ascending order.
func (m *Master) announceClear(publisher data.EntityID) error {
	content, err := m.snapshot()
	if err != nil {
		return err
	}
	defer content.Close()
	number, gone := m.clones.Next(), []Change(nil)
	for e, err := range content.Entries() {
		if err != nil {
			return err
		}
		gone = append(gone, Change{Number: number, Kind: ChangeErase, Key: e.Key, Old: e.Value, Publisher: publisher})
	}
	slices.SortFunc(gone, func(a, b Change) int { return data.Compare(a.Key, b.Key) })
	for _, c := range gone {
		m.feed.add(c)
	}
	return nil
}

// expiredAtOnce bounds the entries that expire in one group, so that others get their turn.
const expiredAtOnce = 8192

// expire removes what has lived long enough.
func (m *Master) expire(now time.Time) {
	if m.handing.frozen() || m.refusal() != nil {
		return
	}
	for range expiredAtOnce {
		key, ok := m.deadlines.pop(now)
		if !ok {
			return
		}
		present, err := m.remove(key, ChangeExpire, m.id)
		if err != nil {
			m.fail(err)
			return
		}
		if present {
			m.replay(&command.Expire{Key: key, Publisher: m.id})
		}
	}
	if m.deadlines.due(now) {
		m.expireAt = now // the next group goes on
		signal(m.in.ready)
	}
}

// changed takes note that the content is about to change.
func (m *Master) changed() {
	m.dirty = true
	m.handshake.outdated()
}

// snapshot is the content as it is now, for which the group so far is committed.
func (m *Master) snapshot() (backend.Snapshot, error) {
	if m.commit(); m.failed != nil {
		return nil, m.failed
	}
	return m.be.Snapshot()
}
