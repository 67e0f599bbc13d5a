// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

const (
	// metaRuns is where a master keeps its starts: (run u64, number at the start u64) for each, the oldest first.
	metaRuns = "runs"
	maxRuns  = 64
	// tellTicks is how often clones of our kind get a keepalive in any case.
	tellTicks = 50
	// bundleBytes bounds the events that go into one message.
	bundleBytes = 64 << 10
)

// own is what a master keeps for clones of its own kind, which showed themselves by a trailer.
type own struct {
	// position is what the master has. runs are its starts, this one last.
	position command.Position
	runs     []run
	// runKept tells that this start is in the database, or will be with the next commit.
	runKept bool
	// clones are those attached, whether they know it already or not.
	clones    map[data.EntityID]struct{}
	transfers map[data.EntityID]*transfer
	group     sync.WaitGroup
	// touched are the writers to be told of outcomes after the commit, executed those whose writes are in the transaction.
	touched   map[data.EntityID]struct{}
	executed  map[data.EntityID]*writer
	bundle    [][]byte
	receivers []data.EndpointID
	// ask tells that somebody waits for acks.
	ask bool
	// writersSince is the epoch from which on the database knows all writers.
	writersSince uint64
}

// run is one start of a master: its ID and the number that the history had reached then. What an earlier run said beyond that number
// was lost with it.
type run struct{ id, start uint64 }

func newOwn(h history) own {
	return own{
		position: command.Position{History: command.History(h.id), Epoch: h.epoch, Volatile: h.volatile},
		clones:   map[data.EntityID]struct{}{}, transfers: map[data.EntityID]*transfer{},
		writersSince: h.writersSince,
		touched:      map[data.EntityID]struct{}{}, executed: map[data.EntityID]*writer{},
	}
}

// loadRuns reads the starts so far and adds this one, which is kept with the next commit.
func (m *Master) loadRuns() error {
	b, err := m.be.Meta(metaRuns)
	if err != nil {
		return err
	}
	o := &m.own
	for ; len(b) >= 16; b = b[16:] {
		o.runs = append(o.runs, run{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])})
	}
	o.position.Run = rand.Uint64() | 1
	o.runs = append(o.runs, run{o.position.Run, m.clones.Seq()})
	if len(o.runs) > maxRuns {
		o.runs = o.runs[len(o.runs)-maxRuns:]
	}
	return m.be.SetMeta(metaRuns, encodeRuns(o.runs))
}

func encodeRuns(runs []run) []byte {
	var encoded []byte
	for _, r := range runs {
		encoded = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(encoded, r.id), r.start)
	}
	return encoded
}

// continues tells whether what a clone has is a beginning of what the master has: it comes from a run since which nothing was lost
// before its number.
func (o *own) continues(t *command.Trailer) bool {
	if t.History != o.position.History || t.Epoch > o.position.Epoch || t.Number == 0 {
		return false
	}
	for i := len(o.runs) - 1; i >= 0; i-- {
		if o.runs[i].id == t.Run {
			return true
		}
		if t.Number > o.runs[i].start {
			return false
		}
	}
	return false
}

// isOwn tells whether a nack is the request of a clone of our kind to be attached.
func isOwn(msg command.Message, seqs []uint64) bool {
	return msg.Trailer != nil && msg.Trailer.Features&command.FeatureParts != 0 && len(seqs) == 1 && seqs[0] == 0
}

