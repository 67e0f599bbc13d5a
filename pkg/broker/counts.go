// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"sync/atomic"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Tally counts messages and their bytes, framing included.
type Tally = peering.Tally

// LaneStats are the exact figures of data messages, or of commands of stores, on their way to peers: what was queued was written,
// dropped, or is still queued.
type LaneStats = peering.LaneStats

// OtherTopics is the key of topics that are not told apart in counts by topic.
const OtherTopics = peering.OtherTopics

// counts are what the two ends of a connection tell each other in pings: how many data messages and commands they have received.
type counts struct {
	received  atomic.Uint64 // here; the reading goroutine writes it
	told      atomic.Uint64 // to the peer
	confirmed atomic.Uint64 // by the peer
}

// tellCount sends a ping that says how much has been received.
func (p *peer) tellCount() {
	p.control(p.frame(wire.TypePing, p.countPing()))
}

func (p *peer) countPing() []byte {
	n := p.counts.received.Load()
	p.counts.told.Store(n)
	payload := wire.AppendCount(nil, randomNonce(), n)
	p.rtt.sent(payload)
	return payload
}

// counted takes what a ping of the peer says, and tells the own count if it is news. A ping that carries a count is no question, else the
// two ends would go on for ever.
func (p *peer) counted(payload []byte) {
	p.counts.received.Store(p.in.arrived)
	if !p.is.Load().counts {
		return
	}
	if n, ok := wire.ParseCount(payload); !ok {
		if p.counts.news() {
			p.tellCount()
		}
	} else if n > p.counts.confirmed.Load() {
		p.counts.confirmed.Store(n)
	}
}

// news tells whether the peer has not heard of all that was received.
func (c *counts) news() bool { return c.received.Load() != c.told.Load() }

// confirmed is how many messages the peer has received, as far as it has said so: not more than have been written, whatever it says.
func (p *peer) confirmed(written uint64) uint64 { return min(p.counts.confirmed.Load(), written) }

// carried is what went over a connection, or over several.
type carried struct {
	data, commands LaneStats
	received       uint64
	confirmed      uint64
	inDoubt        uint64
	topics         peering.TopicDrops
}

// carried are the figures of the connection. Only when it has ended is anything in doubt.
func (p *peer) carried(ended bool) carried {
	st := p.Queue.Stats()
	c := carried{data: st.Data, commands: st.Commands, received: p.counts.received.Load(), confirmed: p.confirmed(st.Written)}
	if p.Local() {
		c.confirmed = st.Written // nothing is lost on the way
	}
	if ended && p.is.Load().counts {
		c.inDoubt = st.Written - c.confirmed
	}
	c.topics.Add(p.Queue.TopicDrops())
	return c
}

func (c *carried) add(o *carried) {
	c.data, c.commands = c.data.Plus(o.data), c.commands.Plus(o.commands)
	c.received += o.received
	c.confirmed += o.confirmed
	c.inDoubt += o.inDoubt
	c.topics.Add(o.topics.Counts())
}
