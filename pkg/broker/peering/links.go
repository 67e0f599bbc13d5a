// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"math"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// How much link state may wait.
const (
	maxLinks     = 16384
	maxLinkBytes = 64 << 20
)

// links is the link state that waits in a queue.
type links struct {
	waiting []linkFrame
	bytes   int
	counted int                     // of bytes, by the account
	at      map[data.EndpointID]int // last place of each node in waiting
}

// linkFrame is a link state, as a frame. data and command are how many frames had been queued when it came. With behind it goes out
// after those and before the later ones; else as soon as possible.
type linkFrame struct {
	node          data.EndpointID
	frame         []byte
	behind        bool
	data, command uint64
}

// LinkState queues the link state of a node, as a frame. It goes out before data and commands, and always before those that are queued
// after it. With behind, for news that a connection has ended, what was queued before stays in front of it: messages that went along
// the connection while it was up arrive before the news that would make the receiver refuse them. What still waits of the same node is
// replaced, unless messages have been queued since that may need to come between the two.
func (q *Queue) LinkState(node data.EndpointID, frame []byte, behind bool) Result {
	q.mu.Lock()
	defer q.unlockAndWake(true)
	if q.mu.closed {
		return Closed
	}
	l := &q.mu.links
	if l.bytes += len(frame); len(l.waiting) >= maxLinks || l.bytes > maxLinkBytes {
		return Overflowed
	}
	i, ok := l.at[node]
	if ok && behind && (l.waiting[i].data != q.mu.data.in || l.waiting[i].command != q.mu.command.in) {
		ok = false
	}
	if !ok {
		if l.at == nil {
			l.at = make(map[data.EndpointID]int)
		}
		i = len(l.waiting)
		l.at[node] = i
		l.waiting = append(l.waiting, linkFrame{node: node, data: q.mu.data.in, command: q.mu.command.in})
	}
	w := &l.waiting[i]
	l.bytes -= len(w.frame)
	w.frame = frame
	l.counted = q.account.Set(l.counted, l.bytes)
	if behind && !w.behind {
		w.behind = true
		q.mu.data.cut()
		q.mu.command.cut()
	}
	return Queued
}

// readyLinksLocked moves the link state that may go out now to the batch.
func (q *Queue) readyLinksLocked(b *batch) {
	l := &q.mu.links
	if len(l.waiting) == 0 {
		return
	}
	kept := l.waiting[:0]
	clear(l.at)
	for _, w := range l.waiting {
		if w.behind && (q.mu.data.out < w.data || q.mu.command.out < w.command) {
			l.at[w.node] = len(kept)
			kept = append(kept, w)
			continue
		}
		b.add(w.frame)
		l.bytes -= len(w.frame)
	}
	clear(l.waiting[len(kept):])
	l.waiting = kept
	l.counted = q.account.Set(l.counted, l.bytes)
}

// barrier tells up to which frame the lanes may go out before link state that waits.
func (l *links) barrier() (data, command uint64) {
	data, command = math.MaxUint64, math.MaxUint64
	for i := range l.waiting {
		data, command = min(data, l.waiting[i].data), min(command, l.waiting[i].command)
	}
	return data, command
}
