// SPDX-License-Identifier: Apache-2.0

package credit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
)

// model is a subscription with some origins. Messages and marks of an origin come in order and may be lost, grants may be lost, late
// and out of order.
type model struct {
	t       *testing.T
	r       *rand.Rand
	now     time.Time
	limit   Amount
	ledger  *Ledger
	queue   []int // sizes
	queued  Amount
	origins []*modelOrigin
	spilled int // messages that found no room
	tick    bool
	loss    float64
}

type modelOrigin struct {
	id     ID
	out    *Outlet
	epochs uint64
	flight []any      // to the subscriber, in order: sizes and marks
	going  []int      // started, and not in flight yet
	grants []modelLag // to the origin
	waits  bool
	sent   int
	rate   float64 // how likely it publishes in a step
	drops  int
}

type modelLag struct {
	g  Grant
	at time.Time
}

const modelStep = 10 * time.Millisecond

func newModel(t *testing.T, seed uint64, origins, window int, loss float64) *model {
	m := &model{t: t, r: rand.New(rand.NewPCG(seed, 1)), now: start, loss: loss}
	m.limit = Amount{uint64(window), uint64(window) * 100}
	m.ledger = NewLedger(5, m.limit, []string{"/"})
	for i := range origins {
		o := &modelOrigin{id: ID{byte(i + 1)}, rate: 0.05 + 0.9*m.r.Float64()}
		m.origins = append(m.origins, o)
		m.ledger.Know(o.id)
	}
	return m
}

// step lets everybody do something. The consumer takes a message with some probability.
func (m *model) step(consumer float64) {
	m.now = m.now.Add(modelStep)
	m.tick = m.now.Sub(start)%(500*time.Millisecond) == 0
	for _, o := range m.origins {
		m.publish(o)
		m.carry(o)
	}
	plan := m.tick
	for m.r.Float64() < consumer && len(m.queue) > 0 {
		one := One(m.queue[0])
		m.queue, m.queued = m.queue[1:], m.queued.Minus(one)
		plan = m.ledger.Taken(one, len(m.queue)) || plan
	}
	if plan {
		m.plan()
	}
}

func (m *model) plan() {
	for _, order := range m.ledger.Plan(m.now, m.queued, m.tick) {
		o := m.origins[order.To[0]-1]
		if m.r.Float64() < m.loss {
			m.ledger.Unsent(order.To)
			continue
		}
		if m.r.Float64() >= m.loss {
			lag := time.Duration(m.r.IntN(5)) * modelStep
			o.grants = append(o.grants, modelLag{order.Grant, m.now.Add(lag)})
		}
	}
}

func (m *model) publish(o *modelOrigin) {
	kept := o.grants[:0]
	for _, l := range o.grants {
		switch {
		case l.at.After(m.now):
			kept = append(kept, l)
		case o.out == nil:
			o.epochs++
			o.out = NewOutlet(&l.g, uint64(o.id[0])<<32|o.epochs, m.now)
		default:
			o.out.Grant(&l.g, m.now)
		}
	}
	o.grants = kept
	if o.out == nil {
		return
	}
	size := 1 + m.r.IntN(99)
	if o.waits || m.r.Float64() < o.rate {
		ready := o.out.Ready(size)
		if ready {
			o.out.Start(size)
			o.going = append(o.going, size)
			o.sent++
		}
		if o.waits && ready {
			o.out.Unwait()
			o.waits = false
		} else if !o.waits && !ready {
			o.out.Wait(size)
			o.waits = true
		}
	}
	// Several goroutines publish: what was started first need not be queued first.
	m.r.Shuffle(len(o.going), func(i, k int) { o.going[i], o.going[k] = o.going[k], o.going[i] })
	for len(o.going) > 0 && m.r.IntN(4) > 0 {
		size := o.going[0]
		o.going = o.going[1:]
		o.flight = append(o.flight, size)
		o.out.Finish(size)
	}
	if m.tick && o.out.Tick(m.now) == Dropped {
		o.drops++
	}
	if m.tick || o.out.Soon() {
		if mark, ok := o.out.Mark(m.now, 100*time.Millisecond); ok {
			o.flight = append(o.flight, mark)
		}
	}
}

