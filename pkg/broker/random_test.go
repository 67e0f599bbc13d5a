// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestRandomMeshes builds random meshes, lets everybody publish, and compares what each subscriber gets with the model: each message
// once and in the order of its source; then it changes subscriptions and links under load, where nothing may come twice or too late,
// and compares again. RANDOM_CASES=n runs as many cases, from SEED=random if there is to be something new.
func TestRandomMeshes(t *testing.T) {
	cases := 100
	if testing.Short() {
		cases = 20
	}
	if n, err := strconv.Atoi(os.Getenv("RANDOM_CASES")); err == nil {
		cases = n
	}
	for _, seed := range seed.Several(t, cases) {
		t.Run(fmt.Sprintf("SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newFleet(t, seed).run() })
		})
	}
}

// settling is how long, in the time of the test, a mesh may take until everybody knows everything.
const settling = 10 * time.Second

// fleet is a world that really runs.
type fleet struct {
	t     *testing.T
	rng   *rand.Rand
	w     *world
	es    []*Endpoint
	at    []string // addresses
	doors map[string]*memListener
	subs  []*listener
	next  []uint64     // number of the next message of each member
	loose map[int]bool // leaves that may get or bring messages twice in this round
	moved map[int]int  // changes of links of leaves in this round
}

// listener is a subscriber of a member.
type listener struct {
	owner    int
	prefixes []string // now
	ever     []string // in this round
	sub      *Subscriber
}

// note is a message as it was published.
type note struct {
	from   int
	number uint64
	topic  string
	to     int // a member, or -1 for everybody
}

func (n note) value() data.Value {
	return data.Vector(data.Count(uint64(n.from)), data.Count(n.number), data.Boolean(n.to >= 0))
}

// strand is what a subscriber gets of one member: published to everybody, or to its endpoint alone.
type strand struct {
	from   int
	direct bool
}

// arrivals are the numbers of the messages of each strand, as they came.
type arrivals map[strand][]uint64

func newFleet(t *testing.T, seed uint64) *fleet {
	f := &fleet{t: t, rng: rand.New(rand.NewPCG(seed, 0)), doors: make(map[string]*memListener)}
	t.Cleanup(f.close)
	f.w = randomWorld(f.rng)
	f.next = make([]uint64, len(f.w.kinds))
	for m, k := range f.w.kinds {
		o := [...]Options{isNode: {}, isClient: {Forward: ForwardNone}, isForeign: {Forward: ForwardNone, PlainProtocol: true},
			isForwarder: {Forward: ForwardAll, PlainProtocol: true}}[k]
		for i := range o.ID {
			o.ID[i] = byte(f.rng.Uint32())
		}
		o.ID[0] = byte(1 + 12*f.w.rank[m])
		e, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		address := fmt.Sprintf("127.0.0.%d:9", m+1)
		door := newMemListener()
		if err := e.listen(door); err != nil {
			t.Fatal(err)
		}
		e.dialer.Connect = f.connect
		if k == isForwarder {
			e.SetWants([]string{""})
		}
		f.doors[address] = door
		f.es, f.at = append(f.es, e), append(f.at, address)
	}
	return f
}

// near is a connection in memory that looks as if it came from the same machine.
type near struct{ net.Conn }

