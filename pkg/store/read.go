// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// readNow answers a read in the goroutine of who asks, if the master is at rest and nothing waits in front of it.
func (m *Master) readNow(r read) (answer, bool) {
	if r.kind == idleRequest || r.kind == promoteRequest || r.kind == compactRequest || !m.turn.TryLock() {
		return answer{}, false
	}
	defer m.turn.Unlock()
	switch {
	case m.ended:
		return answer{err: code.ShuttingDown}, true
	case !m.in.empty():
		return answer{}, false
	}
	return m.read(r), true
}

// read answers a read between two groups.
func (m *Master) read(r read) answer {
	if m.failed != nil {
		return answer{err: m.failed}
	}
	if r.kind == compactRequest {
		return m.maintain(r.maintain)
	}
	if r.kind == watchRequest {
		return m.feed.watch(m.clones.Seq())
	}
	if r.kind == keysRequest && !r.whole {
		return m.keys()
	}
	a := readFrom(m.be, r)
	if r.kind == snapshotRequest && a.err == nil {
		a.snapshot = m.snapshots.add(a.content, m.clones.Seq())
		m.feed.watch(m.clones.Seq()) // somebody may want to know what comes after it
	}
	if errors.Is(a.err, code.BackendFailure) {
		m.fail(a.err)
	}
	return a
}

// keys answers a snapshot, from which the caller reads the keys himself.
func (m *Master) keys() answer {
	content, err := m.be.Snapshot()
	if err != nil {
		return answer{err: m.failing(err)}
	}
	return answer{ok: true, snapshot: m.snapshots.add(content, m.clones.Seq())}
}

// readFrom answers a read from a backend whose changes are committed.
func readFrom(be backend.Backend, r read) (a answer) {
	var e backend.Entry
	switch r.kind {
	case sizeRequest:
		return answer{size: be.Size(), ok: true}
	case keysRequest, snapshotRequest:
		if a.content, a.err = be.Snapshot(); a.err == nil && r.kind == keysRequest {
			var keys []data.Value
			keys, a.err = keysOf(a.content)
			a.value = data.Set(keys...)
		}
		return a
	}
	e, a.ok, a.err = be.Get(r.key)
	switch {
	case a.err != nil || r.kind == existsRequest:
	case r.kind == indexRequest:
		a.value, a.err = backend.GetIndex(e.Value, a.ok, r.index)
	case !a.ok:
		a.err = code.NoSuchKey
	default:
		a.value = e.Value
	}
	return a
}

// keysOf are the keys of a snapshot in ascending order. It closes the snapshot.
func keysOf(s backend.Snapshot) ([]data.Value, error) {
	defer s.Close()
	keys := make([]data.Value, 0, s.Size().Entries)
	for e, err := range s.Entries() {
		if err != nil {
			return nil, err
		}
		keys = append(keys, e.Key)
	}
	slices.SortFunc(keys, data.Compare)
	return keys, nil
}
