// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// known is the master that answered last, and the session with it.
func (r *Remote) known() (master data.EntityID, session uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.master, r.mu.session
}

// forget gives up a master.
func (r *Remote) forget(master data.EntityID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.master == master {
		r.mu.master, r.mu.session = data.EntityID{}, 0
	}
}

// forgetSession gives up a session with a master.
func (r *Remote) forgetSession(session uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.session == session {
		r.mu.session = 0
	}
}

// theMaster is the master to ask, which is looked for if none is known.
func (r *Remote) theMaster(ctx context.Context) (data.EntityID, error) {
	if master, _ := r.known(); !master.IsZero() {
		return master, nil
	}
	select {
	case r.finding <- struct{}{}:
		defer func() { <-r.finding }()
	case <-ctx.Done():
		return data.EntityID{}, r.over(ctx)
	}
	if master, _ := r.known(); !master.IsZero() {
		return master, nil
	}
	return r.find(ctx)
}

// find calls for a master.
func (r *Remote) find(ctx context.Context) (data.EntityID, error) {
	r.mu.Lock()
	before := r.mu.found
	r.mu.Unlock()
	looking, cancel := ctx, context.CancelFunc(func() {})
	if !before {
		looking, cancel = context.WithTimeout(ctx, r.opt.FindTimeout)
	}
	defer cancel()
	q := r.begin(16)
	defer r.end(q)
	ticker := time.NewTicker(findAgain)
	defer ticker.Stop()
	var fenced data.EntityID
	var enough <-chan time.Time
	for {
		msg := command.Message{Sender: r.id, Body: &command.Ask{Number: q.number, Operation: uint8(opHello)}}
		if err := r.bus.SendCommand(topic.Master(r.name), data.EndpointID{}, msg.Marshal()); err != nil {
			return data.EntityID{}, fmt.Errorf("store %s: look for the master: %w", r.name, err)
		}
		select {
		case got := <-q.got:
			if got.Code != code.None {
				continue
			}
			if refuses(got) {
				if fenced.IsZero() {
					enough = time.After(findBetter)
				}
				fenced = got.from
				continue
			}
			return r.found(got.from, false), nil
		case <-enough:
			return r.found(fenced, true), nil
		case <-ticker.C:
		case <-looking.Done():
			if !fenced.IsZero() && ctx.Err() == nil {
				return r.found(fenced, true), nil
			}
			if r.ctx.Err() == nil && (ctx.Err() == nil || !before) {
				return data.EntityID{}, ErrForeignMaster
			}
			return data.EntityID{}, r.over(ctx)
		}
	}
}

// refuses tells whether who answered a call is a master that executes no writes.
func refuses(hello reply) bool {
	if len(hello.Values) < 2 {
		return false
	}
	fenced, _ := hello.Values[1].AsBoolean()
	return fenced
}

// found takes note of a master.
func (r *Remote) found(master data.EntityID, fenced bool) data.EntityID {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.master, r.mu.fenced, r.mu.session, r.mu.found = master, fenced, 0, true
	r.log.Debug("found the master", "master", master.String())
	return master
}

// query asks the master something that changes nothing. Whatever master answers is fine.
func (r *Remote) query(ctx context.Context, op operation, args ...data.Value) (reply, error) {
	timeout := r.opt.Timeout
	if op == opWatch {
		timeout += watchWait // that long the master waits for a change
	}
	ctx, cancel := r.boundedBy(ctx, timeout)
	defer cancel()
	release, err := r.slot(ctx)
	if err != nil {
		return reply{}, err
	}
	defer release()
	q := r.begin(4)
	defer r.end(q)
	for {
		master, err := r.theMaster(ctx)
		if err != nil {
			return reply{}, err
		}
		round, cancel := context.WithTimeout(ctx, askRound)
		sent := 0
		got, err := r.ask(round, topic.Master(r.name), master, q, command.Ask{Operation: uint8(op), Args: args}, &sent)
		cancel()
		switch {
		case ctx.Err() != nil && err != nil:
			return reply{}, r.over(ctx)
		case err != nil && round.Err() == nil:
			return reply{}, err
		case err != nil:
			r.forget(master) // it is silent
			continue
		}
		switch err := errorOf(got.from, got.Answer); {
		case errors.Is(err, errNoSession) || errors.Is(err, code.ShuttingDown):
			r.forget(master)
		case !errors.Is(err, errBusy):
			return got, err
		}
		if err := r.rest(ctx); err != nil {
			return reply{}, err
		}
	}
}