func (near) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (f *fleet) connect(ctx context.Context, address string) (net.Conn, error) {
	a, b := memPipe()
	select {
	case f.doors[address].conns <- near{b}:
		return near{a}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fleet) run() {
	for range f.w.kinds {
		f.subscribe()
	}
	for l := range f.w.links {
		f.dial(l)
	}
	f.settle()
	f.quietRound("at first")
	for round := range 3 {
		f.busyRound()
		f.settle()
		f.drain(false)
		f.quietRound(fmt.Sprintf("after changes %d", round))
	}
}

// close ends everybody at once, in the bubble of the test.
func (f *fleet) close() {
	var all sync.WaitGroup
	for _, e := range f.es {
		all.Go(func() { e.Close(context.Background()) })
	}
	all.Wait()
}

func (f *fleet) settle() {
	time.Sleep(settling)
	synctest.Wait()
	for l := range f.w.links {
		if f.es[l[0]].routes.Load().peers[f.es[l[1]].ID()] == nil {
			f.t.Fatalf("members %v are not peered", l)
		}
	}
}

// dial peers two members, from either side, one time in four within the process.
func (f *fleet) dial(l link) {
	a, b := l[0], l[1]
	if f.rng.IntN(2) == 0 {
		a, b = b, a
	}
	if f.rng.IntN(4) == 0 { // without a network
		ctx, cancel := context.WithTimeout(context.Background(), settling)
		defer cancel()
		if err := f.es[a].PeerLocal(ctx, f.es[b]); err != nil {
			f.t.Error(err)
		}
		return
	}
	if err := f.es[a].PeerAsync(f.at[b], PeerOptions{Retry: time.Second}); err != nil {
		f.t.Error(err)
	}
}

// hangUp ends a peering from either side, and all further attempts.
func (f *fleet) hangUp(l link) {
	a, b := l[0], l[1]
	if f.rng.IntN(2) == 0 {
		a, b = b, a
	}
	ctx := context.Background()
	f.es[a].UnpeerID(ctx, f.es[b].ID())
	f.es[a].Unpeer(ctx, f.at[b])
	f.es[b].Unpeer(ctx, f.at[a])
}

// subscribe makes a subscriber at some member.
func (f *fleet) subscribe() {
	s := &listener{owner: f.rng.IntN(len(f.es)), prefixes: f.prefixes()}
	s.ever = slices.Clone(s.prefixes)
	var err error
	if s.sub, err = f.es[s.owner].Subscribe(s.prefixes, QueueLimit{}); err != nil {
		f.t.Fatal(err)
	}
	f.subs = append(f.subs, s)
}

func (f *fleet) prefixes() (out []string) {
	for range 1 + f.rng.IntN(3) {
		out = append(out, randomPrefixes[f.rng.IntN(len(randomPrefixes))])
	}
	return out
}

// changeSubscriptions has one come, go or change.
func (f *fleet) changeSubscriptions() {
	i := f.rng.IntN(len(f.subs))
	switch f.rng.IntN(4) {
	case 0:
		f.subscribe()
	case 1:
		if len(f.subs) > 1 {
			f.subs[i].sub.Close()
			f.subs = slices.Delete(f.subs, i, i+1)
		}
	default:
		s := f.subs[i]
		s.prefixes = f.prefixes()
		s.ever = append(s.ever, s.prefixes...)
		s.sub.SetPrefixes(s.prefixes)
	}
}

// changeLinks adds or removes one.
func (f *fleet) changeLinks() {
	l, ok := f.w.change(f.rng)
	f.loosen(l)
	switch {
	case !ok:
	case f.w.links[l]:
		f.dial(l)
	default:
		f.hangUp(l)
	}
}

// loosen notes the leaves for which nothing is promised in this round: those of several nodes, because their entry and exit may
// change, and those that move from one node to another.
func (f *fleet) loosen(l link) {
	for _, m := range f.w.others() {
		if m == l[0] || m == l[1] {
			f.moved[m]++
		}
		nodes := 0
		for _, p := range f.w.peers(m) {
			if f.w.kinds[p] == isNode {
				nodes++
			}
		}
		f.loose[m] = f.loose[m] || nodes > 1 || f.moved[m] > 1
	}
}

// publish lets every member publish some messages, all at once. The answer is what they will be; wait returns when all have done so.
func (f *fleet) publish(most int, quiet bool) (sent []note, wait func()) {
	var all sync.WaitGroup
	for m, e := range f.es {
		var mine []note
		for range f.rng.IntN(most + 1) {
			f.next[m]++
			n := note{from: m, number: f.next[m], topic: randomTopics[f.rng.IntN(len(randomTopics))], to: -1}
			if to := f.rng.IntN(5 * len(f.es)); to < len(f.es) && to != m {
				n.to = to
			}
			mine = append(mine, n)
		}
		sent = append(sent, mine...)
		pause := time.Duration(f.rng.IntN(3)) * time.Millisecond
		all.Go(func() {
			for _, n := range mine {
				f.send(e, n, quiet)
				if pause > 0 {
					time.Sleep(pause)
				}
				runtime.Gosched()
			}
		})
	}
	return sent, all.Wait
}

// send publishes a message. While nothing changes, nodes must know whether there is a way to a member.
func (f *fleet) send(e *Endpoint, n note, quiet bool) {
	if n.to < 0 {
		if err := e.Publish(n.topic, n.value()); err != nil {
			f.t.Error(err)
		}
		return
	}
	err := e.PublishTo(f.es[n.to].ID(), n.topic, n.value())
	if err != nil && !errors.Is(err, code.NoPathToPeer) {
		f.t.Error(err)
	}
	if quiet && f.w.kinds[n.from] == isNode && (err == nil) != f.w.reaches(n.from, n.to) {
		f.t.Errorf("from %d to %d alone: %v\n%v", n.from, n.to, err, f.w)
	}
}

// quietRound publishes while nothing changes and compares what came with the model, message by message.
func (f *fleet) quietRound(when string) {
	sent, wait := f.publish(15, true)
	wait()
	synctest.Wait()
	want := make(map[*listener]arrivals)
	for _, s := range f.subs {
		want[s] = make(arrivals)
	}
	offers := make([][]int, len(f.es))
	for m := range f.es {
		offers[m] = f.w.offers(m)
	}
	for _, n := range sent {
		for _, s := range f.subs {
			offered := offers[n.from][s.owner] > 0
			if n.to >= 0 {
				offered = s.owner == n.to && f.w.direct(n.from, n.to)
			}
			if offered && anyPrefix(s.prefixes, n.topic) {
				k := strand{n.from, n.to >= 0}
				want[s][k] = append(want[s][k], n.number)
			}
		}
	}
	got := f.drain(true)
	for i, s := range f.subs {
		for from := range f.es {
			for _, k := range []strand{{from, false}, {from, true}} {
				if !slices.Equal(got[s][k], want[s][k]) {
					f.t.Errorf("%s: subscriber %d of member %d, prefixes %q: of %+v got %v, want %v\n%v", when, i, s.owner, s.prefixes, k,
						got[s][k], want[s][k], f.w)
				}
			}
		}
		s.ever = slices.Clone(s.prefixes)
	}
	f.quit()
}

// busyRound publishes while links and subscriptions change. What comes is checked by the next drain.
func (f *fleet) busyRound() {
	f.loose, f.moved = map[int]bool{}, map[int]int{}
	f.loosen(link{-1, -1})
	_, wait := f.publish(40, false)
	for range 1 + f.rng.IntN(6) {
		if f.rng.IntN(2) == 0 {
			f.changeLinks()
		} else {
			f.changeSubscriptions()
		}
		if f.rng.IntN(2) == 0 {
			time.Sleep(time.Duration(f.rng.IntN(10)) * time.Millisecond)
		}
	}
	wait()
}

// drain takes what the subscribers have got: only what they wanted, nothing twice, nothing before its predecessors.
func (f *fleet) drain(quiet bool) map[*listener]arrivals {
	got := make(map[*listener]arrivals)
	for i, s := range f.subs {
		got[s] = make(arrivals)
		for m, ok := s.sub.Poll(); ok; m, ok = s.sub.Poll() {
			if m.Topic[0] == '<' {
				continue // status events
			}
			if !anyPrefix(s.ever, m.Topic) {
				f.t.Errorf("subscriber %d of member %d, prefixes %q, got %q", i, s.owner, s.ever, m.Topic)
			}
			k, number := f.parse(m)
			got[s][k] = append(got[s][k], number)
			if quiet {
				f.checkSource(s.owner, k, m)
			}
		}
		for k, numbers := range got[s] {
			if !quiet && !rising(numbers) && !f.loose[k.from] && (f.w.kinds[s.owner] < isForeign || !f.loose[s.owner]) {
				f.t.Errorf("during changes: subscriber %d of member %d got of %+v %v\n%v", i, s.owner, k, numbers, f.w)
			}
		}
	}
	f.quit()
	return got
}

// checkSource compares what a message says of its origin and its way. Foreign endpoints know the last hop only.
func (f *fleet) checkSource(owner int, k strand, m Message) {
	origin, hops := f.es[f.w.origin(k.from, owner)].ID(), f.w.hops(k.from, owner)
	if f.w.kinds[owner] >= isForeign || k.direct && f.w.kinds[owner] == isClient && m.Hops < 0 {
		origin, hops = m.From, 0 // to one of several nodes of a client it goes as it would to a foreign endpoint
	}
	if m.Origin != origin || hops > 0 && m.Hops != hops {
		f.t.Errorf("member %d got of %+v a message with origin %v after %d hops, want %v, %d\n%v", owner, k, m.Origin, m.Hops, origin, hops, f.w)
	}
}

func rising(numbers []uint64) bool {
	for i := 1; i < len(numbers); i++ {
		if numbers[i] <= numbers[i-1] {
			return false
		}
	}
	return true
}

func (f *fleet) parse(m Message) (k strand, number uint64) {
	from, _ := m.Value.Index(0)
	n, _ := m.Value.Index(1)
	direct, _ := m.Value.Index(2)
	member, _ := from.AsCount()
	number, _ = n.AsCount()
	k.from = int(member)
	k.direct, _ = direct.AsBoolean()
	return k, number
}

// quit ends a test that has failed.
func (f *fleet) quit() {
	if f.t.Failed() {
		f.t.FailNow()
	}
}
