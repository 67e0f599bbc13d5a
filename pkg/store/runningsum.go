// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// sumPatience is how long a master keeps a checksum up to date for a handover of which nothing is heard any more.
const sumPatience = 10 * time.Minute

// entrySum is an entry's part of a checksum. b is room to encode it, which is handed back.
func entrySum(e backend.Entry, b []byte) (uint64, []byte) {
	b = e.Value.AppendBinary(e.Key.AppendBinary(b[:0]))
	if e.Deadline != backend.Never {
		b = append(b, 1)
	}
	return xxhash.Sum64(b), b
}

// runningSum is a checksum (contentSum) that follows the changes, so that it need not be worked out anew while writes wait.
type runningSum struct {
	sum, count uint64
	scratch    []byte
}

func (s *runningSum) add(e backend.Entry) {
	var h uint64
	h, s.scratch = entrySum(e, s.scratch)
	s.sum, s.count = s.sum+h, s.count+1
}

func (s *runningSum) remove(e backend.Entry) {
	var h uint64
	h, s.scratch = entrySum(e, s.scratch)
	s.sum, s.count = s.sum-h, s.count-1
}

// readBack adds what is stored under a key, if anything is, or removes it.
func (*runningSum) readBack(be backend.Backend, key data.Value, change func(backend.Entry)) error {
	e, ok, err := be.Get(key)
	if err == nil && ok {
		change(e)
	}
	return err
}

// masterSum is the checksum of what a master has: that of a snapshot, which a goroutine of its own works out, and what has changed since.
type masterSum struct {
	cancel context.CancelFunc
	// word is when a target was last heard of that may want it.
	word    time.Time
	changes runningSum

	ready      atomic.Bool // the goroutine has ended, and what follows is the master's
	sum, count uint64
	err        error
}

// total is the checksum and the number of entries. Only when it is ready.
func (s *masterSum) total() (sum, count uint64) {
	return s.sum + s.changes.sum, s.count + s.changes.count
}

// beginSum begins to work out the checksum, if nobody did yet.
func (m *Master) beginSum() error {
	if m.sum != nil && (!m.sum.ready.Load() || m.sum.err == nil) {
		m.sum.word = time.Now()
		return nil
	}
	snap, err := m.snapshot()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &masterSum{cancel: cancel, word: time.Now()}
	m.sum = s
	work := func() {
		defer snap.Close()
		s.sum, s.count, s.err = contentSum(ctx, snap)
		s.ready.Store(true)
	}
	if snap.Size().Entries <= fewEntries {
		work()
	} else {
		m.own.group.Go(work)
	}
	return nil
}

// clearedSum: there is nothing any more.
func (m *Master) clearedSum() {
	if m.sum != nil {
		m.sum.cancel()
		s := &masterSum{cancel: func() {}, word: m.sum.word}
		s.ready.Store(true)
		m.sum = s
	}
}

// endSum forgets the checksum.
func (m *Master) endSum() {
	if m.sum != nil {
		m.sum.cancel()
		m.sum = nil
	}
}
