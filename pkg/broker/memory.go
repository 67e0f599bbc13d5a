// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// Account is a part of an endpoint's memory, see Endpoint.Account.
type Account = peering.Account

// Account makes something that keeps messages count as a part of Options.MemoryLimit. Its owner says with Add or Set how much it holds,
// calls Check before it takes more, and Leave in the end. shed is called when it holds much and the limit is reached: it should give up
// about so many bytes, or can't. It may come from any goroutine, also from one that calls Check, and answers whether something was given up.
func (e *Endpoint) Account(shed func(bytes int64) bool) *Account { return e.memory.Join(shed) }

// AccountHistory makes the history of a store count as a part of Options.MemoryLimit, as Account does. When the limit is reached
// histories give up what they keep for others before any queue does what its policy says: what they lose can be had again.
func (e *Endpoint) AccountHistory(shed func(bytes int64) bool) interface {
	Add(bytes int64)
	Check()
	Leave()
} {
	return e.memory.JoinFirst(shed)
}

func (e *Endpoint) newMemory() *peering.Memory {
	m := peering.NewMemory(int64(e.opt.MemoryLimit))
	m.Reached = func() {
		e.counters.tight.log(func() {
			e.log.Warn("the memory limit was reached", "limit", m.Limit(), "times", m.Relieved())
		})
	}
	return m
}

// shed is told what the peer has lost because the endpoint's memory is used up.
func (p *peer) shed(messages int, overflow bool) {
	p.drop(DropPeerQueue, uint64(messages))
	if overflow {
		p.Fail(&peering.Error{Class: peering.Overflow, Peer: p.Peer, Text: "the endpoint's memory is used up, and this peer holds the most of it"})
		return
	}
	p.tellDrops()
}

// shed gives up about so many bytes. Who has asked to lose nothing gives up nothing: nothing more is taken from the peers until there is
// room.
func (s *Subscriber) shed(bytes int64) bool {
	if s.limit.Overflow == OverflowWait {
		return false
	}
	var dropped uint64
	s.mu.Lock()
	for bytes > 0 && s.mu.n > 0 {
		had := s.mu.bytes
		if s.limit.Overflow == OverflowDropNewest {
			s.popNewestLocked()
		} else {
			var one [1]Message
			s.takeLocked(one[:]) // with flow control the origins may send others instead
		}
		bytes -= int64(had - s.mu.bytes)
		dropped++
	}
	s.mu.dropped += dropped
	s.mu.counted = s.account.Set(s.mu.counted, s.mu.bytes)
	s.mu.Unlock()
	s.e.counters.drop(DropSubscriber, dropped)
	return dropped > 0
}

func (s *Subscriber) popNewestLocked() {
	s.mu.n--
	m := &s.mu.ring[(s.mu.head+s.mu.n)%len(s.mu.ring)]
	size := m.size()
	s.mu.bytes -= size
	*m = Message{}
	s.takenLocked(1, size)
}
