// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// Errors of TakeOver.
var (
	// ErrForeignClones: clones of C++ Broker follow the master and would not follow another one (TakeOverOptions.StrandForeign).
	ErrForeignClones = errors.New("store: clones of another kind are attached, which would not follow a new master")
	// ErrRefused: the master does not give the store up, and goes on as before.
	ErrRefused = errors.New("store: the master does not give the store up")
	// ErrNotEqual: what was copied is not what the master has. The master goes on as before.
	ErrNotEqual = errors.New("store: the copy is not what the master has")
	// ErrOtherHistory: the database holds another store, or another history of it, and is left as it is.
	ErrOtherHistory = errors.New("store: the database holds another history")
	// ErrUndecided: the master may have given the store up already, and could not be asked. Nobody writes until TakeOver is called again
	// with the same database and finds the master, or with Force.
	ErrUndecided = errors.New("store: the master may have given the store up, and does not answer; take over again with the same database")
)

// TakeOverOptions configure Clone.TakeOver.
type TakeOverOptions struct {
	// Master are the options of the new master.
	Master MasterOptions
	// Force makes the clone the master without asking the one there was: for when that is gone. What the clone does not have is lost, and
	// the old master, should it come back, is fenced by the later epoch.
	Force bool
	// StrandForeign goes on although clones of C++ Broker are attached, which don't follow a new master.
	StrandForeign bool
	// Epoch is the epoch to take with Force, which has to be later than what is known; 0: one more than that.
	Epoch uint64
}

// settleTimeout bounds how long the writes of a clone may take to find the new master beside it.
const settleTimeout = 10 * time.Second

// TakeOver makes the endpoint of a clone the store's master, over a database which may be empty, hold an earlier state of the store, or be
// that of a TakeOver that did not come to its end. The master that there is gives the store up, without the loss of a write; with Force
// it is not asked. On success the clone is closed and the new master serves. On an error the clone goes on, the database is closed, and the
// old master writes again, but with ErrUndecided, when nobody does.
//
// The errors are those above, the context's, the backend's, and ErrNotSupported if the master is of another kind.
func (c *Clone) TakeOver(ctx context.Context, be backend.Backend, o TakeOverOptions) (*Master, error) {
	t := &takeOver{c: c, be: be, o: o, log: c.log.With("act", "take over"), box: mailbox{c.newID(), make(chan command.Message, 16)}}
	if !c.mailbox.CompareAndSwap(nil, &t.box) {
		return nil, errors.Join(fmt.Errorf("store %s: take over: %w: it is being taken over already", c.name, ErrRefused), be.Close())
	}
	defer c.mailbox.Store(nil)
	epoch, err := t.run(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: take over: %w", c.name, err), be.Close())
	}
	m, err := NewMaster(c.bus, c.name, be, o.Master)
	if err != nil {
		return nil, fmt.Errorf("store %s: take over: start the master: %w", c.name, err)
	}
	if _, err := m.Size(context.WithoutCancel(ctx)); err != nil { // answered when it serves
		return nil, errors.Join(fmt.Errorf("store %s: take over: start the master: %w", c.name, err), m.Close())
	}
	m.callRemotes()
	t.log.Info("took over the store", "epoch", epoch, "number", m.Status().Sequence)
	settle, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if _, err := c.do(settle, read{kind: leaveRequest, epoch: epoch}); err != nil {
		t.log.Warn("writes of the clone did not reach the new master", "error", err)
	}
	return m, c.Close()
}

// callRemotes tells Remotes that there is another master from now on. Those that don't hear it learn of it when they write.
func (m *Master) callRemotes() {
	msg := command.Message{Sender: m.id, Body: &command.Answer{Values: []data.Value{data.Count(uint64(RoleMaster)), data.Boolean(false)}}}
	if err := m.bus.SendCommand(topic.Remote(m.name), data.EndpointID{}, msg.Marshal()); err != nil {
		m.log.Debug("Remotes were not told", "error", err)
	}
}

// takeOver is a TakeOver under way.
type takeOver struct {
	c   *Clone
	be  backend.Backend
	o   TakeOverOptions
	log *slog.Logger
	box mailbox
	// at is what the database holds a copy of, last what the clone knew when it was asked last.
	at   succession
	last copied
	mark mark
	// sum is the checksum of what the database holds, as read from there. summed: it is kept up to date.
	sum    runningSum
	summed bool
}

