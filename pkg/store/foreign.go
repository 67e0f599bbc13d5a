// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

const (
	// metaLog and a number in 16 hexadecimal digits are where a master keeps the newest commands while a foreign clone is attached.
	metaLog = "log/"
	// maxLog is how many of them.
	maxLog = 4096
	// strandedTicks is how long a stranded clone is shown after it last said something, logTicks how long the log is kept after a
	// start without any foreign clone.
	strandedTicks = 600
	logTicks      = 3000
)

// foreign is what a master keeps for clones of C++ Broker, which follow it for ever under one identity and never ask for a new snapshot:
// after a restart it has to go on where they are.
type foreign struct {
	// entries are the commands of the transaction, first the oldest number in the database, 0 if there is none.
	entries []logEntry
	first   uint64
	until   uint64
	// stranded are clones that can't go on, with the tick at which they last spoke.
	stranded map[data.EntityID]uint64
}

type logEntry struct {
	number  uint64
	payload []byte
}

func logName(number uint64) string { return fmt.Sprintf("%s%016x", metaLog, number) }

// loadLog reads the commands that foreign clones may lack.
func (m *Master) loadLog() error {
	var numbers []uint64
	var payloads [][]byte
	for meta, err := range m.be.Metas(metaLog) {
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(strings.TrimPrefix(meta.Name, metaLog), 16, 64)
		if err != nil {
			continue
		}
		if len(numbers) > 0 && n != numbers[len(numbers)-1]+1 {
			numbers, payloads = nil, nil // only what has no gaps is of use
		}
		numbers, payloads = append(numbers, n), append(payloads, slices.Clone(meta.Value))
	}
	if len(numbers) == 0 {
		return m.expectForeign()
	}
	m.foreign.first, m.foreign.until = numbers[0], logTicks
	if numbers[len(numbers)-1] == m.clones.Seq() {
		m.clones.Restore(payloads)
	}
	return nil
}

// expectForeign keeps what comes from now on for foreign clones that attached before the start, if there are any: nothing has happened
// since they did, and others may write before they say where they are.
func (m *Master) expectForeign() error {
	for meta, err := range m.be.Metas(metaWriter) {
		if err != nil {
			return err
		}
		if s, ok := parseWriter(meta.Value); ok && !s.own {
			m.foreign.until = logTicks
			m.clones.Restore(nil)
			return nil
		}
	}
	return nil
}

// logs tells whether commands have to be kept for foreign clones.
func (m *Master) logs() bool {
	return m.clones.Len() > len(m.own.clones) || m.tick < m.foreign.until
}

// keepLog writes the commands of the transaction into it, and forgets what is too old or not needed any more.
func (m *Master) keepLog() error {
	f := &m.foreign
	if !m.logs() {
		clear(f.entries)
		f.entries = f.entries[:0]
		return m.forgetLog(m.history.sequence + 1)
	}
	if len(f.entries) > maxLog {
		f.entries = f.entries[len(f.entries)-maxLog:]
	}
	for _, e := range f.entries {
		if f.first == 0 {
			f.first = e.number
		}
		if err := m.be.SetMeta(logName(e.number), e.payload); err != nil {
			return err
		}
	}
	if n := len(f.entries); n > 0 && f.entries[n-1].number > maxLog {
		if err := m.forgetLog(f.entries[n-1].number - maxLog + 1); err != nil {
			return err
		}
	}
	clear(f.entries)
	f.entries = f.entries[:0]
	return nil
}

// forgetLog removes the commands before a number.
func (m *Master) forgetLog(before uint64) error {
	f := &m.foreign
	for ; f.first > 0 && f.first < before; f.first++ {
		m.dirty = true
		if err := m.be.SetMeta(logName(f.first), nil); err != nil {
			return err
		}
	}
	if f.first > m.clones.Seq() {
		f.first = 0
	}
	return nil
}

// adoptClone takes back a foreign clone that follows this master, which doesn't know it: the master was started anew, or has given the
// clone up. It goes on where it was if what it lacks is there; otherwise nothing can help it but being attached anew.
func (m *Master) adoptClone(msg command.Message, n uint64) bool {
	f, clone := &m.foreign, msg.Sender
	if msg.Receiver != m.id || n == 0 {
		return false
	}
	if m.clones.AttachAt(clone, n) {
		m.log.Info("a clone that was attached before goes on", "clone", clone.String(), "number", n, "lacks", m.clones.Seq()-n)
		delete(f.stranded, clone)
		return true
	}
	if _, known := f.stranded[clone]; !known {
		if len(f.stranded) >= maxPeers {
			return false
		}
		m.log.Error("a clone of another kind can't go on with this master; it has to be attached anew", "clone", clone.String(), "number", n)
	}
	f.stranded[clone] = m.tick
	return false
}

// strandedClones are those that spoke lately.
func (m *Master) strandedClones() []data.EntityID {
	var all []data.EntityID
	for clone, seen := range m.foreign.stranded {
		if known, _ := m.clones.Has(clone); known || m.tick-seen >= strandedTicks {
			delete(m.foreign.stranded, clone)
			continue
		}
		all = append(all, clone)
	}
	slices.SortFunc(all, func(a, b data.EntityID) int { return strings.Compare(a.String(), b.String()) })
	return all
}
