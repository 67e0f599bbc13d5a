// SPDX-License-Identifier: Apache-2.0

package store

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// execute carries out a write with canonical key and value. ok is the answer to a PutUnique. An error of the backend ends the service.
func (m *Master) execute(c command.Command) (ok bool, err error) {
	if m.failed != nil {
		return false, m.failed
	}
	switch c := c.(type) {
	case *command.Put:
		err = m.put(c.Key, c.Value, c.Expiry, c.Expiry, c.Publisher)
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

// put stores an entry. shown is the expiry that clones and events get to see.
func (m *Master) put(key, value data.Value, expiry, shown command.Expiry, publisher data.EntityID) error {
	old, present, err := m.be.Get(key)
	if err != nil {
		return err
	}
	if m.maxEntry > 0 && key.BinarySize()+value.BinarySize() > m.maxEntry {
		return ErrTooLarge
	}
	deadline := deadlineOf(expiry)
	m.changed()
	if err := m.be.Put(backend.Entry{Key: key, Value: value, Deadline: deadline}); err != nil {
		return err
	}
	m.deadlines.set(key, deadline)
	if present {
		m.event(updateEvent(m.name, key, old.Value, value, shown, publisher))
	} else {
		m.event(insertEvent(m.name, key, value, shown, publisher))
	}
	m.replay(&command.Put{Key: key, Value: value, Expiry: shown, Publisher: publisher})
	return nil
}

func (m *Master) putUnique(c *command.PutUnique) (bool, error) {
	_, present, err := m.be.Get(c.Key)
	if err == nil && !present {
		err = m.put(c.Key, c.Value, c.Expiry, c.Expiry, c.Publisher)
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
	return m.put(key, value, expiry, command.Expiry{}, publisher)
}

func (m *Master) erase(c *command.Erase) error {
	m.changed()
	present, err := m.be.Erase(c.Key)
	if err != nil || !present {
		return err
	}
	m.deadlines.set(c.Key, backend.Never)
	m.event(eraseEvent(m.name, c.Key, c.Publisher))
	m.replay(c)
	return nil
}

func (m *Master) clear(c *command.Clear) error {
	keys, err := m.keys()
	if err != nil {
		return err
	}
	m.changed()
	if err := m.be.Clear(); err != nil {
		return err
	}
	m.deadlines.clear()
	for _, key := range keys {
		m.event(eraseEvent(m.name, key, c.Publisher))
	}
	m.replay(c)
	return nil
}

// expire removes what has lived long enough.
func (m *Master) expire(now time.Time) {
	for key, ok := m.deadlines.pop(now); ok; key, ok = m.deadlines.pop(now) {
		m.changed()
		present, err := m.be.Erase(key)
		if err != nil {
			m.fail(err)
			return
		}
		if present {
			m.event(expireEvent(m.name, key, m.id))
			m.replay(&command.Expire{Key: key, Publisher: m.id})
		}
	}
}

// changed takes note that the content is about to change.
func (m *Master) changed() {
	m.dirty = true
	m.handshake.outdated()
}

func (m *Master) event(v data.Value) { m.out.events = append(m.out.events, v) }

// keys are those of the content as it is now, in ascending order.
func (m *Master) keys() ([]data.Value, error) {
	s, err := m.snapshot()
	if err != nil {
		return nil, err
	}
	return keysOf(s)
}

// snapshot is the content as it is now, for which the group so far is committed.
func (m *Master) snapshot() (backend.Snapshot, error) {
	if m.commit(); m.failed != nil {
		return nil, m.failed
	}
	return m.be.Snapshot()
}
