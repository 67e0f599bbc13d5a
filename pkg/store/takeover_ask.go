// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

const (
	// handoverAgain is the time after which a question of a handover is repeated.
	handoverAgain = 200 * time.Millisecond
	// greetTimeout is how long a master may leave the first question unanswered: earlier versions know nothing of handovers.
	greetTimeout = 10 * time.Second
)

// errVoid: the master goes on, and knows nothing of the handover, or nothing more.
var errVoid = fmt.Errorf("%w: the handover took too long, or the master was started anew", ErrRefused)

// mailbox is where a clone leaves what a master says about a handover.
type mailbox struct {
	id  data.EntityID
	got chan command.Message
}

// toTakeOver passes on what is for a TakeOver under way, and answers whether msg was that.
func (c *Clone) toTakeOver(msg command.Message) bool {
	switch msg.Body.(type) {
	case *command.HandoverState, *command.HandoverPart:
	default:
		return false
	}
	if box := c.mailbox.Load(); box != nil && box.id == msg.Receiver {
		select {
		case box.got <- msg:
		default: // it asks again
		}
	}
	return true
}

// mark is what a prepared database says about its handover: handover u64, master entity, number u64, sum u64, epoch u64.
type mark struct {
	handover           uint64
	master             data.EntityID
	number, sum, epoch uint64
}

func (k *mark) encode() []byte {
	b := k.master.AppendBinary(number(k.handover))
	for _, n := range []uint64{k.number, k.sum, k.epoch} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func parseMark(b []byte) (k mark, ok bool) {
	if len(b) != 56 {
		return mark{}, false
	}
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	return mark{
		handover: u64(0), master: data.EntityID{Endpoint: data.EndpointID(b[8:24]), Object: u64(24)},
		number: u64(32), sum: u64(40), epoch: u64(48),
	}, true
}

// send sends a step to the master of the handover, wherever it is by now.
func (t *takeOver) send(body command.Handover) { t.c.send(t.message(body), data.EndpointID{}) }

// message is a step of the handover.
func (t *takeOver) message(body command.Handover) command.Message {
	body.Handover, body.History, body.Epoch = t.mark.handover, t.at.position.History, t.mark.epoch
	if t.o.StrandForeign {
		body.Flags |= command.HandoverStrand
	}
	return command.Message{Sender: t.box.id, Receiver: t.mark.master, Body: &body}
}

// ask sends a step until an answer of the master satisfies.
func (t *takeOver) ask(ctx context.Context, body command.Handover, satisfied func(command.Command) (bool, error)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			t.send(body)
			timer.Reset(handoverAgain)
		case msg := <-t.box.got:
			if msg.Sender.Object != t.mark.master.Object {
				continue
			}
			if done, err := satisfied(msg.Body); done || err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// state makes a function of the states of this handover from what looks at one. A handover that is over ends it.
func (t *takeOver) state(look func(*command.HandoverState) bool) func(command.Command) (bool, error) {
	return func(body command.Command) (bool, error) {
		s, ok := body.(*command.HandoverState)
		if !ok || s.Handover != t.mark.handover {
			return false, nil
		}
		switch s.Phase {
		case command.HandoverVoid:
			return false, errVoid
		case command.HandoverForeign:
			return false, fmt.Errorf("%w: %s", ErrForeignClones, s.Reason)
		case command.HandoverRefused:
			return false, fmt.Errorf("%w: %s", ErrRefused, s.Reason)
		}
		return look(s), nil
	}
}

// planned takes the store over from its master.
func (t *takeOver) planned(ctx context.Context, known Database) (uint64, error) {
	if raw, err := t.be.Meta(metaPrepared); err != nil {
		return 0, err
	} else if k, ok := parseMark(raw); ok {
		t.mark, t.at.position.History = k, command.History(known.History)
		epoch, err := t.conclude(ctx)
		if !errors.Is(err, errVoid) {
			return epoch, err
		}
		t.log.Info("an earlier handover came to nothing; beginning anew")
	}
	if err := t.awaitMaster(ctx); err != nil {
		return 0, err
	}
	if _, err := t.copyAll(ctx, known); err != nil {
		return 0, err
	}
	if err := t.sumUp(ctx); err != nil {
		return 0, err
	}
	if _, err := t.copyUntilFew(ctx, nil); err != nil {
		return 0, err
	}
	t.mark = mark{handover: rand.Uint64() | 1, master: t.last.master, epoch: t.at.position.Epoch + 1}
	if err := t.handOver(ctx); err != nil {
		t.send(command.Handover{Step: command.HandoverCancel})
		return 0, err
	}
	return t.conclude(ctx)
}

// handOver freezes the master, and makes the copy its equal.
func (t *takeOver) handOver(ctx context.Context) error {
	var frozen command.HandoverState
	err := t.ask(ctx, command.Handover{Step: command.HandoverFreeze}, t.state(func(s *command.HandoverState) bool {
		frozen = *s
		return s.Phase == command.HandoverFrozen
	}))
	if err != nil {
		return err
	}
	holding, stop := context.WithCancel(ctx)
	held := make(chan struct{})
	word := t.message(command.Handover{Step: command.HandoverHold})
	go func() {
		defer close(held)
		t.hold(holding, word)
	}()
	defer func() { stop(); <-held }()
	if err := t.catchUp(ctx, &frozen); err != nil {
		return err
	}
	if err := t.prove(ctx, &frozen); err != nil {
		return err
	}
	if err := t.fetch(ctx, frozen.Parts); err != nil {
		return err
	}
	t.mark.number, t.mark.sum = frozen.Number, frozen.Sum
	return t.seal(t.mark.epoch, t.mark.encode())
}

// hold keeps the master frozen while the copy is looked at.
func (t *takeOver) hold(ctx context.Context, word command.Message) {
	ticker := time.NewTicker(freezePatience / 5)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			t.c.send(word, data.EndpointID{})
		case <-ctx.Done():
			return
		}
	}
}

