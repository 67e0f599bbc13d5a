// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// transferSilence is how long a snapshot may make no progress until the clone asks anew.
const transferSilence = 2 * time.Second

// incoming is a snapshot on its way from a master of our kind.
type incoming struct {
	master  data.EntityID
	begin   command.SnapshotBegin
	next    uint64
	content *memory.Backend
	entries uint64
	sum     uint32
	heard   time.Time
}

// seekTrailer is what goes with the question for a master.
func (c *Clone) seekTrailer() *command.Trailer {
	t := &command.Trailer{Features: features}
	if c.content.Size().Entries > 0 { // else there is nothing that another history could replace
		t.History, t.Epoch, t.Run, t.Number = c.known.History, c.known.Epoch, c.known.Run, c.number
	}
	if c.adopting != (command.History{}) {
		t.Flags |= command.FlagAdopt
	}
	if c.known.Volatile {
		t.Flags |= command.FlagVolatile
	}
	return t
}

// fromOwn takes what masters of our kind say beyond the protocol, and answers whether msg was that.
func (c *Clone) fromOwn(msg command.Message, size int) bool {
	if msg.Body.Kind().Class() != command.Extended {
		return false
	}
	r := &c.reader
	if c.toTakeOver(msg) {
		return true
	}
	mine := !msg.Receiver.IsZero() && (msg.Receiver == r.id || msg.Receiver == r.former)
	switch body := msg.Body.(type) {
	case *command.Bundle:
		c.bundle(msg, body, size)
	case *command.Resume:
		if mine && r.master.IsZero() {
			c.resume(msg, body)
		}
	case *command.SnapshotBegin:
		if mine {
			c.beginTransfer(msg, body)
		}
	case *command.SnapshotPart:
		if in := r.incoming; mine && in != nil && in.begin.Transfer == body.Transfer {
			c.takePart(in, body)
		}
	case *command.SnapshotEnd:
		if in := r.incoming; mine && in != nil && in.begin.Transfer == body.Transfer {
			c.endTransfer(in, body)
		}
	case *command.OtherHistory:
		if mine && r.master.IsZero() && !c.acceptable(body.Position) {
			c.meetHistory(body.Position)
		}
	case *command.UnknownClone:
		if mine && msg.Sender == r.master {
			c.resync("the master does not know this clone any more", true)
		}
	}
	return true
}

// bundle takes several events in one message.
func (c *Clone) bundle(msg command.Message, body *command.Bundle, size int) {
	if len(body.Events) == 0 {
		return
	}
	each := size/len(body.Events) + 1
	var out channel.Output[command.Command]
	for i, e := range body.Events {
		event := command.Message{Seq: msg.Seq + uint64(i), Sender: msg.Sender, Body: e}
		if c.reader.master.IsZero() {
			c.beforeHandshake(event, each)
		} else if msg.Sender == c.reader.master {
			c.newest(event.Seq)
			c.reader.consumer.Event(&out, event.Seq, e, each)
		}
	}
	if msg.Sender == c.reader.master {
		c.hear()
		c.applied(out)
	}
}

// applied carries out what the channel delivered, and takes note if that is all that the master had when it last said so.
func (c *Clone) applied(out channel.Output[command.Command]) {
	c.apply(out)
	if r := &c.reader; !r.master.IsZero() && r.consumer.Applied() >= r.said.number {
		r.syncedAt = r.said.at
	}
}

// resume goes on with the content that the clone has.
func (c *Clone) resume(msg command.Message, body *command.Resume) {
	if body.History != c.known.History || body.Offset != c.number || body.Epoch < c.known.Epoch || !c.readable {
		return
	}
	c.log.Info("attached without a snapshot", "master", msg.Sender.String(), "number", body.Offset)
	// The master may be further than the offset: its next keepalive tells.
	c.follow(msg.Sender, msg.Receiver, body.Position, body.Offset, body.Interval, c.reader.syncedAt, true)
}

// acceptable tells whether the clone may take the content of a history.
func (c *Clone) acceptable(p command.Position) bool {
	switch {
	case c.content.Size().Entries == 0:
		return true
	case c.known.History == command.History{} || p.History == c.known.History:
		return p.Epoch >= c.known.Epoch
	default:
		return c.known.Volatile || p.History == c.adopting
	}
}

func (c *Clone) beginTransfer(msg command.Message, body *command.SnapshotBegin) {
	r := &c.reader
	in := r.incoming
	switch {
	case !r.master.IsZero():
		c.ackPart(msg.Sender, msg.Receiver, body.Transfer, unwanted)
		return
	case in != nil && in.begin.Transfer == body.Transfer:
		in.heard = c.now
	case in != nil && in.master != msg.Sender && c.now.Sub(in.heard) < transferSilence:
		return // one at a time
	case !c.acceptable(body.Position):
		c.meetHistory(body.Position)
		c.ackPart(msg.Sender, msg.Receiver, body.Transfer, unwanted)
		return
	default:
		if r.early != msg.Sender {
			r.early, r.consumer = msg.Sender, channel.NewConsumer[command.Command](channel.ConsumerOptions{})
		}
		in = &incoming{master: msg.Sender, begin: *body, next: 1, content: memory.New(), heard: c.now}
		r.incoming, r.id = in, msg.Receiver
	}
	c.ackPart(in.master, r.id, in.begin.Transfer, in.next)
}

