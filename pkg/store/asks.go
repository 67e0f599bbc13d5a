// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// Bounds of what a frontend does for those who ask.
const (
	// maxAsksAtOnce and maxAskBytes bound the questions under way; what is more is dropped, and asked again.
	maxAsksAtOnce = 64
	maxAskBytes   = 16 << 20
	// sessionIdle is how long a session outlives its last write, maxSessions how many there are, maxOpenWrites how many writes of one
	// have an answer that the asker may still ask for again.
	sessionIdle   = time.Minute
	maxSessions   = 4096
	maxOpenWrites = 4096
)

// asks answers the questions of Remotes to one frontend. Questions don't pass the frontend's inbox: each is answered by a goroutine
// that uses the frontend as any caller does.
//
// A write is executed once, however often it is asked for: the asker opens a session first and numbers its writes in it, and the answers
// are kept until the asker has said that it has them. A write of a session that is not known is refused, so that the asker can tell
// whether it may have been executed by somebody who is gone.
type asks struct {
	ops *operations
	// owner is the frontend.
	owner any
	board *board
	bus   Bus
	role  Role
	id    data.EntityID
	topic string
	log   *slog.Logger

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu struct {
		sync.Mutex
		closed   bool
		bytes    int
		underWay map[askKey]struct{}
		sessions map[data.EntityID]*session
		cursors  map[uint64]*cursor
		// compacted is the question for the last compaction.
		compacted askKey
	}
}

// askKey names a question.
type askKey struct {
	asker  data.EntityID
	number uint64
}

// session is where the writes of one asker are counted.
type session struct {
	id      uint64
	opening uint64 // the number of the question that opened it
	used    time.Time
	settled uint64
	answers map[uint64]*command.Answer
}

func newAsks(o *operations, b *board, bus Bus, role Role, id data.EntityID, log *slog.Logger) *asks {
	a := &asks{ops: o, board: b, bus: bus, role: role, id: id, topic: topic.Remote(o.name), log: log}
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.mu.underWay, a.mu.sessions, a.mu.cursors = map[askKey]struct{}{}, map[data.EntityID]*session{}, map[uint64]*cursor{}
	return a
}

// before passes questions to a and everything else on to next.
func (a *asks) before(next func(payload []byte)) func(payload []byte) {
	return func(payload []byte) {
		if kind, _, _, ok := command.Peek(payload); ok && kind == command.KindAsk {
			a.take(payload)
			return
		}
		next(payload)
	}
}

// take begins to answer a question, unless it is under way already or there are too many.
func (a *asks) take(payload []byte) {
	msg, err := command.Parse(bytes.Clone(payload))
	if err != nil || msg.Sender.IsZero() {
		a.log.Debug("a question can't be read", "error", err)
		return
	}
	if !msg.Receiver.IsZero() && msg.Receiver.Endpoint != a.id.Endpoint {
		return
	}
	ask, key := msg.Body.(*command.Ask), askKey{msg.Sender, msg.Body.(*command.Ask).Number}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, repeated := a.mu.underWay[key]
	if a.mu.closed || repeated || len(a.mu.underWay) >= maxAsksAtOnce || a.mu.bytes+len(payload) > maxAskBytes && a.mu.bytes > 0 {
		return
	}
	a.mu.underWay[key] = struct{}{}
	a.mu.bytes += len(payload)
	a.running.Go(func() {
		a.reply(key, a.answer(&msg, ask))
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.mu.underWay, key)
		a.mu.bytes -= len(payload)
	})
}

// close ends answering and waits for what is under way.
func (a *asks) close() {
	a.mu.Lock()
	a.mu.closed = true
	a.mu.Unlock()
	a.stop()
	a.running.Wait()
	a.closeCursors()
}

// reply sends an answer; nil is none.
func (a *asks) reply(to askKey, body *command.Answer) {
	if body == nil {
		return
	}
	body.Number = to.number
	msg := command.Message{Sender: a.id, Receiver: to.asker, Body: body}
	err := a.bus.SendCommand(a.topic, to.asker.Endpoint, msg.Marshal())
	if err == nil {
		return
	}
	a.log.Debug("an answer was not sent", "to", to.asker.String(), "error", err)
	if size := msg.Size(); body.Code == code.None && size > maxPageBytes { // it may be too large for a frame
		msg.Body = &command.Answer{Number: to.number, Code: codeTooLarge, Values: []data.Value{data.String(err.Error())}}
		if err := a.bus.SendCommand(a.topic, to.asker.Endpoint, msg.Marshal()); err != nil {
			a.log.Debug("not even the reason was sent", "to", to.asker.String(), "error", err)
		}
	}
}

// answer is the answer to a question, nil if nobody waits for it.
func (a *asks) answer(msg *command.Message, ask *command.Ask) *command.Answer {
	if !msg.Receiver.IsZero() && msg.Receiver != a.id {
		return failed(errNoSession) // it was for one who lived here before
	}
	op := operation(ask.Operation)
	if op.writes() {
		return a.write(msg.Sender, ask)
	}
	values, err := a.read(msg.Sender, op, ask)
	switch {
	case err != nil && a.ctx.Err() != nil:
		return failed(code.ShuttingDown)
	case err != nil:
		return failed(err)
	}
	return &command.Answer{Values: values}
}

// open begins a session for an asker, in place of an earlier one.
func (a *asks) open(asker data.EntityID, number uint64) ([]data.Value, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if s := a.mu.sessions[asker]; s != nil && s.opening == number {
		s.used = now
		return []data.Value{data.Count(s.id)}, nil
	}
	if len(a.mu.sessions) >= maxSessions {
		for id, s := range a.mu.sessions {
			if now.Sub(s.used) > sessionIdle {
				delete(a.mu.sessions, id)
			}
		}
	}
	if len(a.mu.sessions) >= maxSessions {
		return nil, errBusy
	}
	s := &session{id: newObject(), opening: number, used: now, answers: map[uint64]*command.Answer{}}
	a.mu.sessions[asker] = s
	return []data.Value{data.Count(s.id)}, nil
}

// write executes a write that has not been executed yet, and answers what came of it.
func (a *asks) write(asker data.EntityID, ask *command.Ask) *command.Answer {
	s, known, err := a.enter(asker, ask)
	if err != nil {
		return failed(err)
	}
	if s == nil || known != nil {
		return known
	}
	answer := &command.Answer{}
	if answer.Values, err = a.execute(ask); err != nil {
		answer = failed(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.answers[ask.Number], s.used = answer, time.Now()
	return answer
}

// enter looks a write up in its session: a nil session and no answer means that nobody waits for it, an answer that it was executed.
func (a *asks) enter(asker data.EntityID, ask *command.Ask) (*session, *command.Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.mu.sessions[asker]
	if s == nil || s.id != ask.Session {
		return nil, nil, errNoSession
	}
	if time.Since(s.used) > sessionIdle {
		delete(a.mu.sessions, asker)
		return nil, nil, errNoSession
	}
	s.used = time.Now()
	if ask.Settled > s.settled {
		s.settled = ask.Settled
		for n := range s.answers {
			if n <= s.settled {
				delete(s.answers, n)
			}
		}
	}
	if ask.Number <= s.settled || s.answers[ask.Number] == nil && len(s.answers) >= maxOpenWrites {
		return nil, nil, nil
	}
	return s, s.answers[ask.Number], nil
}