// slot waits until fewer questions are under way.
func (r *Remote) slot(ctx context.Context) (release func(), err error) {
	if r.ctx.Err() != nil {
		return nil, code.ShuttingDown
	}
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	case <-ctx.Done():
		return nil, r.over(ctx)
	}
}

// rest waits a moment before the next attempt.
func (r *Remote) rest(ctx context.Context) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return r.over(ctx)
	}
}

// change has the master execute a write, once.
func (r *Remote) change(ctx context.Context, op operation, args ...data.Value) ([]data.Value, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	release, err := r.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	for {
		master, session, err := r.theSession(ctx)
		if err != nil {
			return nil, err
		}
		values, again, err := r.attempt(ctx, master, command.Ask{Session: session, Operation: uint8(op), Args: args})
		if !again {
			return values, err
		}
		if err := r.rest(ctx); err != nil {
			return nil, err
		}
	}
}

// attempt asks one master for a write. again says that it was certainly not executed, and may be tried anew.
func (r *Remote) attempt(ctx context.Context, master data.EntityID, body command.Ask) (values []data.Value, again bool, err error) {
	q := r.begin(4)
	defer r.end(q)
	sent := 0
	var got reply
	for done := false; !done; {
		round, cancel := context.WithTimeout(ctx, askRound)
		got, err = r.ask(round, topic.Master(r.name), master, q, body, &sent)
		silent := round.Err() != nil
		cancel()
		switch {
		case err == nil:
			done = true
		case sent > 0 && ctx.Err() == nil && silent: // nobody else may be asked any more
		case sent > 0:
			return nil, false, fmt.Errorf("%w: no answer: %w", ErrUnknown, firstOf(r.over(ctx), err))
		case ctx.Err() != nil:
			return nil, false, r.over(ctx)
		case silent: // nothing has left: another master would do as well
			r.forget(master)
			return nil, true, nil
		default:
			return nil, false, err
		}
	}
	return r.outcome(got, master, body.Session, sent)
}

// outcome is what an answer to a write means that was sent so often.
func (r *Remote) outcome(got reply, master data.EntityID, session uint64, sent int) (values []data.Value, again bool, err error) {
	switch err = errorOf(got.from, got.Answer); {
	case errors.Is(err, errNoSession) && sent > 1:
		r.forget(master)
		return nil, false, fmt.Errorf("%w: the master that may have executed it is gone", ErrUnknown)
	case errors.Is(err, errNoSession):
		r.forgetSession(session)
		if got.from != master {
			r.forget(master)
		}
		return nil, true, nil
	case errors.Is(err, code.ShuttingDown):
		r.forget(master)
		return nil, true, nil
	case errors.Is(err, ErrFenced):
		return nil, r.leave(master), err
	}
	return got.Values, errors.Is(err, errBusy), err
}

// leave gives up a master that refuses writes. It answers whether there may be another one that does not.
func (r *Remote) leave(master data.EntityID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.master == master {
		r.mu.master, r.mu.session = data.EntityID{}, 0
		return !r.mu.fenced
	}
	return true
}

// theSession is the master and an open session with it.
func (r *Remote) theSession(ctx context.Context) (data.EntityID, uint64, error) {
	for {
		master, session := r.known()
		if session != 0 {
			return master, session, nil
		}
		if err := r.openSession(ctx); err != nil {
			return data.EntityID{}, 0, err
		}
	}
}

// openSession opens a session with the master, unless somebody has done that meanwhile.
func (r *Remote) openSession(ctx context.Context) error {
	if _, err := r.theMaster(ctx); err != nil {
		return err
	}
	select {
	case r.finding <- struct{}{}:
		defer func() { <-r.finding }()
	case <-ctx.Done():
		return r.over(ctx)
	}
	master, session := r.known()
	if session != 0 || master.IsZero() {
		return nil
	}
	q := r.begin(4)
	defer r.end(q)
	round, cancel := context.WithTimeout(ctx, askRound)
	defer cancel()
	sent := 0
	got, err := r.ask(round, topic.Master(r.name), master, q, command.Ask{Operation: uint8(opOpen)}, &sent)
	switch {
	case ctx.Err() != nil && err != nil:
		return r.over(ctx)
	case err != nil && round.Err() == nil:
		return err
	case err != nil:
		r.forget(master)
		return nil
	}
	if err := errorOf(got.from, got.Answer); err != nil {
		if errors.Is(err, errNoSession) || errors.Is(err, code.ShuttingDown) {
			r.forget(master)
			return r.rest(ctx)
		}
		return err
	}
	in := args{rest: got.Values}
	number := in.count()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.master == master {
		r.mu.session = number
	}
	return in.err
}
