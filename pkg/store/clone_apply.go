// SPDX-License-Identifier: Apache-2.0

package store

import (
	"iter"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// apply carries out what the channel delivered and sends what it has to say. A number that is gone for good makes everything behind it
// worthless: the clone asks for a new snapshot.
func (c *Clone) apply(out channel.Output[command.Command]) {
	for _, d := range out.Deliveries {
		if d.Lost {
			c.resync("a change is lost", true)
			return
		}
		canonical(d.Payload)
		c.number = d.Seq
		c.execute(d.Payload)
	}
	c.read(out.Messages)
}

// execute carries out one change that the master replayed. What makes no sense for a clone counts as an event and does nothing.
func (c *Clone) execute(body command.Command) {
	switch body := body.(type) {
	case *command.Put:
		c.put(body)
	case *command.PutUniqueResult:
		c.writes.result(body)
	case *command.Erase:
		c.remove(body.Key, ChangeErase, body.Publisher)
	case *command.Expire:
		c.remove(body.Key, ChangeExpire, body.Publisher)
	case *command.Clear:
		c.clear(body.Publisher)
	}
}

// The content of a clone is in memory and never fails, so errors of its backend are not looked at.

func (c *Clone) put(body *command.Put) {
	old, present, _ := c.content.Get(body.Key)
	c.tap.touched(body.Key)
	expiry := body.Expiry
	if body.Hidden.Set {
		expiry = body.Hidden
	}
	c.content.Put(backend.Entry{Key: body.Key, Value: body.Value, Deadline: deadlineIn(c.now, expiry)})
	change := Change{Kind: ChangeInsert, Key: body.Key, New: body.Value, Expiry: body.Expiry, Publisher: body.Publisher}
	if present {
		change.Kind, change.Old = ChangeUpdate, old.Value
	}
	c.changed(change)
}

func (c *Clone) remove(key data.Value, kind ChangeKind, publisher data.EntityID) {
	old, present, _ := c.content.Get(key)
	if present {
		c.content.Erase(key)
		c.tap.touched(key)
		c.changed(Change{Kind: kind, Key: key, Old: old.Value, Publisher: publisher})
	}
}

func (c *Clone) clear(publisher data.EntityID) {
	for e := range c.entries() {
		c.changed(Change{Kind: ChangeErase, Key: e.Key, Old: e.Value, Publisher: publisher})
	}
	c.content.Clear()
	c.tap.replaced()
}

// changed tells the feed of a change that belongs to the number being applied.
func (c *Clone) changed(change Change) {
	change.Number = c.number
	c.feed.add(change)
}

// replace makes a snapshot the content. Of keys that a snapshot holds twice the later counts.
func (c *Clone) replace(snapshot command.Snapshot, master data.EntityID, number uint64) {
	content := memory.New()
	for key, value := range snapshot.Entries() {
		content.Put(backend.Entry{Key: data.Canonical(key), Value: data.Canonical(value), Deadline: backend.Never})
	}
	c.swap(content, master, number, false)
}

// swap replaces the content by that of a number, of another history or of the same, and raises events for what differs.
func (c *Clone) swap(content *memory.Backend, master data.EntityID, number uint64, other bool) {
	if other || number < c.number { // the numbers say nothing about those before
		c.feed.watchers.restart(number)
	}
	c.number = number
	before := c.content
	c.content = content
	c.tap.replaced()
	for e := range c.entries() {
		switch old, present, _ := before.Get(e.Key); {
		case !present:
			c.changed(Change{Kind: ChangeInsert, Key: e.Key, New: e.Value, Publisher: master})
		case !data.Equal(old.Value, e.Value):
			c.changed(Change{Kind: ChangeUpdate, Key: e.Key, Old: old.Value, New: e.Value, Publisher: master})
		}
	}
	before.Commit()
	gone, _ := before.Snapshot()
	defer gone.Close()
	for e := range gone.Entries() {
		if _, present, _ := c.content.Get(e.Key); !present {
			c.changed(Change{Kind: ChangeErase, Key: e.Key, Old: e.Value, Publisher: master})
		}
	}
}

// answerRead answers a read from the content.
func (c *Clone) answerRead(r read) answer {
	switch r.kind {
	case watchRequest:
		return c.feed.watch(c.number)
	case copyRequest:
		return c.copyContent(r.whole)
	}
	switch {
	case r.kind == markedRequest:
		return c.markedRead(r.key)
	case c.opt.StaleReads == RefuseStale && c.stale():
		return answer{err: ErrStale}
	}
	c.content.Commit()
	a := readFrom(c.content, r)
	if r.kind == snapshotRequest {
		a.snapshot = c.snapshots.add(a.content, c.number)
		c.feed.watch(c.number) // somebody may want to know what comes after it
	}
	return a
}

// entries are those of the content as it is when they are asked for.
func (c *Clone) entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		c.content.Commit()
		content, _ := c.content.Snapshot()
		defer content.Close()
		content.Entries()(yield)
	}
}
