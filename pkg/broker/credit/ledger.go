// SPDX-License-Identifier: Apache-2.0

package credit

import (
	"cmp"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// ID names an endpoint.
type ID = data.EndpointID

// MaxOrigins is how many origins a subscription grants to. Others publish to it without flow control.
const MaxOrigins = 1024

const (
	// activeFor is how long an origin counts as one that sends.
	activeFor = 5 * time.Second
	// grantEvery is how often a grant tells of what has arrived, if there is no other reason for one.
	grantEvery = time.Second
	// starving is after how long without a grant an origin with a message that has found no room gets some, though others may use all.
	starving = 2 * time.Second
	// renewEvery is how often an origin is granted to that is silent, so that it does not forget the flow.
	renewEvery = Forget / 3
)

// Ledger is what a subscription keeps of its origins. Its owner guards it.
type Ledger struct {
	flow     uint64
	limit    Amount // of the queue
	capacity Amount // that is shared out; the rest is for origins that would starve
	prefixes []string
	accounts map[ID]*account
	last     *account // of the message before
	number   uint64   // of the last grant to anybody
	taken    uint64   // out of the queue
	freed    Amount   // the same since the last plan
	step     Amount   // when so much was taken, it is time for a plan
	needed   bool     // some origin has a message that has found no room
}

// account is what a subscription keeps of one origin.
type account struct {
	id       ID
	ignored  bool
	epoch    uint64
	arrived  Amount // in the epoch, or known to be lost
	sent     Amount // as the last mark said
	limit    Amount // as last granted
	ceiling  Amount // the largest limit that the origin may still go by
	room     Amount // as last granted
	most     Amount // the largest room that the origin may still go by; it never goes beyond what it has sent and that
	reported Amount // arrived, as last granted
	taken    uint64 // as last granted
	number   uint64 // of the last grant
	need     uint64
	tries    int // grants before the first mark
	failed   int // grants since the last mark that could not be sent

	moved, marked bool // since the last plan
	caught        bool // since the last plan, a mark has told that the origin has the last grant
	confirmed     time.Time
	due           bool // a grant must go out with the next plan
	answer        bool // the origin may have missed the last grant
	active        time.Time
	heard         time.Time // the last mark
	granted       time.Time
	raised        time.Time // the last grant with more room than before
	takenThen     uint64    // from the queue, up to that grant
}

// reserved is what the origin may still send.
func (a *account) reserved() Amount { return a.ceiling.Minus(a.arrived).Min(a.most) }

// settle says that the origin goes by the last grant.
func (a *account) settle() { a.ceiling, a.most = a.limit, a.room }

// NewLedger begins a flow into a queue with such a limit.
func NewLedger(flow uint64, limit Amount, prefixes []string) *Ledger {
	l := &Ledger{flow: flow, limit: limit, capacity: limit.Minus(limit.part(1, 16)), prefixes: prefixes, accounts: make(map[ID]*account)}
	l.step = l.capacity.part(1, 4).Max(Amount{1, 1})
	return l
}

// SetPrefixes changes what the subscription asks for; all origins are told with the next plan.
func (l *Ledger) SetPrefixes(prefixes []string) {
	l.prefixes = prefixes
	for _, a := range l.accounts {
		a.due = true
	}
}

// Arrived counts a message that has come to the queue, whether it found room there or not. False: the origin is unknown.
func (l *Ledger) Arrived(id ID, size int) bool {
	a := l.last
	if a == nil || a.id != id {
		if a = l.accounts[id]; a == nil {
			return len(l.accounts) >= MaxOrigins
		}
		l.last = a
	}
	if a.epoch != 0 {
		a.arrived = a.arrived.Plus(One(size))
		a.moved = true
	}
	return true
}

// Know begins to grant to an origin.
func (l *Ledger) Know(id ID) { l.add(id) }

func (l *Ledger) add(id ID) *account {
	a := l.accounts[id]
	if a == nil && len(l.accounts) < MaxOrigins {
		a = &account{id: id}
		l.accounts[id] = a
	}
	return a
}

// Settled tells whether all origins that are granted to have answered.
func (l *Ledger) Settled() bool {
	for _, a := range l.accounts {
		if a.epoch == 0 && !a.ignored {
			return false
		}
	}
	return true
}

// Ignore says that an origin knows nothing of flow control.
func (l *Ledger) Ignore(id ID) {
	if a := l.add(id); a != nil {
		a.ignored = true
	}
}

// Keep forgets origins that have never answered, and those that were to be ignored, unless they are kept.
func (l *Ledger) Keep(keep func(ID) bool) {
	for id, a := range l.accounts {
		if a.epoch == 0 && !keep(id) {
			l.forget(id)
		}
	}
}

func (l *Ledger) forget(id ID) {
	delete(l.accounts, id)
	l.last = nil
}

// Mark takes a mark of an origin, in order with its messages. A plan should follow.
func (l *Ledger) Mark(id ID, m *Mark) {
	if m.Flow != l.flow {
		return
	}
	a := l.add(id)
	if a == nil {
		return
	}
	a.ignored, a.marked, a.failed = false, true, 0
	switch {
	case m.Epoch != a.epoch:
		// To the origin, grants of another epoch were nothing but room that counts from the begin of its own.
		a.epoch, a.arrived, a.sent, a.reported = m.Epoch, m.Sent, m.Sent, Amount{}
		a.limit, a.ceiling, a.due = a.room, a.most, true
		a.moved = m.Sent.Messages > 0
	case m.Exact:
		a.arrived = m.Sent
	default:
		a.arrived = a.arrived.Max(m.Sent)
	}
	if m.Number >= a.number {
		a.settle()
		a.caught = true
	} else {
		a.answer = true
	}
	a.moved = a.moved || m.Sent != a.sent || m.Need > 0
	a.sent, a.need = m.Sent, min(m.Need, max(l.capacity.Bytes/2, 1)) // what is larger goes out when the queue is empty
	l.needed = l.needed || m.Need > 0
}

// Taken says that messages were taken out of the queue, and how many are left. True: it is time for a plan.
func (l *Ledger) Taken(amount Amount, left int) bool {
	l.taken += amount.Messages
	l.freed = l.freed.Plus(amount)
	return l.freed.Messages >= l.step.Messages || l.freed.Bytes >= l.step.Bytes || l.needed && left == 0
}

// Order is a grant that is to be sent. Sure: it has failed before, so that it should go out even if there is no room for it.
type Order struct {
	To    ID
	Grant Grant
	Sure  bool
}

// Unsent says that a grant could not be sent.
func (l *Ledger) Unsent(id ID) {
	if a := l.accounts[id]; a != nil {
		a.failed++
		a.due = a.epoch != 0 // else it is repeated anyway
	}
}

// Plan shares the room in the queue among the origins and answers the grants that follow. Queued is what waits in the queue; tick says
// that at least a part of a second has gone by since the last plan with it.
func (l *Ledger) Plan(now time.Time, queued Amount, tick bool) []Order {
	l.freed, l.needed = Amount{}, false
	free, spare := l.capacity.Minus(queued), l.limit.Minus(queued)
	var all []*account
	active := uint64(0)
	for id, a := range l.accounts {
		a.see(now)
		if a.epoch != 0 && now.Sub(a.heard) >= Forget {
			l.forget(id)
		} else if !a.ignored {
			all = append(all, a)
			free, spare = free.Minus(a.reserved()), spare.Minus(a.reserved())
			l.needed = l.needed || a.need > 0
			if a.busy(now) {
				active++
			}
		}
	}
	shares := l.shares(active, uint64(len(all))-active)
	slices.SortFunc(all, func(a, b *account) int {
		return cmp.Or(cmp.Compare(l.usable(a), l.usable(b)), a.raised.Compare(b.raised), a.id.Compare(b.id))
	})
	var out []Order
	for _, a := range all {
		target := shares[0]
		if a.busy(now) {
			target = shares[1]
		}
		have, one := a.reserved(), Amount{1, a.need}
		want := target
		if a.need > 0 {
			want = want.Max(one)
		}
		room := want.Min(have.Plus(free))
		if a.need > 0 && (l.starves(a, now, queued.Plus(one)) || l.moves(a, queued) && !one.Minus(have).above(spare)) {
			room = room.Max(one)
		}
		if !l.wants(a, now, room, target, tick) {
			continue
		}
		free, spare = free.Minus(room.Minus(have)), spare.Minus(room.Minus(have))
		out = append(out, l.order(a, now, room, queued == Amount{}))
	}
	return out
}

// worth is how many bytes of messages of an ordinary size an amount of room is for.
func (l *Ledger) worth(room Amount) uint64 {
	return min(room.Messages*(l.capacity.Bytes/max(l.capacity.Messages, 1)), room.Bytes)
}

// usable is the worth of what an origin may still send, if that is enough for the message that it has.
func (l *Ledger) usable(a *account) uint64 {
	room := a.reserved()
	if room.Bytes < a.need {
		return 0
	}
	return l.worth(room)
}

// more tells whether an origin can do more with one amount of room than with another.
func (l *Ledger) more(a *account, room, than Amount) bool {
	return l.worth(room) > l.worth(than) || than.Bytes < a.need && room.Bytes > than.Bytes
}

// moves tells whether the consumer has taken something since an origin last got more room, or has nothing to take. Else what is spared
// would go to who waits for a consumer that has stopped, one message with each grant, and the origin would never give the consumer up.
func (l *Ledger) moves(a *account, queued Amount) bool {
	return l.taken != a.takenThen || queued == Amount{}
}

// starves tells whether an origin has got nothing for long because others may use all the room, though they don't: messages are taken
// out of the queue, or there are none, and one more would leave it with so many.
func (l *Ledger) starves(a *account, now time.Time, then Amount) bool {
	alive := l.taken != a.takenThen || then.Messages == 1
	return alive && now.Sub(a.raised) >= starving && !then.above(l.capacity)
}

// shares are what a silent and what an active origin should be able to send. Where there are many, silent ones have to ask first.
func (l *Ledger) shares(active, quiet uint64) [2]Amount {
	var all Amount // of the silent ones together
	if quiet > 0 {
		all = l.capacity.part(1, 4)
	}
	shares := [2]Amount{all.part(1, quiet), l.capacity.Minus(all).part(1, active).Max(Amount{1, 1})}
	l.step = shares[1].part(1, 4).Max(Amount{1, 1})
	return shares
}

// see notes the time of what has happened since the last plan.
func (a *account) see(now time.Time) {
	if a.moved {
		a.active, a.moved = now, false
	}
	if a.marked {
		a.heard, a.marked = now, false
	}
	if a.caught || a.confirmed.IsZero() {
		a.confirmed, a.caught = now, false
	}
	if now.Sub(a.confirmed) >= renewEvery {
		a.settle() // it doesn't keep to the rules
	}
}

func (a *account) busy(now time.Time) bool {
	return !a.active.IsZero() && now.Sub(a.active) < activeFor
}

// wants tells whether a grant of so much room is worth being sent.
func (l *Ledger) wants(a *account, now time.Time, room, target Amount, tick bool) bool {
	age := now.Sub(a.granted)
	if a.epoch == 0 {
		return a.due || a.tries == 0 || age >= min(grantEvery<<min(a.tries-1, 10), renewEvery)
	}
	rest := a.limit.Minus(a.arrived)
	switch more := l.more(a, room, rest); {
	case a.due, more && (rest.Messages <= target.Messages/2 || rest.Bytes <= target.Bytes/2):
		return true
	case tick && age >= grantEvery:
		much := rest.Messages/2 >= max(target.Messages, 1) || rest.Messages > 0 && target.Messages == 0 || rest.Bytes/2 > max(target.Bytes, a.need)
		alive := l.taken != a.taken && (a.need > 0 || rest.Messages == 0)
		return more || much || alive || a.answer || a.arrived != a.reported || age >= renewEvery
	}
	return false
}

// order grants so much room.
func (l *Ledger) order(a *account, now time.Time, room Amount, empty bool) Order {
	l.number++
	if l.more(a, room, a.limit.Minus(a.arrived)) {
		a.raised, a.takenThen = now, l.taken
	}
	a.limit = a.arrived.Plus(room)
	a.ceiling, a.room, a.most = a.ceiling.Max(a.limit), room, a.most.Max(room)
	a.number, a.reported, a.taken, a.granted = l.number, a.arrived, l.taken, now
	a.due, a.answer = false, false
	o := Order{To: a.id, Sure: a.failed > 1, Grant: Grant{
		Flow: l.flow, Number: a.number, Epoch: a.epoch, Arrived: a.arrived, Room: room, Taken: l.taken, Empty: empty, Prefixes: l.prefixes,
	}}
	if a.epoch == 0 {
		a.tries++
	}
	return o
}

// Origins are those that have been granted to, ascending.
func (l *Ledger) Origins() []ID {
	var out []ID
	for id, a := range l.accounts {
		if a.number > 0 {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, ID.Compare)
	return out
}
