// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// ErrLost is the answer to a write that a master of our kind did not get, because an earlier state of it came back.
var ErrLost = errors.New("store: the master came back without the write")

// ErrFenced is the answer to a write at a master that must not write: another one has taken over, or there are two of them.
var ErrFenced = errors.New("store: another master of the store is there, this one does not write")

// errFrozen is why a master executes nothing while it hands its store over. Nobody is answered that: such writes wait.
var errFrozen = errors.New("store: the store is being handed over")

// manyOutcomes is how many outcomes make a clone say at once that it has them.
const manyOutcomes = 64

// writerMemory is how long masters remember the writers of their own kind.
const writerMemory = 24 * time.Hour

// outcomeErrors are the errors that have a number of their own on the wire. Codes of the reference stand for themselves.
var outcomeErrors = map[code.Code]error{
	command.OutcomeNot: ErrConditionFailed, command.OutcomeFenced: ErrFenced, command.OutcomeTooLarge: ErrTooLarge,
	command.OutcomeFull: ErrFull, command.OutcomeLost: ErrLost, command.OutcomeNoLease: ErrNoLease,
}

// outcomeOf is the number of an error, and false for none.
func outcomeOf(err error) (code.Code, bool) {
	if err == nil {
		return 0, false
	}
	for number, known := range outcomeErrors {
		if errors.Is(err, known) {
			return number, true
		}
	}
	var c code.Code
	if errors.As(err, &c) {
		return c, true
	}
	return code.Unspecified, true
}

// outcomeError is the error of a number.
func outcomeError(number code.Code) error {
	if err, ok := outcomeErrors[number]; ok {
		return err
	}
	return number
}

// trailer is what goes with the control commands of the channel of writes: nothing to a foreign master but what the clone is.
func (w *writes) trailer() *command.Trailer {
	if !w.own {
		return nil
	}
	return &command.Trailer{
		Features: features, History: w.position.History, Epoch: w.position.Epoch, Number: w.producer.Seq(), Settled: w.settled,
	}
}

// tellWriter tells the master what the clone knows of its writes: to be known again, or so that it forgets outcomes.
func (c *Clone) tellWriter(attach bool) {
	w := &c.writes
	kind := channel.Heartbeat
	if attach {
		kind = channel.Handshake
		c.sendWrites([]channel.Message{{Kind: kind, Seq: w.settled}})
		kind = channel.Heartbeat
	}
	c.sendWrites([]channel.Message{{Kind: kind, Seq: w.producer.Seq()}})
}

// outcomes takes what a master of our kind did with the writes up to a number. An executed one is answered when the clone has applied
// what the master had reached by then.
func (c *Clone) outcomes(body *command.WriteResult) {
	w := &c.writes
	if body.Through > w.producer.Seq() {
		return // not about these writes
	}
	others := make(map[uint64]code.Code, len(body.Others))
	for _, o := range body.Others {
		others[o.Write] = o.Code
	}
	for ; w.settled < body.Through && len(w.sent) > 0; w.settled++ {
		s, n := w.sent[0], w.settled+1
		a := lateAnswer{pending: s.pending, ok: true, number: body.Number}
		switch number, refused := others[n]; {
		case refused && number == command.OutcomeNot && s.kind == command.KindPutUnique:
			a.ok = false
		case refused:
			a.ok, a.err = false, outcomeError(number)
		case n <= body.Exact:
			a.ok, a.err = false, ErrUnknown
			c.countUnknown(1)
		}
		w.late = append(w.late, a)
		w.sent[0] = sentWrite{}
		w.sent = w.sent[1:]
	}
	w.producer.Ack(writerPath, body.Through)
	if len(body.Others) >= manyOutcomes {
		c.tellWriter(false)
	}
}

// answerLate answers the writes whose effect is in the content of a number.
func (w *writes) answerLate(number uint64) {
	n := 0
	for ; n < len(w.late) && w.late[n].number <= number; n++ {
		a := &w.late[n]
		a.pending.resolve(a.ok, a.err)
		*a = lateAnswer{}
	}
	if w.late = w.late[n:]; len(w.late) == 0 {
		w.late = nil
	}
}

// command is a batch as it is sent to a master.
func (b *Batch) command(publisher data.EntityID) command.Command {
	c := &command.Batch{Publisher: publisher}
	for i := range b.If {
		c.Conditions = append(c.Conditions, command.Condition{Key: b.If[i].Key, Present: b.If[i].Present, Value: b.If[i].Value})
	}
	for i := range b.Writes {
		c.Writes = append(c.Writes, b.Writes[i].command(publisher))
	}
	return c
}

// batchOf is a received batch with canonical values.
func batchOf(c *command.Batch) *Batch {
	b := &Batch{}
	for _, on := range c.Conditions {
		b.If = append(b.If, Condition{Key: data.Canonical(on.Key), Present: on.Present, Value: data.Canonical(on.Value)})
	}
	for _, body := range c.Writes {
		b.Writes = append(b.Writes, writeOf(body))
	}
	return b
}

// writeOf is a received write with canonical values.
func writeOf(body command.Command) Write {
	canonical(body)
	w := Write{kind: body.Kind()}
	expiry := command.Expiry{}
	switch c := body.(type) {
	case *command.Put:
		w.key, w.value, expiry = c.Key, c.Value, c.Expiry
	case *command.PutUnique:
		w.key, w.value, expiry = c.Key, c.Value, c.Expiry
	case *command.Add:
		w.key, w.value, w.init, expiry = c.Key, c.Operand, c.Init, c.Expiry
	case *command.Subtract:
		w.key, w.value, expiry = c.Key, c.Operand, c.Expiry
	case *command.Erase:
		w.key = c.Key
	}
	if expiry.Set {
		w.expiry = max(1, expiry.After)
	}
	return w
}
