// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// maxPeers bounds the clones of a master, and their writers.
const maxPeers = 4096

// MasterOptions configure a Master. Zero fields mean the defaults.
type MasterOptions struct {
	// Logger is where the master tells what happens; nil: nowhere.
	Logger *slog.Logger
	// TickInterval is the length of a tick, 100 ms. Expired entries go, heartbeats and acks are counted in ticks.
	TickInterval time.Duration
	// InboxBytes bounds the requests and commands that wait, 8 MiB.
	InboxBytes int
	// MaxEntryBytes bounds the encoded key and value of an entry, 32 MiB. Beyond that writes answer ErrTooLarge.
	MaxEntryBytes int
	// WatchBytes bounds the changes kept for watchers, 4 MiB.
	WatchBytes int
	// NewEpoch begins a new epoch of the history, when this master takes over from another one that had the same database.
	NewEpoch bool
	// Leased makes the master write only while it has a lease (Master.Lease); without one writes answer ErrNoLease.
	Leased bool
	// Lease is what a leased master begins with, before it executes anything: as if Master.Lease had been called with it.
	Lease time.Duration
	// Expiry is what writes get that come without an expiry (Master.SetExpiry).
	Expiry time.Duration
	// HistoryBytes bounds the changes kept for clones that have not acknowledged them, 64 MiB.
	HistoryBytes int
}

// Master owns the entries of a store. It executes all writes, its own and those of clones, one after the other.
type Master struct {
	*operations
	*board
	opt MasterOptions
	bus Bus
	log *slog.Logger
	id  data.EntityID
	// topic is that of the clones.
	topic   string
	detach  func()
	closing sync.Once
	done    chan struct{}
	asks    *asks

	expiry atomic.Int64 // what writes get that come without one

	// turn is held by the goroutine while it works, and by a reader that goes ahead of it. Everything below belongs to who has it.
	turn sync.Mutex

	be        backend.Backend
	history   history
	feed      *feed
	snapshots snapshots
	// maintenance ends when the master is closed.
	maintenance    context.Context
	endMaintenance context.CancelFunc

	ended     bool
	dirty     bool
	failed    error
	deadlines *deadlines
	// expireAt is the time of an expiry that was too much for one group; zero: there is none.
	expireAt  time.Time
	tick      uint64
	status    Status
	clones    *channel.Producer
	share     *share
	handshake handshakes
	own       own
	handing   handing
	sum       *masterSum // nil: no handover is expected
	rivals    rivals
	foreign   foreign
	writers   map[data.EntityID]*writer
	waiting   []*request
	// lapsed: the lease ended during a commit, withheld are the writes in it. wrote: the group has changed something.
	lapsed, wrote bool
	withheld      []item
	promoted      []*request
	out           effects
	// warnedAt is the tick of the last warning about a snapshot that was not sent.
	warnedAt uint64
}

// effects are what a batch does to the outside once it is committed, in this order.
type effects struct {
	reads     []*request
	toClones  []channel.Message
	toWriters []writerMessage
	input     channel.Output[command.Command]
}

type writerMessage struct {
	to data.EntityID
	channel.Message
}

// NewMaster starts a master of the name on the bus. It owns the backend from then on, and closes it in any case.
func NewMaster(bus Bus, name string, be backend.Backend, o MasterOptions) (*Master, error) {
	if o.TickInterval <= 0 {
		o.TickInterval = tickInterval
	}
	if o.InboxBytes <= 0 {
		o.InboxBytes = defaultInboxBytes
	}
	if o.HistoryBytes <= 0 {
		o.HistoryBytes = defaultHistoryBytes
	}
	if o.WatchBytes <= 0 {
		o.WatchBytes = defaultWatchBytes
	}
	if o.MaxEntryBytes <= 0 {
		o.MaxEntryBytes = defaultEntryBytes
	}
	h, err := openHistory(be, o.NewEpoch)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: open the history: %w", name, err), be.Close())
	}
	m := &Master{
		operations: newOperations(name, newInbox(o.InboxBytes), o.MaxEntryBytes),
		opt:        o, bus: bus, log: loggerFor(o.Logger, name).With("role", "master"), history: h,
		id: data.EntityID{Endpoint: bus.ID(), Object: h.object}, topic: topic.Clone(name), feed: newFeed(bus, name, o.WatchBytes),
		done: make(chan struct{}), be: be, deadlines: newDeadlines(), writers: map[data.EntityID]*writer{},
		status: Status{Name: name, Role: RoleMaster, State: StateLoading, History: h.id, Epoch: h.epoch, Sequence: h.sequence},
		clones: channel.NewProducer(channel.ProducerOptions{
			AddressEach: true, MaxBytes: o.HistoryBytes, MaxPaths: maxPeers, Start: h.sequence, Retain: o.HistoryBytes / 8,
		}),
		own:     newOwn(h),
		rivals:  rivals{known: map[data.EntityID]rival{}},
		foreign: foreign{stranded: map[data.EntityID]uint64{}},
	}
	m.direct = m.readNow
	m.SetExpiry(o.Expiry)
	m.board = newBoard(m.status)
	if m.board.lease.required = o.Leased; o.Lease > 0 {
		m.board.lease.grant.Store(&grant{time.Now(), o.Lease})
	}
	m.asks = newAsks(m.operations, m.board, bus, RoleMaster, m.id, m.log)
	m.asks.owner = m
	m.maintenance, m.endMaintenance = context.WithCancel(context.Background())
	detach, err := bus.AttachStore(topic.Master(name), m.asks.before(m.in.command))
	if err != nil {
		m.feed.watchers.leave()
		return nil, errors.Join(fmt.Errorf("store %s: attach master: %w", name, err), be.Close())
	}
	m.detach, m.share = detach, newShare(bus, func() { signal(m.in.ready) })
	m.turn.Lock()
	go m.run()
	return m, nil
}

