// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// ErrForeignMaster is the answer of a Remote that found no master that answers questions: there is none, or it is one of C++ Broker,
// which serves clones only. It matches code.NoSuchMaster.
var ErrForeignMaster = fmt.Errorf("store: no master answers questions: %w, or not one of ours", code.NoSuchMaster)

// Times of asking.
const (
	// findAgain is the time between two calls for a master, askAgain the one before a question is repeated the first time, which then
	// doubles up to askAgainMax.
	findAgain   = 200 * time.Millisecond
	askAgain    = 250 * time.Millisecond
	askAgainMax = time.Second
	// askRound is how long one master may be silent before it is looked for again.
	askRound = 1500 * time.Millisecond
	// findBetter is how long another master is looked for when one has answered that refuses writes.
	findBetter = 2 * time.Second
	// pause is how long to wait when the frontend says that it can't right now.
	pause = 50 * time.Millisecond
	// maxRemoteAsks is how many questions of one Remote are under way at a time; more wait.
	maxRemoteAsks = 64
)

// RemoteOptions configure a Remote. Zero fields mean the defaults.
type RemoteOptions struct {
	// Timeout bounds each operation besides its context, 10 s. It must be shorter than a minute: that is how long a master remembers
	// the writes of a Remote.
	Timeout time.Duration
	// FindTimeout bounds the search for the first master, 2 s; then operations end with ErrForeignMaster. Once there was a master,
	// only Timeout counts.
	FindTimeout time.Duration
	// Logger is where the Remote tells what happens; nil: nowhere.
	Logger *slog.Logger
}

// Remote reads and writes a store without a copy of it: it asks the master, over as many hops as it takes. That is an extension: only
// masters of this project answer.
//
// Every write is executed once. If it was sent and no answer came in time, or the master that may have executed it is gone, the answer
// is ErrUnknown. Its methods may be called from any goroutine; operations of different goroutines have no order among each other.
type Remote struct {
	changes
	name   string
	bus    Bus
	opt    RemoteOptions
	log    *slog.Logger
	id     data.EntityID
	detach func()
	// slots bounds what is under way; finding is held by who looks for the master or opens a session.
	slots, finding chan struct{}
	ctx            context.Context
	stop           context.CancelFunc

	mu struct {
		sync.Mutex
		number  uint64
		waiting map[uint64]*inquiry
		master  data.EntityID
		// fenced: the master said that it refuses writes, and no other one answered.
		fenced  bool
		session uint64
		found   bool // ever
	}
}

// inquiry is a question that was asked.
type inquiry struct {
	number uint64
	got    chan reply
}

// reply is what came back.
type reply struct {
	from data.EntityID
	*command.Answer
}

// NewRemote prepares to ask the master of a name. It sends nothing yet.
func NewRemote(bus Bus, name string, o RemoteOptions) (*Remote, error) {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.FindTimeout <= 0 {
		o.FindTimeout = 2 * time.Second
	}
	if o.Timeout >= sessionIdle {
		return nil, fmt.Errorf("store %s: a timeout of %v: allowed: less than %v", name, o.Timeout, sessionIdle)
	}
	r := &Remote{
		name: name, bus: bus, opt: o, log: loggerFor(o.Logger, name).With("role", "remote"),
		id:    data.EntityID{Endpoint: bus.ID(), Object: newObject()},
		slots: make(chan struct{}, maxRemoteAsks), finding: make(chan struct{}, 1),
	}
	r.changes = changes{r}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.mu.waiting = map[uint64]*inquiry{}
	detach, err := bus.AttachStore(topic.Remote(name), r.receive)
	if err != nil {
		r.stop()
		return nil, fmt.Errorf("store %s: attach remote: %w", name, err)
	}
	r.detach = detach
	return r, nil
}

// Close ends the Remote; operations under way end with code.ShuttingDown, writes that were sent with ErrUnknown. Closing twice is fine.
func (r *Remote) Close() error {
	r.stop()
	r.detach()
	return nil
}

// Name is the name of the store.
func (r *Remote) Name() string { return r.name }

// receive takes an answer from the bus.
func (r *Remote) receive(payload []byte) {
	kind, sender, receiver, ok := command.Peek(payload)
	switch {
	case !ok || kind != command.KindAnswer:
		return
	case receiver.IsZero():
		r.hearOf(sender)
		return
	case receiver != r.id:
		return
	}
	msg, err := command.Parse(bytes.Clone(payload))
	if err != nil {
		r.log.Debug("an answer can't be read", "error", err)
		return
	}
	answer := msg.Body.(*command.Answer)
	r.mu.Lock()
	q := r.mu.waiting[answer.Number]
	r.mu.Unlock()
	if q != nil {
		select {
		case q.got <- reply{msg.Sender, answer}:
		default: // more than anybody waits for
		}
	}
}

// hearOf takes note that a master has taken over: others are not asked any more.
func (r *Remote) hearOf(master data.EntityID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.master != master {
		r.mu.master, r.mu.session = data.EntityID{}, 0
	}
}

// begin takes a number for a question. end has to follow.
func (r *Remote) begin(replies int) *inquiry {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.number++
	q := &inquiry{number: r.mu.number, got: make(chan reply, replies)}
	r.mu.waiting[q.number] = q
	return q
}

func (r *Remote) end(q *inquiry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.mu.waiting, q.number)
}

// settled is the number up to which nobody waits.
func (r *Remote) settled() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	least := r.mu.number + 1
	for n := range r.mu.waiting {
		least = min(least, n)
	}
	return least - 1
}

// bounded is the context of an operation: the caller's, the Remote's and its Timeout.
func (r *Remote) bounded(ctx context.Context) (context.Context, func()) {
	return r.boundedBy(ctx, r.opt.Timeout)
}

func (r *Remote) boundedBy(ctx context.Context, timeout time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, code.RequestTimeout)
	stop := context.AfterFunc(r.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// over is why the context of an operation ended.
func (r *Remote) over(ctx context.Context) error {
	if r.ctx.Err() != nil {
		return code.ShuttingDown
	}
	return context.Cause(ctx)
}

// ask sends a question to whoever is in command.Receiver of it, again and again, until an answer comes or the context ends. sent counts
// how often it was sent.
func (r *Remote) ask(ctx context.Context, topicName string, to data.EntityID, q *inquiry, body command.Ask, sent *int) (reply, error) {
	body.Number = q.number
	for wait := askAgain; ; wait = min(2*wait, askAgainMax) {
		body.Settled = r.settled()
		msg := command.Message{Sender: r.id, Receiver: to, Body: &body}
		err := r.bus.SendCommand(topicName, to.Endpoint, msg.Marshal())
		if err == nil {
			*sent++
		} else if !errors.Is(err, code.NoPathToPeer) {
			return reply{}, err
		}
		timer := time.NewTimer(wait)
		select {
		case got := <-q.got:
			timer.Stop()
			return got, nil
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return reply{}, ctx.Err()
		}
	}
}
