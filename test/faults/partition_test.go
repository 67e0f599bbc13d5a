// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// pair is a world of two nodes that want everything.
func pair() *world {
	return &world{kinds: []kind{kindNode, kindNode}, links: map[link]bool{{0, 1}: true}, wants: [][]string{{"/"}, {"/"}}}
}

// cut drops all packets between two members, in the directions named.
func (f *fleet) cut(a, b int, there, back bool) {
	f.t.Helper()
	ha, hb := f.lab.Hosts()[a], f.lab.Hosts()[b]
	if err := f.lab.Change(map[[2]*lab.Host]lab.Fault{{ha, hb}: {Cut: there}, {hb, ha}: {Cut: back}}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) heal() {
	f.t.Helper()
	if err := f.lab.Heal(); err != nil {
		f.t.Fatal(err)
	}
}

// lost waits until a member has no peers any more.
func (f *fleet) lost(m int) {
	f.t.Helper()
	poll(f.t, fmt.Sprintf("m%d", m), func() string {
		for _, p := range f.members[m].order(order{Do: doState}).Peers {
			if p.State == "Peered" {
				return fmt.Sprintf("peered: %+v", p)
			}
		}
		return ""
	})
}

// TestPartition cuts the line between two nodes, in both directions or in one: both ends notice, and come together again.
func TestPartition(t *testing.T) {
	for _, tt := range []struct {
		name        string
		there, back bool
	}{{"both", true, true}, {"towards the listener", true, false}, {"towards the dialer", false, true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, pair(), 1, never)
			f.quiet("at first", 1)
			f.cut(0, 1, tt.there, tt.back)
			f.lost(0)
			f.lost(1)
			f.heal()
			f.quiet("after the partition", 2)
			f.finish()
		})
	}
}

// TestHalfOpen kills a node that nobody hears of any more and has it come back at the same address: whoever still has half of the old
// connection takes the new one, whether the node comes as the same endpoint, whose old connection is in its way, or as another one.
func TestHalfOpen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		member int // the first one, 0, dials 1 and is dialed by 2
		keepID bool
	}{{"dialer, same ID", 2, true}, {"dialer, another ID", 2, false}, {"listener, same ID", 1, true}, {"listener, another ID", 1, false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &world{kinds: []kind{kindNode, kindNode, kindNode}, links: map[link]bool{{0, 1}: true, {0, 2}: true}, wants: [][]string{{"/"}, {"/"}, {"/"}}}
			f := newFleet(t, w, 1, func(int) bool { return tt.keepID })
			f.quiet("at first", 1)
			m := f.members[tt.member]
			mute := make(map[[2]int]lab.Fault)
			for _, p := range w.peers(tt.member) {
				mute[[2]int{tt.member, p}], mute[[2]int{p, tt.member}] = lab.Fault{Mute: true}, lab.Fault{Mute: true}
			}
			f.change(mute)
			m.kill()
			m.start()
			f.sent[tt.member] = nil
			f.quiet("after it has come back", 2)
			f.heal() // else the end of every connection had to be found out
			f.finish()
		})
	}
}

// TestStopped lets a process stand still while a lot is published for it. Its peer gives it up without taking more memory than its queue
// may have, serves another one meanwhile, and takes it back when it goes on.
func TestStopped(t *testing.T) {
	for _, policy := range []broker.Overflow{broker.OverflowDisconnect, broker.OverflowDropNewest, broker.OverflowDropOldest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			t.Parallel()
			w := &world{kinds: []kind{kindNode, kindNode, kindNode}, links: map[link]bool{{0, 1}: true, {0, 2}: true}, wants: [][]string{nil, {"/"}, {"/"}}}
			f := newFleetTuned(t, w, 1, never, 0, func(int) order { return order{Queue: 16 << 20, Policy: uint8(policy)} })
			f.quiet("at first", 1)
			f.members[1].stop(true)
			from, to := f.members[0], f.members[2]
			before := f.sent[0]
			f.sent[0] = from.order(order{Do: doBurst, Count: 600, Every: 10, Size: 128 << 10}).Published
			poll(t, "m2", func() string {
				return lacks(to.order(order{Do: doArrivals}), from, before, f.sent[0])
			})
			poll(t, "m0", func() string {
				if s := from.order(order{Do: doState}).Stats; s.Lost == 0 && s.Dropped["peer_queue"] == 0 {
					return "has lost nothing that was meant for m1"
				}
				return ""
			})
			f.members[1].stop(false)
			f.quiet("when it goes on", 2)
			f.finish()
		})
	}
}

// TestDeadSubscriber has a subscriber with flow control at the end of a chain, and publishers who wait for it. Then it stands still, is cut
// off, or dies: the publishers go on, everybody else gets everything, and so does the subscriber when it has come back and has got over
// what waited for it, which is more than it has room for.
func TestDeadSubscriber(t *testing.T) {
	for _, how := range []string{"stopped", "cut off", "killed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := &world{kinds: []kind{kindNode, kindNode, kindClient}, links: map[link]bool{{0, 1}: true, {1, 2}: true}, wants: [][]string{nil, {"/"}, {"/"}}}
			f := newFleetTuned(t, w, 1, never, 0, func(m int) order { return order{Window: []int{1000, 1000, 32}[m]} })
			f.quiet("at first", 1)
			from, dead := f.members[0], f.members[2]
			switch how {
			case "stopped":
				dead.stop(true)
			case "cut off":
				f.cut(1, 2, true, true)
			case "killed":
				dead.kill()
			}
			before := f.sent[0]
			f.sent[0] = from.order(order{Do: doBurst, Count: 1000, AtOnce: 10, Every: 5, Size: 1000}).Published
			poll(t, "m1", func() string { return lacks(f.members[1].order(order{Do: doArrivals}), from, before, f.sent[0]) })
			switch how {
			case "stopped":
				dead.stop(false)
			case "cut off":
				f.heal()
			case "killed":
				dead.start()
				f.sent[2] = nil
			}
			f.settle("when it is back")
			earlier, last := f.sent[0], make(map[string]uint64)
			f.sent[0] = from.order(order{Do: doBurst, Count: 20, Every: 5}).Published
			for topic, n := range f.sent[0] {
				last[topic] = max(n, 1) - 1
				if n == earlier[topic] {
					last[topic] = n // nothing has come after what may be lost
				}
			}
			poll(t, "the last messages", func() string { return lacks(dead.order(order{Do: doArrivals}), from, last, f.sent[0]) })
			f.exchange("when it is back", 2, order{Do: doBurst, Count: 30, Every: 50})
			f.finish()
		})
	}
}

// lacks names what of a member has not come.
func lacks(got answer, from *member, earlier, sent map[string]uint64) string {
	for _, topic := range topics {
		if m := missing(got.Streams[from.streamName()][streamKey(from.life, topic)], earlier[topic], sent[topic]); len(m) > 0 {
			return fmt.Sprintf("lacks %v at %s", m, topic)
		}
	}
	return ""
}