// awaitMaster waits until the clone follows a master, and that one has answered that it knows of handovers.
func (t *takeOver) awaitMaster(ctx context.Context) error {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		c, err := t.take(ctx, false)
		if err == nil {
			err = c.content.Close()
		}
		switch {
		case err != nil && t.c.Status().State != StateAttaching:
			return err
		case err == nil && !c.master.IsZero() && c.position.Run == 0:
			return fmt.Errorf("%w: it is of another kind", ErrNotSupported)
		case err == nil && !c.master.IsZero():
			if err := t.greet(ctx, c.master); err != context.DeadlineExceeded || ctx.Err() != nil {
				return err
			}
			if now, err := t.take(ctx, false); err == nil && errors.Join(now.content.Close()) == nil && now.master == c.master {
				return fmt.Errorf("%w: it does not answer, or can't hand its store over", ErrNotSupported)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// greet asks a master of our kind about a handover that there is not, to see that it answers.
func (t *takeOver) greet(ctx context.Context, master data.EntityID) error {
	ctx, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	t.mark = mark{handover: rand.Uint64() | 1, master: master}
	return t.ask(ctx, command.Handover{Step: command.HandoverHold}, func(command.Command) (bool, error) { return true, nil })
}

// catchUp waits until the clone has all that the frozen master has, and copies it.
func (t *takeOver) catchUp(ctx context.Context, frozen *command.HandoverState) error {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		c, err := t.take(ctx, false)
		if err != nil {
			return err
		}
		err = t.copy(ctx, c)
		if err = errors.Join(err, c.content.Close()); err != nil {
			return err
		}
		switch {
		case c.position.Run == frozen.Run && c.number == frozen.Number:
			return nil
		case c.position.Run == frozen.Run && c.number > frozen.Number:
			return fmt.Errorf("%w: it is at number %d, the master at %d", ErrNotEqual, c.number, frozen.Number)
		}
		select {
		case msg := <-t.box.got: // only that it is over is of interest
			if _, err := t.state(func(*command.HandoverState) bool { return false })(msg.Body); err != nil && msg.Sender.Object == t.mark.master.Object {
				return err
			}
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// prove compares what the database has, as read from there, with what the master says.
func (t *takeOver) prove(ctx context.Context, frozen *command.HandoverState) error {
	if !t.summed { // the clone got a new snapshot at last
		if err := t.sumUp(ctx); err != nil {
			return err
		}
	}
	sum, count := t.sum.sum, t.sum.count
	if sum != frozen.Sum || count != frozen.Entries {
		return fmt.Errorf("%w: %d entries with the checksum %x, the master has %d with %x at number %d", ErrNotEqual, count, sum,
			frozen.Entries, frozen.Sum, frozen.Number)
	}
	return nil
}

// fetch gets what goes along with the entries.
func (t *takeOver) fetch(ctx context.Context, parts uint32) error {
	t.at.metas, t.at.writersSince = nil, t.mark.epoch
	for part := range parts {
		var values []command.NamedValue
		states := t.state(func(*command.HandoverState) bool { return false })
		err := t.ask(ctx, command.Handover{Step: command.HandoverFetch, Part: part}, func(body command.Command) (bool, error) {
			p, ok := body.(*command.HandoverPart)
			if !ok {
				return states(body)
			}
			values = p.Values
			return p.Handover == t.mark.handover && p.Part == part, nil
		})
		if err != nil {
			return err
		}
		for _, v := range values {
			if v.Name == metaWritersSince && len(v.Value) == 8 {
				t.at.writersSince = binary.BigEndian.Uint64(v.Value)
				continue
			}
			t.at.metas = append(t.at.metas, backend.Meta{Name: v.Name, Value: v.Value})
		}
	}
	return nil
}

// conclude has the master give up the store of which the database has all. Only when it says that it has may the database be served.
// Until then it stays prepared: whoever opens it next has to ask again.
func (t *takeOver) conclude(ctx context.Context) (uint64, error) {
	done := func(s *command.HandoverState) bool { return s.Phase == command.HandoverDone }
	err := t.ask(ctx, command.Handover{Step: command.HandoverEqual, Number: t.mark.number, Sum: t.mark.sum}, t.state(done))
	switch {
	case ctx.Err() != nil && err != nil:
		t.send(command.Handover{Step: command.HandoverCancel})
		return 0, fmt.Errorf("%w: %w", ErrUndecided, err)
	case err != nil:
		history := t.at.position.History
		return 0, errors.Join(err, t.be.SetMeta(metaIncoming, history[:]), t.be.SetMeta(metaPrepared, nil), t.be.Commit())
	}
	if err := errors.Join(t.be.SetMeta(metaPrepared, nil), t.be.Commit()); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUndecided, err)
	}
	return t.mark.epoch, nil
}