// carry brings what is under way from an origin.
func (m *model) carry(o *modelOrigin) {
	for len(o.flight) > 0 && m.r.IntN(4) > 0 {
		next := o.flight[0]
		o.flight = o.flight[1:]
		if m.r.Float64() < m.loss {
			continue
		}
		switch next := next.(type) {
		case Mark:
			m.ledger.Mark(o.id, &next)
			m.plan()
		case int:
			m.ledger.Arrived(o.id, next)
			one := One(next)
			if after := m.queued.Plus(one); len(m.queue) > 0 && after.above(m.limit) {
				m.spilled++
			} else {
				m.queue, m.queued = append(m.queue, next), after
			}
		}
	}
}

// TestModel lets origins publish to a subscription whose consumer is at times faster and at times slower than they are, with and
// without loss. Nothing ever comes that the queue has no room for, nobody is dropped or stands still, and in the end everything is as in
// the beginning.
func TestModel(t *testing.T) {
	for _, seed := range seed.Several(t, 3) {
		for _, c := range []struct {
			origins, window int
			loss            float64
		}{
			{1, 8, 0}, {1, 100, 0.05}, {3, 64, 0}, {3, 64, 0.02}, {10, 200, 0.02}, {40, 1000, 0.002}, {12, 16, 0},
		} {
			t.Run(fmt.Sprintf("seed %d, %d origins, window %d, loss %v", seed, c.origins, c.window, c.loss), func(t *testing.T) {
				m := newModel(t, seed, c.origins, c.window, c.loss)
				for phase := range 6 {
					consumer := []float64{0.9, 0.5, 0.99}[phase%3]
					before := make([]int, len(m.origins))
					for i, o := range m.origins {
						before[i] = o.sent
					}
					for range 1000 {
						m.step(consumer)
					}
					for i, o := range m.origins {
						if o.sent == before[i] {
							t.Errorf("phase %d: origin %d stands still: %+v; the subscription: %+v", phase, i, o.out.State(), m.ledger.accounts[o.id])
						}
					}
				}
				m.settle()
			})
		}
	}
}

// settle lets origins fall silent, and looks whether all room is there again.
func (m *model) settle() {
	m.t.Helper()
	for _, o := range m.origins {
		o.rate = 0
	}
	for range 2000 {
		m.step(0.99)
	}
	m.loss = 0
	for range 3000 {
		m.step(0.99)
	}
	if m.spilled > 0 {
		m.t.Errorf("%d messages found no room", m.spilled)
	}
	for i, o := range m.origins {
		a, s := m.ledger.accounts[o.id], o.out.State()
		if o.drops > 0 {
			m.t.Errorf("origin %d was without credit %d times", i, o.drops)
		}
		if a.arrived != s.Sent || s.Arrived != s.Sent || s.Limit != a.limit || a.reserved() != a.limit.Minus(a.arrived) {
			m.t.Errorf("origin %d: %+v; the subscription: %+v", i, s, a)
		}
	}
}

// TestModelStops: a consumer that takes nothing is waited for so long and not longer; once it takes something, it counts again.
func TestModelStops(t *testing.T) {
	m := newModel(t, 1, 2, 64, 0)
	for _, o := range m.origins {
		o.rate = 0.9
	}
	for range 1000 {
		m.step(0)
	}
	for i, o := range m.origins {
		if o.drops != 1 || o.out.State().Held || o.sent <= 64 {
			t.Errorf("origin %d: %d drops, %d sent, %+v", i, o.drops, o.sent, o.out.State())
		}
	}
	for range 1000 {
		m.step(0.99)
	}
	for i, o := range m.origins {
		if o.drops != 1 || !o.out.State().Held {
			t.Errorf("origin %d: %d drops, %+v", i, o.drops, o.out.State())
		}
	}
}

// TestModelRestart: an origin that has forgotten everything begins anew.
func TestModelRestart(t *testing.T) {
	m := newModel(t, 1, 2, 64, 0)
	for range 500 {
		m.step(0.9)
	}
	m.origins[0].out, m.origins[0].waits = nil, false
	for range 100 {
		m.step(0.99)
	}
	sent := m.origins[0].sent
	for range 3000 {
		m.step(0.99)
	}
	if o := m.origins[0]; o.sent == sent || o.epochs != 2 {
		t.Errorf("%d more, epoch %d", o.sent-sent, o.epochs)
	}
	m.settle()
}

