// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// Bounds of snapshots on their way to clones of our kind.
const (
	partBytes    = 256 << 10
	windowBytes  = 1 << 20
	maxTransfers = 8
	// resendAfter is how long parts may stay unacknowledged until they are sent again, transferTimeout until the clone is given up.
	resendAfter     = 500 * time.Millisecond
	transferTimeout = 50 * time.Second
)

// transfer is a snapshot on its way to a clone. It has a goroutine of its own, so that reading the content holds nobody up.
type transfer struct {
	begin command.SnapshotBegin
	clone data.EntityID
	snap  backend.Snapshot
	send  func(body command.Command) []byte
	// resend sends a payload that was sent before.
	resend func(payload []byte)

	cancel context.CancelFunc
	// next is the first part that the clone lacks. wake holds a token when it has changed, again when the clone asks.
	next  atomic.Uint64
	wake  chan struct{}
	again chan struct{}
	// over is set when the goroutine ends, after err.
	over atomic.Bool
	err  error

	// What follows belongs to the goroutine: the parts not acknowledged, of which the first has the number base.
	sent  [][]byte
	bytes int
	base  uint64
	part  uint64
}

// startTransfer attaches a clone and begins to send it the content, unless too many get theirs already.
func (m *Master) startTransfer(clone data.EntityID) {
	m.sweepTransfers()
	if len(m.own.transfers) >= maxTransfers || m.failed != nil {
		return // it asks again
	}
	snap, err := m.snapshot()
	if err != nil {
		m.fail(err)
		return
	}
	if !m.clones.AttachAt(clone, m.clones.Seq()) {
		snap.Close()
		return
	}
	size := snap.Size()
	ctx, cancel := context.WithCancel(context.Background())
	tr := &transfer{
		begin: command.SnapshotBegin{
			Transfer: rand.Uint64(), Offset: m.clones.Seq(), Interval: channel.DefaultHeartbeat, Position: m.own.position,
			Entries: uint64(size.Entries), Bytes: uint64(size.Bytes),
		},
		clone: clone, snap: snap, cancel: cancel, wake: make(chan struct{}, 1), again: make(chan struct{}, 1),
		resend: func(payload []byte) { m.send(clone.Endpoint, payload) },
		send: func(body command.Command) []byte {
			msg := command.Message{Sender: m.id, Receiver: clone, Body: body}
			payload := msg.Marshal()
			m.send(clone.Endpoint, payload)
			return payload
		},
	}
	m.own.clones[clone] = struct{}{}
	m.own.transfers[clone] = tr
	m.own.group.Go(func() { tr.run(ctx) })
}

// sweepTransfers forgets the transfers that are over.
func (m *Master) sweepTransfers() {
	for clone, tr := range m.own.transfers {
		if !tr.over.Load() {
			continue
		}
		tr.cancel()
		delete(m.own.transfers, clone)
		if tr.err != nil {
			m.log.Warn("a clone did not get its snapshot", "clone", clone.String(), "error", tr.err)
		}
	}
}

// endTransfers ends all transfers and waits for them.
func (m *Master) endTransfers() {
	for _, tr := range m.own.transfers {
		tr.cancel()
	}
	m.endSum()
	m.own.group.Wait()
}

// snapshotAck takes what a clone has of its snapshot.
func (m *Master) snapshotAck(clone data.EntityID, body *command.SnapshotAck) {
	tr := m.own.transfers[clone]
	if tr == nil || tr.begin.Transfer != body.Transfer {
		return
	}
	m.clones.Seen(clone)
	m.sendToClones(channel.Message{Kind: channel.Heartbeat, To: clone, Seq: m.clones.Seq()}) // so that it knows what it lacks
	if body.Next == unwanted {
		tr.cancel()
		return
	}
	if body.Next > tr.next.Load() {
		tr.next.Store(body.Next)
		signal(tr.wake)
	}
}

// unwanted is the next part of a clone that has no use for the snapshot.
const unwanted = ^uint64(0)

// poke makes the transfer send again what is under way.
func (t *transfer) poke() { signal(t.again) }

func (t *transfer) run(ctx context.Context) {
	defer t.over.Store(true)
	defer t.snap.Close()
	t.err = t.sendAll(ctx)
	if ctx.Err() != nil {
		t.err = nil // nobody wants it any more
	}
}

func (t *transfer) sendAll(ctx context.Context) error {
	if err := t.deliver(ctx, &t.begin, 0); err != nil {
		return err
	}
	var e command.Entries
	end := command.SnapshotEnd{Transfer: t.begin.Transfer}
	flush := func() error {
		end.Entries += uint64(e.Len())
		end.Checksum = e.Sum(end.Checksum)
		err := t.deliver(ctx, &command.SnapshotPart{Transfer: t.begin.Transfer, Part: t.part, Entries: e}, e.Size())
		e.Reset()
		return err
	}
	for entry, err := range t.snap.Entries() {
		if err != nil {
			return err
		}
		e.Add(entry.Key, entry.Value, timeLeft(entry.Deadline))
		if e.Size() >= partBytes-partBytes/16 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if e.Len() > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	end.Part = t.part
	if err := t.deliver(ctx, &end, 0); err != nil {
		return err
	}
	return t.await(ctx, func() bool { return len(t.sent) == 0 })
}

// deliver sends a part as soon as there is room for it under way.
func (t *transfer) deliver(ctx context.Context, body command.Command, size int) error {
	if err := t.await(ctx, func() bool { return len(t.sent) == 0 || t.bytes+size <= windowBytes }); err != nil {
		return err
	}
	payload := t.send(body)
	t.sent = append(t.sent, payload)
	t.bytes += len(payload)
	t.part++
	return nil
}

// await waits for acks until enough tells that they suffice.
func (t *transfer) await(ctx context.Context, enough func() bool) error {
	var timer *time.Timer
	silent := time.Duration(0)
	for t.acknowledged(); !enough(); t.acknowledged() {
		if timer == nil {
			timer = time.NewTimer(resendAfter)
			defer timer.Stop()
		}
		select {
		case <-t.wake:
			silent = 0
			timer.Reset(resendAfter)
			continue
		case <-t.again:
		case <-timer.C:
			silent += resendAfter
		case <-ctx.Done():
			return ctx.Err()
		}
		if silent >= transferTimeout {
			return context.DeadlineExceeded
		}
		for _, payload := range t.sent {
			t.resend(payload)
		}
		timer.Reset(resendAfter)
	}
	return nil
}

// acknowledged forgets the parts that the clone has.
func (t *transfer) acknowledged() {
	for next := t.next.Load(); t.base < next && len(t.sent) > 0; t.base++ {
		t.bytes -= len(t.sent[0])
		t.sent[0] = nil
		t.sent = t.sent[1:]
	}
}

// timeLeft is how long an entry with that deadline still lives.
func timeLeft(deadline backend.Deadline) command.Expiry {
	if deadline == backend.Never {
		return command.Expiry{}
	}
	return command.Expiry{Set: true, After: max(time.Nanosecond, time.Until(time.Unix(0, int64(deadline))))}
}