// succession is what a master hands on besides the entries.
type succession struct {
	position command.Position
	number   uint64
	// metas are those of the old master that count.
	metas []backend.Meta
	// writersSince is the epoch from which on metas know of all writers.
	writersSince uint64
}

// run brings the store into the database, ready to be served, and answers its epoch.
func (t *takeOver) run(ctx context.Context) (epoch uint64, err error) {
	known, err := Inspect(t.be)
	if err != nil {
		return 0, err
	}
	if t.o.Force {
		return t.force(ctx, known)
	}
	return t.planned(ctx, known)
}

// force takes the store over without asking.
func (t *takeOver) force(ctx context.Context, known Database) (uint64, error) {
	if raw, err := t.be.Meta(metaPrepared); err != nil {
		return 0, err
	} else if k, ok := parseMark(raw); ok && t.c.behind(known) {
		return t.forcePrepared(known, k)
	}
	foreign, err := t.copyAll(ctx, known)
	if err != nil {
		return 0, err
	}
	if foreign > 0 && !t.o.StrandForeign {
		return 0, fmt.Errorf("%w: the last master had %d", ErrForeignClones, foreign)
	}
	latest := t.at.position.Epoch
	if known.History == HistoryID(t.at.position.History) {
		latest = max(latest, known.Epoch, known.Fenced)
	}
	epoch := t.o.Epoch
	if epoch == 0 {
		epoch = latest + 1
	}
	if epoch <= latest {
		return 0, fmt.Errorf("store: epoch %d: the store has had epoch %d", epoch, latest)
	}
	t.at.writersSince = epoch
	t.at.metas = []backend.Meta{{Name: metaRuns, Value: encodeRuns([]run{{t.at.position.Run, 0}})}}
	return epoch, t.seal(epoch, nil)
}

// behind tells whether a database has all that the clone has.
func (c *Clone) behind(known Database) bool {
	s := c.Status()
	return s.Sequence == 0 || s.History == known.History && s.Sequence <= known.Number
}

// forcePrepared takes what a handover left that did not come to its end: the copy is whole, and the master may have given it up.
func (t *takeOver) forcePrepared(known Database, k mark) (uint64, error) {
	epoch := max(t.o.Epoch, k.epoch+1)
	if t.o.Epoch != 0 && t.o.Epoch < epoch {
		return 0, fmt.Errorf("store: epoch %d: the store may have had epoch %d", t.o.Epoch, k.epoch)
	}
	t.log.Warn("taking the copy of a handover that was not concluded", "number", known.Number)
	return epoch, errors.Join(setNumber(t.be, metaEpoch, epoch), t.be.SetMeta(metaPrepared, nil), t.be.Commit())
}

// seal makes the copy a database of the store of an epoch, in one commit. prepared is the mark that keeps it from being served.
func (t *takeOver) seal(epoch uint64, prepared []byte) error {
	for _, prefix := range []string{metaWriter, metaLog} {
		if err := t.forget(prefix); err != nil {
			return err
		}
	}
	metas := append([]backend.Meta{
		{Name: metaRuns}, {Name: metaFenced}, {Name: metaFencedFor}, {Name: metaIncoming},
		{Name: metaPrepared, Value: prepared},
		{Name: metaHistory, Value: t.at.position.History[:]},
		{Name: metaEpoch, Value: number(epoch)},
		{Name: metaSequence, Value: number(t.at.number)},
		{Name: metaObject, Value: number(newObject())},
		{Name: metaWritersSince, Value: number(t.at.writersSince)},
	}, t.at.metas...)
	for _, m := range metas {
		if err := t.be.SetMeta(m.Name, m.Value); err != nil {
			return err
		}
	}
	return t.be.Commit()
}

// forget removes all metas with a prefix.
func (t *takeOver) forget(prefix string) error {
	var names []string
	for m, err := range t.be.Metas(prefix) {
		if err != nil {
			return err
		}
		names = append(names, m.Name)
	}
	for _, name := range names {
		if err := t.be.SetMeta(name, nil); err != nil {
			return err
		}
	}
	return nil
}

// copied is the content of a clone at a number, and what the clone knows of its master.
type copied struct {
	content  backend.Snapshot
	number   uint64
	position command.Position
	// master is whom the clone follows, nobody if it looks for one; foreign is how many clones of another kind that one has.
	master  data.EntityID
	foreign uint64
	// keys are what has changed since the copy before. all: everything may have.
	keys []data.Value
	all  bool
}