func TestLedger(t *testing.T) {
	l := NewLedger(1, Amount{160, 16000}, nil)
	a, b, c := ID{1}, ID{2}, ID{3}
	l.Know(a)
	l.Know(b)
	l.Ignore(c)
	tos := func(orders []Order) (ids []ID) {
		for _, o := range orders {
			ids = append(ids, o.To)
		}
		return ids
	}
	first := l.Plan(start, Amount{}, false)
	if got := tos(first); !slices.Equal(got, []ID{a, b}) {
		t.Fatalf("granted to %v", got)
	}
	if room := first[0].Grant.Room; room.Messages == 0 || room.Messages > 150/4 || !first[0].Grant.Empty {
		t.Errorf("a silent origin gets %+v", first[0].Grant)
	}
	if !l.Arrived(c, 10) || l.Arrived(ID{4}, 10) {
		t.Error("who is known")
	}
	l.Mark(a, &Mark{Flow: 2, Epoch: 9}) // of another flow
	l.Mark(a, &Mark{Flow: 1, Epoch: 9, Number: first[0].Grant.Number, Exact: true})
	confirm := l.Plan(start, Amount{}, false)
	if len(confirm) != 1 || confirm[0].To != a || confirm[0].Grant.Epoch != 9 {
		t.Fatalf("%+v", confirm)
	}
	for _, d := range []struct {
		at   time.Duration
		want []ID
	}{
		{500 * time.Millisecond, nil}, {time.Second, []ID{b}}, {2 * time.Second, nil}, {3 * time.Second, []ID{b}}, {7 * time.Second, []ID{b}},
		{19 * time.Second, []ID{b}}, {20 * time.Second, []ID{a}},
	} {
		if got := tos(l.Plan(start.Add(d.at), Amount{}, true)); !slices.Equal(got, d.want) {
			t.Errorf("after %v: granted to %v, want %v", d.at, got, d.want)
		}
	}
	l.Keep(func(ID) bool { return false })
	if got := l.Origins(); !slices.Equal(got, []ID{a}) {
		t.Errorf("origins %v", got)
	}
	l.Plan(start.Add(Forget), Amount{}, true) // no mark for so long
	if got := l.Origins(); len(got) > 0 {
		t.Errorf("origins %v", got)
	}
}

// TestLedgerHostile: an origin whose marks are nonsense takes nothing away from others.
func TestLedgerHostile(t *testing.T) {
	l := NewLedger(1, Amount{160, 16000}, nil)
	bad, good := ID{1}, ID{2}
	l.Know(bad)
	l.Know(good)
	l.Plan(start, Amount{}, false)
	most := ^uint64(0)
	for i, m := range []Mark{
		{Flow: 1, Epoch: 1, Sent: Amount{most, most}, Exact: true, Need: most},
		{Flow: 1, Epoch: 1, Exact: true, Need: most},
		{Flow: 1, Epoch: 2, Sent: Amount{most, 0}, Number: most},
		{Flow: 1, Epoch: 1, Sent: Amount{0, most}, Exact: true},
		{Flow: 1, Epoch: 1, Exact: true},
	} {
		l.Mark(bad, &m)
		l.Arrived(bad, 100)
		l.Plan(start.Add(time500(i)), Amount{}, true)
	}
	l.Mark(good, &Mark{Flow: 1, Epoch: 9, Sent: Amount{1, 100}, Exact: true, Need: 100})
	at := start.Add(30 * time.Second) // when the other one has been silent for long
	for i := range 4 {
		l.Mark(good, &Mark{Flow: 1, Epoch: 9, Sent: Amount{uint64(i + 2), uint64(i+2) * 100}, Exact: true, Need: 100})
		l.Plan(at.Add(time.Duration(i)*time.Second), Amount{}, true)
	}
	if room := l.accounts[good].room; room.Messages < 100 || room.Bytes < 10000 {
		t.Errorf("the other origin has %+v", room)
	}
}
