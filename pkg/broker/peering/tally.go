// SPDX-License-Identifier: Apache-2.0

package peering

// Tally counts messages and their bytes, framing included.
type Tally struct{ Messages, Bytes uint64 }

func (t *Tally) add(messages, bytes int) {
	t.Messages += uint64(messages)
	t.Bytes += uint64(bytes)
}

// Plus is the sum of two tallies.
func (t Tally) Plus(o Tally) Tally { return Tally{t.Messages + o.Messages, t.Bytes + o.Bytes} }

// LaneStats are the figures of one lane of a queue, which are exact: Queued is the sum of the others at any time.
type LaneStats struct {
	// Queued is all that came: what a full queue refused as well, but nothing that came after Seal or Close.
	Queued Tally
	// Written was given to the operating system, or to the other end of a link within the process.
	Written Tally
	// Dropped was refused or discarded by the policy, or waited or was being written when the connection ended.
	Dropped Tally
	// Waiting and Writing are still queued: Writing is in the hands of the writer.
	Waiting, Writing Tally
}

// Plus is the sum of the figures of two lanes.
func (s LaneStats) Plus(o LaneStats) LaneStats {
	return LaneStats{
		s.Queued.Plus(o.Queued), s.Written.Plus(o.Written), s.Dropped.Plus(o.Dropped), s.Waiting.Plus(o.Waiting), s.Writing.Plus(o.Writing),
	}
}

// Still is what is queued and not written yet.
func (s LaneStats) Still() Tally { return s.Waiting.Plus(s.Writing) }

// Stats are the figures of a queue. Control frames are not counted.
type Stats struct {
	Messages, Bytes  int // waiting, those apart that are being written
	Dropped, Written uint64
	// Data and Commands are the same for each lane.
	Data, Commands LaneStats
}

// Stats reads the figures.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	d, c := q.mu.data.stats(), q.mu.command.stats()
	return Stats{
		Messages: q.mu.data.msgs + q.mu.command.msgs, Bytes: q.mu.data.bytes + q.mu.command.bytes,
		Dropped: d.Dropped.Messages + c.Dropped.Messages, Written: d.Written.Messages + c.Written.Messages,
		Data: d, Commands: c,
	}
}

// ledger is what has become of the frames of a lane that don't wait any more. It belongs to the queue's lock. What has come is not
// counted for each frame: its number is that of the frames that were appended, and its bytes follow from the rest.
type ledger struct {
	written, dropped, writing Tally
	refused                   uint64 // messages that were dropped before they were appended
}

func (l *lane) stats() LaneStats {
	s := LaneStats{
		Written: l.book.written, Dropped: l.book.dropped, Writing: l.book.writing,
		Waiting: Tally{uint64(l.msgs), uint64(l.bytes)},
	}
	s.Queued = Tally{l.in + l.book.refused, s.Written.Bytes + s.Dropped.Bytes + s.Writing.Bytes + s.Waiting.Bytes}
	return s
}

// refuse counts a frame that is not queued.
func (l *lane) refuse(size int) {
	l.book.refused++
	l.book.dropped.add(1, size)
}

// settle counts what the writer had as written, but for what is lost of it.
func (b *ledger) settle(lost Tally) {
	b.written.Messages += b.writing.Messages - lost.Messages
	b.written.Bytes += b.writing.Bytes - lost.Bytes
	b.dropped = b.dropped.Plus(lost)
	b.writing = Tally{}
}

// lost counts what was taken last and could not be written: the connection has taken the first n bytes. A frame of which it has taken
// only a part is lost, since nobody can receive it.
func (q *Queue) lost(b *batch, n int64) {
	var lost [lanes]Tally
	var topics TopicDrops
	for _, t := range b.taken {
		end := int64(t.at)
		for inline, size := range t.c.frames {
			if end += int64(size); end > n && t.from != laneControl {
				lost[t.from].add(1, size)
				topics.drop(inline[4:])
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.data.book.settle(lost[LaneData])
	q.mu.command.book.settle(lost[LaneCommand])
	q.mu.topics.merge(&topics)
	b.reset()
}

// mourn counts the topics of frames that were discarded together, which is too much work for the lock of a queue in use.
func (q *Queue) mourn(dead []*chunk) {
	if len(dead) == 0 {
		return
	}
	var topics TopicDrops
	for _, c := range dead {
		for inline := range c.frames {
			topics.drop(inline[4:])
		}
		c.free()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.topics.merge(&topics)
}
