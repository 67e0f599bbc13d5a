// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// CloneOptions configure a Clone. Zero fields mean the defaults.
type CloneOptions struct {
	// StaleAfter is how long the clone may be without knowing itself in sync before its state is StateStale; 0: for ever. Masters
	// speak at least every 500 ms, so anything shorter than about two seconds tells of jitter rather than of trouble.
	StaleAfter time.Duration
	// StaleReads is what reads get while the state is StateStale because of StaleAfter.
	StaleReads StaleReads
	// Logger is where the clone tells what happens; nil: nowhere.
	Logger *slog.Logger
	// InboxBytes bounds the requests and commands that wait, 8 MiB.
	InboxBytes int
	// WatchBytes bounds the changes kept for watchers, 4 MiB.
	WatchBytes int
	// QueueBytes bounds the writes that the master has not acknowledged yet, 16 MiB. Beyond that writes answer ErrFull.
	QueueBytes int
}

// Clone is a copy of a store whose master is elsewhere. Reads are answered from the copy; writes go to the master, and show in the
// copy when the master has replayed them.
type Clone struct {
	*operations
	*board
	opt     CloneOptions
	bus     Bus
	log     *slog.Logger
	topic   string
	detach  func()
	closing sync.Once
	done    chan struct{}
	asks    *asks

	// Everything below belongs to the goroutine.

	snapshots snapshots
	status    Status
	now       time.Time
	// number is that of the last change applied.
	number   uint64
	content  *memory.Backend
	readable bool
	// reads are those of the batch, waiting those that wait for content.
	reads   []*request
	waiting []waitingRead
	idlers  []*request
	reader  reader
	writes  writes
	feed    *feed
	share   *share
	// known is which content the clone has, if its master said so.
	known command.Position
	// adopting is the other history that somebody wants, and adopters who waits for it.
	adopting command.History
	adopters []*request
	// tap is what TakeOver needs, nil if there is none; leaving waits for the end of the writes.
	// mailbox is where what a master says about a handover goes; anybody may read and set it.
	mailbox atomic.Pointer[mailbox]
	tap     *tap
	leaving []*request
	// left: nothing is written here any more, the master is beside it.
	left bool
}

// waitingRead is a read that waits for the first content.
type waitingRead struct {
	req   *request
	until time.Time
}

// NewClone starts a clone of the name on the bus. It returns at once; the clone looks for its master by itself.
func NewClone(bus Bus, name string, o CloneOptions) (*Clone, error) {
	if o.InboxBytes <= 0 {
		o.InboxBytes = defaultInboxBytes
	}
	if o.WatchBytes <= 0 {
		o.WatchBytes = defaultWatchBytes
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = defaultQueueBytes
	}
	c := &Clone{
		operations: newOperations(name, newInbox(o.InboxBytes), 0),
		opt:        o, bus: bus, log: loggerFor(o.Logger, name).With("role", "clone"),
		topic: topic.Master(name), feed: newFeed(bus, name, o.WatchBytes), done: make(chan struct{}),
		status: Status{Name: name, Role: RoleClone, State: StateAttaching}, content: memory.New(),
	}
	c.reader = newReader(c.newID())
	c.writes = newWrites(c.newID())
	c.board = newBoard(c.status)
	c.asks = newAsks(c.operations, c.board, bus, RoleClone, c.newID(), c.log)
	detach, err := bus.AttachStore(topic.Clone(name), c.asks.before(c.in.command))
	if err != nil {
		c.feed.watchers.leave()
		return nil, fmt.Errorf("store %s: attach clone: %w", name, err)
	}
	c.detach, c.share = detach, newShare(bus, nil)
	go c.run()
	return c, nil
}

// Close ends the clone. Nobody is told, and writes that the master has not got yet are lost. A second call waits for the first.
func (c *Clone) Close() error {
	c.closing.Do(func() {
		c.detach()
		c.in.close()
		<-c.done
		c.asks.close()
		c.snapshots.close()
		c.feed.watchers.close(code.ShuttingDown)
		c.feed.watchers.leave()
		c.share.leave()
	})
	return nil
}

func (c *Clone) newID() data.EntityID {
	return data.EntityID{Endpoint: c.bus.ID(), Object: newObject()}
}

