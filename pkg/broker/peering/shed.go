// SPDX-License-Identifier: Apache-2.0

package peering

// Account makes what the link holds count as a part of a memory; it comes before the link is used, and LeaveMemory after it. When the
// memory is used up and the link holds the most, its queue does what its policy says. shed is told how many messages that cost; overflow
// that the connection has to be ended.
func (l *Link) Account(m *Memory, shed func(messages int, overflow bool)) {
	l.Queue.memory = m
	account := m.Join(func(bytes int64) bool {
		messages, overflow := l.Queue.shed(bytes)
		if messages > 0 || overflow {
			shed(messages, overflow)
		}
		return messages > 0
	})
	l.Queue.account = account
	for _, lane := range []*lane{&l.Queue.mu.control, &l.Queue.mu.command, &l.Queue.mu.data} {
		lane.account = account
	}
	if l.reader == nil {
		return
	}
	l.reader.account = m.Join(func(int64) bool {
		if l.reader.partial.Load() > largeFrame {
			shed(0, true)
			l.reader.account.Leave() // it ends with its goroutine
			return true
		}
		l.reader.spare.Store(true)
		return false // its goroutine does it when it can
	})
	l.reader.account.Add(int64(len(l.reader.buf)))
}

// LeaveMemory ends the accounts.
func (l *Link) LeaveMemory() {
	l.Queue.account.Leave()
	if l.reader != nil {
		l.reader.account.Leave()
	}
}

// shed gives up about so many bytes, or everything if the policy is to disconnect. It answers how many messages that cost.
func (q *Queue) shed(bytes int64) (messages int, overflow bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.mu.data.msgs + q.mu.command.msgs
	switch {
	case q.mu.closed || before == 0:
		return 0, false
	case q.limit.Overflow == Disconnect:
		q.overflowLocked()
		return before - q.mu.command.msgs, true
	}
	for _, l := range []*lane{&q.mu.data, &q.mu.command} {
		for l.msgs > 0 && bytes > 0 {
			had := l.bytes
			if q.limit.Overflow == DropNewest {
				l.dropLast(&q.mu.topics)
			} else {
				l.dropFirst(&q.mu.topics)
			}
			bytes -= int64(had - l.bytes)
		}
	}
	q.clampLocked()
	q.roomLocked()
	return before - q.mu.data.msgs - q.mu.command.msgs, false
}

// dropLast discards the newest chunk and counts its frames. They count as if they had never been appended, so that what was to go out
// behind them is not held back: see clampLocked.
func (l *lane) dropLast(d *TopicDrops) {
	k := len(l.chunks) - 1
	c := l.chunks[k]
	size := 0
	for inline, n := range c.frames {
		d.drop(inline[4:])
		size += n
	}
	l.book.dropped.add(c.msgs, size)
	l.book.refused += uint64(c.msgs)
	l.in -= uint64(c.msgs)
	l.msgs -= c.msgs
	l.bytes -= size
	c.free()
	l.chunks[k] = nil
	l.chunks = l.chunks[:k]
	l.cut()
}

// clampLocked lets nobody wait for frames that are no more.
func (q *Queue) clampLocked() {
	control, data, command := q.mu.control.in, q.mu.data.in, q.mu.command.in
	for i := range q.mu.links.waiting {
		w := &q.mu.links.waiting[i]
		w.data, w.command = min(w.data, data), min(w.command, command)
	}
	for i := range q.mu.last {
		d := &q.mu.last[i]
		d.data, d.command = min(d.data, data), min(d.command, command)
	}
	for i := range q.mu.flushes {
		f := &q.mu.flushes[i]
		f.control, f.data, f.command = min(f.control, control), min(f.data, data), min(f.command, command)
	}
}