// Close ends the master: what was taken in is still executed and committed, clones are not told. It closes the backend, and answers
// its error. A second call waits for the first and answers nil.
func (m *Master) Close() (err error) {
	m.closing.Do(func() {
		m.endMaintenance()
		m.detach()
		m.in.close()
		<-m.done
		m.asks.close()
		m.snapshots.close()
		m.feed.watchers.close(errClosing)
		m.feed.watchers.leave()
		m.share.leave()
		m.turn.Lock()
		defer m.turn.Unlock()
		m.ended = true
		err = m.be.Close()
	})
	return err
}

// SetExpiry makes entries go away so long after they were last written, if the write came without an expiry of its own; 0: they stay.
// Entries that are there keep what they have until they are written again.
func (m *Master) SetExpiry(d time.Duration) { m.expiry.Store(int64(max(0, d))) }

// ID is the master's identity among publishers of changes.
func (m *Master) ID() data.EntityID { return m.id }

func (m *Master) run() {
	defer close(m.done)
	m.load()
	m.turn.Unlock()
	ticker := time.NewTicker(m.opt.TickInterval)
	defer ticker.Stop()
	var items []item
	for closed := false; !closed; {
		tick := false
		select {
		case <-m.in.ready:
		case <-ticker.C:
			tick = true
		case <-m.in.closed:
			closed = true
		}
		m.turn.Lock()
		m.endLapse(closed)
		m.feed.begin()
		if tick {
			m.onTick()
		} else if at := m.expireAt; !at.IsZero() && m.failed == nil {
			m.expireAt = time.Time{}
			m.expire(at)
		}
		items, m.status.Dropped = m.in.take(items)
		m.handleAll(items)
		if closed {
			m.thaw("this master ends")
		}
		m.finish(items)
		m.turn.Unlock()
	}
	m.endLapse(true)
	m.answerWaiting(true)
	m.endTransfers()
	if m.failed == nil {
		m.announce(command.FlagClosing)
	}
}

// load reads the deadlines of what the backend holds.
func (m *Master) load() {
	if err := errors.Join(m.deadlines.load(m.be.Expiring()), m.loadRuns(), m.forgetWriters(time.Now()), m.loadLog(), m.loadFence(),
		m.loadHandover()); err != nil {
		m.fail(err)
	}
	m.finish(nil)
	if m.failed == nil {
		m.announce(0)
	}
}

// handle carries out what a caller or the bus asks, as far as that goes before the commit.
func (m *Master) handle(it *item) {
	switch it.kind {
	case commandRequest:
		if m.lapsed {
			m.receiveLapsed(it.payload)
			return
		}
		m.receive(it.payload)
	case writeRequest:
		if m.handing.frozen() {
			m.hold(it)
			return
		}
		it.ok, it.err = m.write(&it.write)
	case batchRequest:
		if m.handing.frozen() {
			m.hold(it)
			return
		}
		it.err = m.apply(it.batch, m.id)
	case idleRequest:
		m.waiting = append(m.waiting, it.req)
		m.own.ask = true
	case promoteRequest:
		m.promote(it.req)
	default:
		m.out.reads = append(m.out.reads, it.req)
	}
}