// attachOwn answers a clone of our kind that wants to follow: it goes on where it was, or gets a snapshot.
func (m *Master) attachOwn(msg command.Message) {
	o, t, clone := &m.own, msg.Trailer, msg.Sender
	if t.History == o.position.History {
		m.fence(t.Epoch) // it has followed a later master
	}
	switch tr := o.transfers[clone]; {
	case m.rivals.fenced > m.history.epoch:
		return // there is a better one
	case t.History != (command.History{}) && t.History != o.position.History && t.Flags&(command.FlagAdopt|command.FlagVolatile) == 0:
		m.sendTo(clone, &command.OtherHistory{Number: m.clones.Seq(), Position: o.position})
		return
	case tr != nil && !tr.over.Load():
		tr.poke()
		return
	}
	m.clones.Detach(clone)
	m.dirty = m.dirty || !o.runKept
	o.runKept = true
	if o.continues(t) && m.clones.AttachAt(clone, t.Number) {
		o.clones[clone] = struct{}{}
		m.sendTo(clone, &command.Resume{Offset: t.Number, Interval: channel.DefaultHeartbeat, Position: o.position})
		m.sendToClones(channel.Message{Kind: channel.Heartbeat, To: clone, Seq: m.clones.Seq()}) // so that it knows what it lacks
		return
	}
	m.startTransfer(clone)
}

// forgetOwn forgets a clone that the channel has given up.
func (m *Master) forgetOwn(clone data.EntityID) {
	delete(m.own.clones, clone)
	if tr := m.own.transfers[clone]; tr != nil {
		tr.cancel()
	}
}

// tellStranger tells a clone of our kind that follows this master that it does not: it was forgotten, or comes from an earlier run.
func (m *Master) tellStranger(msg command.Message) {
	m.sendTo(msg.Sender, &command.UnknownClone{Position: m.own.position})
}

// trailerFor is what goes with a keepalive to a clone: nothing if it is foreign.
func (m *Master) trailerFor(clone data.EntityID) *command.Trailer {
	if _, ok := m.own.clones[clone]; !ok {
		return nil
	}
	p := m.own.position
	t := &command.Trailer{
		Features: features, History: p.History, Epoch: p.Epoch, Run: p.Run, Number: m.clones.Seq(),
		Foreign: uint64(m.clones.Len() - len(m.own.clones)),
	}
	if m.rivals.fenced > m.history.epoch {
		t.Flags = command.FlagFenced
	}
	return t
}

// askOwn sends a heartbeat to all clones of our kind, which answer with an ack if they have everything.
func (m *Master) askOwn() {
	for clone := range m.own.clones {
		m.sendToClones(channel.Message{Kind: channel.Heartbeat, To: clone, Seq: m.clones.Seq()})
	}
}

// features are those of masters and clones of this package.
const features = command.FeatureParts | command.FeatureResults

// sendEvents sends consecutive events to all clones: in bundles if there are several and no clone is foreign.
func (m *Master) sendEvents(events []channel.Message) {
	if len(events) == 1 || len(m.own.clones) < m.clones.Len() {
		for _, msg := range events {
			m.send(msg.To.Endpoint, msg.Payload)
		}
		return
	}
	for len(events) > 0 {
		n, bytes := 0, 0
		m.own.bundle = m.own.bundle[:0]
		for n < len(events) && n < command.MaxBundle && (n == 0 || bytes+len(events[n].Payload) <= bundleBytes) {
			bytes += len(events[n].Payload)
			m.own.bundle = append(m.own.bundle, events[n].Payload)
			n++
		}
		payload := command.AppendBundle(make([]byte, 0, bytes+64), events[0].Seq, m.id, data.EntityID{}, m.own.bundle)
		m.sendEach(payload)
		clear(m.own.bundle)
		events = events[n:]
	}
}

// eachBus is what a Bus may offer besides: to send a command to several endpoints for less than one SendCommand for each.
type eachBus interface {
	SendCommandEach(topic string, receivers []data.EndpointID, payload []byte) error
}

// sendEach sends a payload to all clones of our kind.
func (m *Master) sendEach(payload []byte) {
	bus, ok := m.bus.(eachBus)
	if !ok || len(m.own.clones) == 1 {
		for clone := range m.own.clones {
			m.send(clone.Endpoint, payload)
		}
		return
	}
	to := m.own.receivers[:0]
	for clone := range m.own.clones {
		to = append(to, clone.Endpoint)
	}
	m.own.receivers = to
	if err := bus.SendCommandEach(m.topic, to, payload); err != nil {
		m.log.Debug("a command was not sent to all clones", "bytes", len(payload), "error", err)
	}
}