func (c *Clone) takePart(in *incoming, body *command.SnapshotPart) {
	in.heard = c.now
	if body.Part == in.next {
		in.next++
		in.sum = body.Entries.Sum(in.sum)
		in.entries += uint64(body.Entries.Len())
		now := time.Now()
		for e := range body.Entries.All() {
			c.takeEntry(in, e, now)
		}
	}
	c.ackPart(in.master, c.reader.id, body.Transfer, in.next)
}

// takeEntry keeps an entry; one that the clone has already is shared with the old content.
func (c *Clone) takeEntry(in *incoming, e command.Entry, now time.Time) {
	entry := backend.Entry{Key: data.Canonical(e.Key), Value: data.Canonical(e.Value), Deadline: deadlineIn(now, e.Left)}
	if old, ok, _ := c.content.Get(entry.Key); ok && data.Equal(old.Value, entry.Value) {
		entry.Value = old.Value
	}
	in.content.Put(entry)
	in.content.Commit()
}

// deadlineIn is when what has that much time left expires, as far as a clone can tell.
func deadlineIn(now time.Time, left command.Expiry) backend.Deadline {
	if !left.Set {
		return backend.Never
	}
	return backend.DeadlineAfter(now, left.After)
}

func (c *Clone) endTransfer(in *incoming, body *command.SnapshotEnd) {
	r := &c.reader
	in.heard = c.now
	if body.Part != in.next {
		c.ackPart(in.master, r.id, body.Transfer, in.next)
		return
	}
	c.ackPart(in.master, r.id, body.Transfer, in.next+1)
	r.incoming = nil
	if body.Entries != in.entries || body.Checksum != in.sum {
		c.log.Warn("a snapshot is not what the master sent; asking for another one", "master", in.master.String(),
			"entries", in.entries, "of", body.Entries)
		return
	}
	c.log.Info("attached", "master", in.master.String(), "entries", in.entries, "offset", in.begin.Offset)
	c.swap(in.content, in.master, in.begin.Offset, in.begin.History != c.known.History)
	c.follow(in.master, r.id, in.begin.Position, in.begin.Offset, in.begin.Interval, r.asked, true)
}

func (c *Clone) ackPart(master, own data.EntityID, transfer, next uint64) {
	c.send(command.Message{Sender: own, Receiver: master, Body: &command.SnapshotAck{Transfer: transfer, Next: next}}, master.Endpoint)
}

// follow begins to follow a master of our kind from a number on; the content is that of the number, which the master was at at a time.
func (c *Clone) follow(master, own data.EntityID, p command.Position, offset uint64, interval uint16, asOf time.Time, resumed bool) {
	c.known = p
	c.adopting = command.History{}
	c.status.NewHistory = HistoryID{}
	c.reader.extended = true
	c.attached(master, own, offset, interval, asOf, resumed)
	if len(c.adopters) > 0 {
		c.showStatus() // whoever waited finds the new history there
	}
	for _, req := range c.adopters {
		req.answer(answer{ok: true})
	}
	c.adopters = nil
}

// heardFrom looks at what a keepalive says of the master: one that was started anew has to be asked again.
func (c *Clone) heardFrom(t *command.Trailer) {
	if t != nil && c.reader.extended {
		c.reader.foreign = t.Foreign
	}
	switch {
	case t == nil || !c.reader.extended:
	case t.Flags&command.FlagFenced != 0:
		c.resync("another master has taken over", true)
	case t.Run != c.known.Run:
		c.resync("the master was started anew", true)
	case t.History == c.known.History:
		c.known.Epoch = max(c.known.Epoch, t.Epoch) // it may have been promoted
	}
}

// meetHistory takes note of a master whose content is not the continuation of the clone's. The old content stays until somebody says
// that the new one is wanted.
func (c *Clone) meetHistory(p command.Position) {
	id := HistoryID(p.History)
	if p.History == c.known.History || c.status.NewHistory == id {
		return
	}
	c.log.Warn("the master has another history; the content stays as it is until that is confirmed", "history", id.String(), "epoch", p.Epoch)
	c.status.NewHistory = id
}

// ErrNoNewHistory is the answer to Adopt at a clone that follows its master's history, or knows of no other.
var ErrNoNewHistory = errors.New("store: the clone has met no other history")

// Adopt says that the history which the clone has met (Status.NewHistory) is wanted: the clone gives up what it has, and follows it.
// It returns when the clone has the content. Error: ErrNoNewHistory.
func (c *Clone) Adopt(ctx context.Context) error {
	_, err := c.do(ctx, read{kind: adoptRequest})
	return err
}

func (c *Clone) adopt(req *request) {
	if c.status.NewHistory.IsZero() {
		req.answer(answer{err: ErrNoNewHistory})
		return
	}
	c.adopting = command.History(c.status.NewHistory)
	c.adopters = append(c.adopters, req)
	c.seek()
}