// finish ends a group: commit, then everything that others may see of it.
func (m *Master) finish(items []item) {
	m.commit()
	m.showStatus()
	if !m.withhold(items) {
		m.answerWrites(items)
		m.answerWrites(m.handing.thawed)
		m.handing.thawed = nil
	}
	for _, req := range m.out.reads {
		req.answer(m.read(req.read))
	}
	switch {
	case m.failed != nil:
		m.feed.drop()
		m.out.reset()
	case m.lapsed:
		m.out.resetReads()
	default:
		m.feed.publish(m.clones.Seq())
		m.publish()
		m.answerTargets()
		m.out.reset()
	}
	m.answerPromoted()
	m.keepShare()
	m.answerWaiting(false)
	if m.failed != nil {
		m.showStatus()
	}
}

// answerWrites answers the writes of a group.
func (m *Master) answerWrites(items []item) {
	for i := range items {
		if it := &items[i]; it.pending != nil {
			if m.failed != nil {
				it.ok, it.err = false, m.failed
			}
			it.pending.resolve(it.ok, it.err)
		}
	}
}

// commit makes durable what the group has changed so far, and the number that it has come to.
func (m *Master) commit() {
	if m.failed != nil {
		return
	}
	var err error
	seq := m.clones.Seq()
	if seq != m.history.sequence {
		m.dirty, m.wrote = true, true
		err = setNumber(m.be, metaSequence, seq)
	}
	if err == nil {
		err = errors.Join(m.keepWriters(), m.keepLog())
	}
	if m.dirty && err == nil {
		err = m.be.Commit()
	}
	m.dirty = false
	if err != nil {
		m.fail(err)
		return
	}
	m.history.sequence = seq
}

// fail ends the service: the storage can't be trusted any more.
func (m *Master) fail(err error) {
	if m.failed == nil {
		m.failed = err
		m.log.Error("the backend failed; the store serves nothing until it is opened again", "error", err)
	}
}

func (m *Master) onTick() {
	if m.failed != nil {
		return
	}
	m.tick++
	if m.lapsed {
		if m.tick%announceTicks == 0 {
			m.announce(0)
		}
		return
	}
	m.feed.watchers.rest(time.Now())
	m.tickHandover(time.Now())
	m.expire(time.Now())
	if m.tick%announceTicks == 0 {
		m.announce(0)
		if len(m.rivals.known) > 0 {
			m.judge()
		}
	}
	if m.tick%tellTicks == 0 {
		m.askOwn() // while there are changes the channel has no keepalives, which say more than the number
	}
	m.clones.Tick(&m.out.toClones)
	for id, w := range m.writers {
		if m.tick-w.lastSeen >= channel.DefaultTimeout {
			m.dropWriter(id, true)
			continue
		}
		w.consumer.Tick(&m.out.input)
		m.consumed(id)
	}
	m.forgetDropped()
	m.sweepTransfers()
}

// answerWaiting answers who waits for the master to be idle, if it is, or if there is no more time.
func (m *Master) answerWaiting(last bool) {
	if len(m.waiting) == 0 {
		return
	}
	idle := m.idle()
	kept := m.waiting[:0]
	for _, req := range m.waiting {
		switch {
		case m.failed != nil:
			req.answer(answer{err: m.failed})
		case idle:
			req.answer(answer{ok: true})
		case last:
			req.answer(answer{err: errClosing})
		case !req.abandoned.Load():
			kept = append(kept, req)
		}
	}
	clear(m.waiting[len(kept):])
	m.waiting = kept
}

// idle tells whether all clones have everything and all writers are known to have sent no more.
func (m *Master) idle() bool {
	if !m.clones.Idle() || len(m.handshake.pending) > 0 {
		return false
	}
	for _, w := range m.writers {
		if !w.consumer.Idle() {
			return false
		}
	}
	return true
}

func (m *Master) showStatus() {
	s := &m.status
	s.State, s.Err = StateServing, m.failed
	if m.failed != nil {
		s.State = StateFailed
	} else {
		size := m.be.Size()
		s.Entries, s.Bytes = size.Entries, size.Bytes
	}
	s.Stranded = m.strandedClones()
	s.Sequence, s.Clones = m.history.sequence, m.clones.Established()
	m.show(*s)
}

func (o *effects) resetReads() {
	clear(o.reads)
	o.reads = o.reads[:0]
}

func (o *effects) reset() {
	o.resetReads()
	clear(o.toClones)
	clear(o.toWriters)
	o.toClones, o.toWriters = o.toClones[:0], o.toWriters[:0]
	o.input.Reset()
}
