// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

const (
	// metaFencedFor is for which handover a master gave its store up: (handover u64, number u64).
	metaFencedFor = "fenced-for"
	// freezePatience is how long a master stays frozen without a word, freezeLimit how long in all.
	freezePatience = 5 * time.Second
	freezeLimit    = 2 * time.Minute
	// fewEntries are so few that their checksum holds nobody up.
	fewEntries = 10_000
	// maxEnded is how many handovers a master remembers that came to nothing, so that a message that was late does not begin them anew.
	maxEnded = 16
)

// handing is the master's side of a handover. The master alone decides: a handover is done when the fence is committed, and void
// when the master has executed a write after it was frozen. It is never both, because a frozen master executes nothing, and a fenced
// one nothing any more.
type handing struct {
	// id is the handover under way, 0: none; since when it is, and when its target was last heard of.
	id          uint64
	target      data.EntityID
	since, word time.Time
	number      uint64
	parts       [][]command.NamedValue
	// held are the writes that wait, thawed those that the group has carried out after all.
	held, thawed []item
	ended        []uint64
	// done is the handover by which the store was given up at doneAt, 0: none.
	done, doneAt uint64
	replies      []handoverReply
}

// handoverReply is what a target has to be told after the commit.
type handoverReply struct {
	to   data.EntityID
	body command.Handover
	// phase and reason are those of a refusal.
	phase  command.HandoverPhase
	reason string
}

// frozen tells whether writes wait.
func (h *handing) frozen() bool { return h.id != 0 }

// hold keeps a write or a batch until the handover is over.
func (m *Master) hold(it *item) {
	m.handing.held = append(m.handing.held, *it)
	m.in.keep(it.bytes)
	it.pending = nil
}

// gaveUp tells whether the store was handed over to somebody.
func (m *Master) gaveUp() bool { return m.handing.done != 0 && m.rivals.fenced > m.history.epoch }

// onHandover takes what the target of a handover wants.
func (m *Master) onHandover(msg command.Message, body *command.Handover) {
	if !msg.Receiver.IsZero() && msg.Receiver.Object != m.id.Object {
		return // it was for an earlier master here
	}
	h, r := &m.handing, handoverReply{to: msg.Sender, body: *body}
	current := h.id != 0 && h.id == body.Handover
	if current {
		h.word = time.Now()
	}
	switch body.Step {
	case command.HandoverHold:
		if !current && body.Epoch == 0 && !m.gaveUp() { // a target's first question
			m.expectHandover()
		}
	case command.HandoverFreeze:
		if !current && !(m.gaveUp() && h.done == body.Handover) {
			r.phase, r.reason = m.freeze(msg.Sender, body)
		}
	case command.HandoverEqual:
		if current {
			m.giveUp(body)
		}
	case command.HandoverCancel:
		if current {
			m.thaw("it was called off")
		}
		if !h.frozen() {
			m.endSum()
		}
		if !slices.Contains(h.ended, body.Handover) {
			h.end(body.Handover)
		}
	}
	h.replies = append(h.replies, r)
}

// expectHandover begins what takes long, so that writes need not wait for it once the store is frozen.
func (m *Master) expectHandover() {
	if m.failed == nil && m.rivals.refusing == nil {
		if err := m.beginSum(); err != nil {
			m.fail(err)
		}
	}
}

// freeze stops the execution of writes for a handover, or says why not.
func (m *Master) freeze(target data.EntityID, body *command.Handover) (command.HandoverPhase, string) {
	h := &m.handing
	if h.frozen() && target.Endpoint == h.target.Endpoint && !slices.Contains(h.ended, body.Handover) {
		m.thaw("its target begins anew")
	}
	switch foreign := m.foreignClones(); {
	case slices.Contains(h.ended, body.Handover), body.History != m.own.position.History, body.Epoch <= m.history.epoch:
		return command.HandoverVoid, ""
	case m.rivals.refusing != nil:
		return command.HandoverRefused, m.status.Conflict
	case h.frozen():
		return command.HandoverRefused, "another handover is under way"
	case m.lapsed:
		return command.HandoverRefused, "its lease ended while it was writing"
	case len(foreign) > 0 && body.Flags&command.HandoverStrand == 0:
		return command.HandoverForeign, strings.Join(foreign, ", ")
	}
	err := m.beginSum()
	if err == nil {
		m.commit() // the parts are of the last commit
		err = m.failed
	}
	if err == nil {
		h.parts, err = m.handoverParts()
	}
	if err != nil {
		m.fail(err)
		return command.HandoverRefused, err.Error()
	}
	now := time.Now()
	h.id, h.target, h.since, h.word, h.number = body.Handover, target, now, now, m.clones.Seq()
	m.own.ask = true // so that clones know what they lack
	m.log.Info("frozen to hand the store over", "number", h.number, "epoch", body.Epoch)
	return 0, ""
}

// foreignClones are the clones of another kind.
func (m *Master) foreignClones() []string {
	var all []string
	for clone := range m.clones.Consumers() {
		if _, own := m.own.clones[clone]; !own {
			all = append(all, clone.String())
		}
	}
	return all
}