func (c *Clone) run() {
	defer close(c.done)
	c.now = time.Now()
	c.seek()
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	var items []item
	for closed := false; !closed; {
		tick := false
		select {
		case <-c.in.ready:
		case <-ticker.C:
			tick = true
		case <-c.in.closed:
			closed = true
		}
		c.now = time.Now()
		c.feed.begin()
		items, c.status.Dropped = c.in.take(items)
		for i := range items {
			c.handle(&items[i])
		}
		if tick {
			c.onTick()
		}
		c.finish()
	}
	c.end()
}

// seek asks all masters of the name to be attached, and tells those of our kind what the clone has already.
func (c *Clone) seek() {
	c.send(command.Message{Sender: c.reader.id, Body: &command.Nack{Seqs: []uint64{0}}, Trailer: c.seekTrailer()}, data.EndpointID{})
}

func (c *Clone) onTick() {
	var out channel.Output[command.Command]
	c.reader.consumer.Tick(&out)
	c.read(out.Messages)
	c.feed.watchers.rest(c.now)
	c.tickWrites()
	c.watchMaster()
	kept := c.waiting[:0]
	for _, w := range c.waiting {
		switch {
		case c.now.After(w.until):
			w.req.answer(answer{err: code.StaleData})
		case !w.req.abandoned.Load():
			kept = append(kept, w)
		}
	}
	clear(c.waiting[len(kept):])
	c.waiting = kept
}

// finish ends a batch: events, answers to those who wait for peace, status.
func (c *Clone) finish() {
	c.flushQueue()
	c.content.Commit()
	c.feed.publish(c.number)
	c.writes.answerLate(c.number)
	c.answerReads()
	idle := c.idle()
	kept := c.idlers[:0]
	for _, req := range c.idlers {
		if idle {
			req.answer(answer{ok: true})
		} else if !req.abandoned.Load() {
			kept = append(kept, req)
		}
	}
	clear(c.idlers[len(kept):])
	c.idlers = kept
	c.answerLeaving()
	c.keepShare()
	c.showStatus()
}

// answerReads answers the reads of a batch, or lets them wait for content.
func (c *Clone) answerReads() {
	if c.readable {
		for _, w := range c.waiting {
			c.reads = append(c.reads, w.req)
		}
		clear(c.waiting)
		c.waiting = c.waiting[:0]
	}
	for _, req := range c.reads {
		if c.readable {
			req.answer(c.answerRead(req.read))
		} else {
			c.waiting = append(c.waiting, waitingRead{req, c.now.Add(readTimeout)})
		}
	}
	clear(c.reads)
	c.reads = c.reads[:0]
}

// end answers everybody who still waits.
func (c *Clone) end() {
	for _, w := range c.waiting {
		w.req.answer(answer{err: code.ShuttingDown})
	}
	for _, req := range slices.Concat(c.idlers, c.adopters, c.leaving) {
		req.answer(answer{err: code.ShuttingDown})
	}
	c.writes.end()
}

// handle carries out what a caller or the bus asks.
func (c *Clone) handle(it *item) {
	switch {
	case it.kind == commandRequest:
		c.receive(it.payload)
	case it.kind == writeRequest:
		c.write(it.write.command(c.writes.who), it.write.size(), it.pending)
	case it.kind == batchRequest:
		c.write(it.batch.command(c.writes.who), it.batch.size(), it.pending)
	case it.kind == idleRequest:
		c.idlers = append(c.idlers, it.req)
	case it.kind == adoptRequest:
		c.adopt(it.req)
	case it.kind == leaveRequest:
		c.leave(it.req)
	default:
		c.reads = append(c.reads, it.req)
	}
}

// idle tells whether the clone has everything that it knows of and the master all its writes.
func (c *Clone) idle() bool {
	return c.reader.consumer.Idle() && c.writes.idle()
}

func (c *Clone) showStatus() {
	s := &c.status
	size := c.content.Size()
	s.Entries, s.Bytes = size.Entries, size.Bytes
	s.Sequence, s.Lag = c.reader.consumer.Applied(), c.reader.consumer.Lag()
	s.History, s.Epoch = HistoryID(c.known.History), c.known.Epoch
	s.SyncedAt, s.Err = c.reader.syncedAt, c.reader.broken
	s.WritesWaiting, s.WritesUnknown = c.writes.waitingCount(), c.writes.unknown
	switch {
	case c.reader.broken != nil:
		s.State = StateBroken
	case !c.readable:
		s.State = StateAttaching
	case !s.NewHistory.IsZero():
		s.State = StateStale
	case c.stale():
		s.State = StateStale
	case c.reader.master.IsZero():
		s.State = StateAttaching
	default:
		s.State = StateSynced
	}
	c.show(*s)
}
