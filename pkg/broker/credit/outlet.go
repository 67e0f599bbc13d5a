// SPDX-License-Identifier: Apache-2.0

package credit

import "time"

const (
	// Patience is how long an origin goes on to count on a subscriber that grants nothing.
	Patience = 5 * time.Second
	// Forget is after how long without any grant an origin forgets a flow.
	Forget = 60 * time.Second
	// markEvery is how often an origin repeats its mark while something is under way.
	markEvery = time.Second
	// wantedFor is how long somebody who was refused counts as waiting.
	wantedFor = 2 * time.Second
)

// Outlet is what an origin keeps of one flow. Its owner guards it.
type Outlet struct {
	flow, epoch, number  uint64
	started, finished    Amount // messages that may go out, and of those the ones that are queued
	ticked               Amount // what had started at the last tick
	arrived, limit       Amount // as granted
	taken                uint64 // as the last grant said
	empty                bool
	held                 bool // publishers wait for the subscriber
	waiters              int
	refused              bool      // somebody found no room since the last tick
	need                 uint64    // the size of the message that last found no room
	heard, risen         time.Time // the last grant, and the last that brought room or showed that messages are taken
	outstanding, waiting time.Time // since when ticks have seen something under way, and somebody without room
	wanted, marked       time.Time // when a tick last saw somebody without room; the last mark
	markDue, markSoon    bool
	givenUp              time.Time // when it was dropped; zero while it is held
}

// NewOutlet begins a flow that a first grant asks for. The epoch is random and not zero.
func NewOutlet(g *Grant, epoch uint64, now time.Time) *Outlet {
	return &Outlet{
		flow: g.Flow, epoch: epoch, number: g.Number, limit: g.Room, taken: g.Taken, empty: g.Empty, held: true,
		heard: now, risen: now, markSoon: true,
	}
}

// Ready tells whether a message of so many bytes may go out as far as this subscriber is concerned.
func (o *Outlet) Ready(size int) bool { return !o.held || o.fits(size) }

func (o *Outlet) fits(size int) bool {
	after := o.started.Plus(One(size))
	return !after.above(o.limit) || o.empty && o.started == o.arrived
}

// Wait says that somebody waits for room for a message; Unwait must follow.
func (o *Outlet) Wait(size int) {
	o.waiters++
	o.Refuse(size)
}

// Unwait says that somebody who waited does so no longer.
func (o *Outlet) Unwait() { o.waiters-- }

// Refuse says that there was no room for a message, and that nobody waits for it.
func (o *Outlet) Refuse(size int) {
	o.markDue = o.markDue || o.need == 0
	o.refused, o.need = true, max(uint64(max(size, 0)), 1)
}

// Start counts a message that is going out, whether there is room for it or not. Finish must follow.
func (o *Outlet) Start(size int) { o.started = o.started.Plus(One(size)) }

// Finish says that a message is in the queues, or will never be.
func (o *Outlet) Finish(size int) { o.finished = o.finished.Plus(One(size)) }

// Grant takes a grant. The answer tells whether those who wait should look again.
func (o *Outlet) Grant(g *Grant, now time.Time) (look bool) {
	if g.Number <= o.number {
		return false
	}
	o.number, o.heard = g.Number, now
	arrived, limit := o.arrived, g.Room
	if g.Epoch == o.epoch {
		arrived = g.Arrived.Min(o.started)
		limit = arrived.Plus(g.Room)
		o.markDue = true
	} else {
		o.markSoon = true
	}
	alive := g.Taken != o.taken
	if alive || limit.above(o.limit) {
		o.risen = now
	}
	o.arrived, o.limit, o.taken, o.empty = arrived, limit, g.Taken, g.Empty
	if o.fits(int(o.need)) {
		o.need = 0
	}
	if !o.held && g.Epoch == o.epoch && (alive || o.fits(0)) {
		o.held, o.risen, o.givenUp = true, now, time.Time{}
		o.outstanding, o.waiting, o.wanted = time.Time{}, time.Time{}, time.Time{}
	}
	return true
}

// Mark answers a mark if one is due. Between is the shortest time between two marks.
func (o *Outlet) Mark(now time.Time, between time.Duration) (Mark, bool) {
	if !o.markDue && !o.markSoon || !o.marked.IsZero() && now.Sub(o.marked) < between {
		return Mark{}, false
	}
	o.marked, o.markDue, o.markSoon = now, false, false
	return Mark{Flow: o.flow, Epoch: o.epoch, Number: o.number, Sent: o.finished, Exact: o.rests(), Need: o.need}, true
}

// rests tells whether everything that was counted is in the queues, and hardly anything can be counted before a mark that is made now is
// there too: somebody waits for room, or nothing was sent lately.
func (o *Outlet) rests() bool {
	return o.started == o.finished && (o.need > 0 || o.started == o.ticked)
}

// Soon tells whether a mark should not wait for the next tick.
func (o *Outlet) Soon() bool { return o.markSoon }

// Unmarked says that a mark could not be sent.
func (o *Outlet) Unmarked() { o.markDue, o.marked = true, time.Time{} }

// Verdict is what a tick finds.
type Verdict uint8

// The verdicts.
const (
	// Fine: nothing is to be done, but for a mark that may be due.
	Fine Verdict = iota
	// Dropped: from now on publishers don't wait for this subscriber, until it grants again. It is said once.
	Dropped
	// Gone: the subscriber has not been heard for so long that the flow can be forgotten.
	Gone
)

// Tick judges the flow. It should be called at least once a second.
func (o *Outlet) Tick(now time.Time) Verdict {
	o.ticked = o.started
	since(&o.outstanding, o.started.above(o.arrived), now)
	if o.refused || o.waiters > 0 {
		o.wanted, o.refused = now, false
	}
	since(&o.waiting, !o.wanted.IsZero() && now.Sub(o.wanted) < wantedFor, now)
	if !(o.outstanding.IsZero() && o.waiting.IsZero()) && now.Sub(o.marked) >= markEvery {
		o.markDue = true
	}
	switch {
	case now.Sub(o.heard) >= Forget:
		return Gone
	case !o.held:
	case overdue(o.outstanding, o.heard, now), overdue(o.waiting, o.risen, now):
		o.held, o.need, o.givenUp = false, 0, now
		return Dropped
	}
	return Fine
}

// since keeps when something began.
func since(t *time.Time, on bool, now time.Time) {
	if !on {
		*t = time.Time{}
	} else if t.IsZero() {
		*t = now
	}
}

// overdue tells whether something has gone on for too long since the subscriber last did its part.
func overdue(began, last, now time.Time) bool {
	if began.IsZero() {
		return false
	}
	if last.After(began) {
		began = last
	}
	return now.Sub(began) >= Patience
}

// State is an outlet as people see it.
type State struct {
	// Sent is what went out, Arrived and Limit are what the last grant said of it.
	Sent, Arrived, Limit Amount
	// Held: publishers wait if there is no room.
	Held bool
	// Heard is when the last grant came.
	Heard time.Time
	// Waiters is how many publishers wait for room now. Stalled is since when ticks have seen somebody without room; zero if nobody is.
	Waiters int
	Stalled time.Time
	// Dropped is when the flow was dropped; zero while it is held.
	Dropped time.Time
}

// State describes the outlet.
func (o *Outlet) State() State {
	return State{
		Sent: o.started, Arrived: o.arrived, Limit: o.limit, Held: o.held, Heard: o.heard,
		Waiters: o.waiters, Stalled: o.waiting, Dropped: o.givenUp,
	}
}