// handoverParts are the metas that go along with the entries.
func (m *Master) handoverParts() ([][]command.NamedValue, error) {
	values := []command.NamedValue{
		{Name: metaRuns, Value: encodeRuns(m.own.runs)}, {Name: metaWritersSince, Value: number(m.own.writersSince)},
	}
	var parts [][]command.NamedValue
	bytes := 0
	for meta, err := range m.be.Metas(metaWriter) {
		if err != nil {
			return nil, err
		}
		if size := len(meta.Name) + len(meta.Value) + 8; bytes+size > partBytes || len(values) >= command.MaxValues {
			parts, values, bytes = append(parts, values), nil, 0
		}
		bytes += len(meta.Name) + len(meta.Value) + 8
		values = append(values, command.NamedValue{Name: meta.Name, Value: slices.Clone(meta.Value)})
	}
	return append(parts, values), nil
}

// giveUp gives the store up for ever if the target has what the master has. It counts when the group is committed.
func (m *Master) giveUp(body *command.Handover) {
	h := &m.handing
	if !m.sum.ready.Load() || m.sum.err != nil || body.Number != h.number || body.Epoch <= m.history.epoch || m.rivals.refusing != nil {
		return
	}
	if sum, _ := m.sum.total(); body.Sum != sum {
		return
	}
	if err := m.be.SetMeta(metaFencedFor, append(number(h.id), number(h.number)...)); err != nil {
		m.fail(err)
		return
	}
	for clone := range m.clones.Consumers() {
		if _, own := m.own.clones[clone]; !own && len(m.foreign.stranded) < maxPeers {
			m.foreign.stranded[clone] = m.tick
		}
	}
	h.done, h.doneAt = h.id, h.number
	m.fence(body.Epoch)
	m.thaw("it is done")
	m.own.ask = true // clones learn of it by a keepalive
}

// thaw ends a handover. The writes that waited are carried out, or refused if the store was given up.
func (m *Master) thaw(why string) {
	h := &m.handing
	if !h.frozen() {
		return
	}
	m.log.Info("the handover is over", "reason", why, "writes that waited", len(h.held))
	h.end(h.id)
	held := h.held
	h.id, h.parts, h.held = 0, nil, nil
	m.in.keep(0)
	for i := range held {
		m.handle(&held[i])
	}
	h.thawed = append(h.thawed, held...)
}

// end remembers a handover that is over.
func (h *handing) end(id uint64) {
	if h.ended = append(h.ended, id); len(h.ended) > maxEnded {
		h.ended = h.ended[1:]
	}
}

// tickHandover ends a handover of which nothing is heard, or which takes too long.
func (m *Master) tickHandover(now time.Time) {
	h := &m.handing
	switch {
	case !h.frozen():
		if m.sum != nil && now.Sub(m.sum.word) >= sumPatience {
			m.endSum()
		}
	case now.Sub(h.word) >= freezePatience:
		m.thaw("its target is silent")
	case now.Sub(h.since) >= freezeLimit:
		m.thaw("it takes too long")
	case m.rivals.refusing != nil:
		m.thaw("there is another master")
	}
}

// answerTargets tells targets of handovers where these stand, after the commit.
func (m *Master) answerTargets() {
	h := &m.handing
	for i := range h.replies {
		r := &h.replies[i]
		if r.body.Step == command.HandoverFetch && h.id == r.body.Handover && int64(r.body.Part) < int64(len(h.parts)) {
			m.sendTo(r.to, &command.HandoverPart{Handover: h.id, Part: r.body.Part, Values: h.parts[r.body.Part]})
			continue
		}
		m.sendTo(r.to, m.handoverState(r))
	}
	clear(h.replies)
	h.replies = h.replies[:0]
}

func (m *Master) handoverState(r *handoverReply) *command.HandoverState {
	h := &m.handing
	s := &command.HandoverState{Handover: r.body.Handover, Phase: command.HandoverVoid, Position: m.own.position}
	switch {
	case m.gaveUp() && h.done == r.body.Handover:
		s.Phase, s.Number, s.Epoch = command.HandoverDone, h.doneAt, m.rivals.fenced
	case h.id == r.body.Handover && h.frozen():
		s.Phase, s.Number, s.Patience, s.Parts = command.HandoverFreezing, h.number, uint32(freezePatience/time.Millisecond), uint32(len(h.parts))
		if m.sum.ready.Load() {
			s.Phase = command.HandoverFrozen
			s.Sum, s.Entries = m.sum.total()
			if m.sum.err != nil {
				s.Phase, s.Reason = command.HandoverRefused, fmt.Sprintf("its content can't be read: %v", m.sum.err)
			}
		}
	case r.phase != 0:
		s.Phase, s.Reason = r.phase, r.reason
	}
	return s
}

// loadHandover reads whether the store was handed over.
func (m *Master) loadHandover() error {
	raw, err := m.be.Meta(metaFencedFor)
	if err == nil && len(raw) == 16 {
		m.handing.done, m.handing.doneAt = binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:])
	}
	return err
}
