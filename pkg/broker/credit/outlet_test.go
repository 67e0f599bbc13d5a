// SPDX-License-Identifier: Apache-2.0

package credit

import (
	"testing"
	"time"
)

var start = time.Unix(1_700_000_000, 0)

// time500 is so many half seconds.
func time500(n int) time.Duration { return time.Duration(n) * 500 * time.Millisecond }

// confirmed is an outlet of epoch 7 with room for so many messages of up to 10 bytes, of which the subscriber has seen a mark.
func confirmed(room uint64) *Outlet {
	o := NewOutlet(&Grant{Flow: 1, Number: 1, Room: Amount{room, room * 10}}, 7, start)
	o.Grant(&Grant{Flow: 1, Number: 2, Epoch: 7, Room: Amount{room, room * 10}}, start)
	return o
}

// send lets messages out while there is room, at most so many.
func (o *Outlet) send(n int) (sent int) {
	for ; sent < n && o.Ready(10); sent++ {
		o.Start(10)
		o.Finish(10)
	}
	return sent
}

// dropped ticks through a time that begins at an offset and answers when the flow is dropped; zero if it is not.
func (o *Outlet) dropped(from, to time.Duration) time.Duration {
	for at := from; at <= to; at += 500 * time.Millisecond {
		if o.Tick(start.Add(at)) == Dropped {
			return at
		}
	}
	return 0
}

func TestOutletLimits(t *testing.T) {
	o := confirmed(3)
	if n := o.send(10); n != 3 {
		t.Fatalf("%d went out, want 3", n)
	}
	for _, c := range []struct {
		name  string
		grant Grant
		look  bool
		want  int
	}{
		{"an old grant", Grant{Number: 2, Epoch: 7, Arrived: Amount{3, 30}, Room: Amount{3, 30}}, false, 0},
		{"no more room", Grant{Number: 3, Epoch: 7, Arrived: Amount{1, 10}, Room: Amount{2, 20}}, true, 0},
		{"room for two", Grant{Number: 4, Epoch: 7, Arrived: Amount{2, 20}, Room: Amount{3, 30}}, true, 2},
		{"room for bytes of one", Grant{Number: 5, Epoch: 7, Arrived: Amount{5, 50}, Room: Amount{3, 15}}, true, 1},
		{"more arrived than was sent", Grant{Number: 6, Epoch: 7, Arrived: Amount{1000, 1000}, Room: Amount{2, 20}}, true, 2},
		{"another epoch: room only", Grant{Number: 7, Epoch: 8, Arrived: Amount{1000, 1000}, Room: Amount{9, 90}}, true, 1},
		{"taken back", Grant{Number: 8, Epoch: 7, Arrived: Amount{9, 90}, Room: Amount{}}, true, 0},
		{"anything fits an empty queue", Grant{Number: 9, Epoch: 7, Arrived: Amount{9, 90}, Room: Amount{5, 1}, Empty: true}, true, 1},
	} {
		if look := o.Grant(&c.grant, start); look != c.look {
			t.Errorf("%s: look %v", c.name, look)
		}
		if n := o.send(10); n != c.want {
			t.Errorf("%s: %d went out, want %d", c.name, n, c.want)
		}
	}
}

func TestOutletDrops(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(o *Outlet)
		grants int           // further ones, one a second, that bring no room and say that nothing arrived
		want   time.Duration // when it is dropped
	}{
		{"nothing sent", func(*Outlet) {}, 0, 0},
		{"no answer", func(o *Outlet) { o.send(1) }, 0, 5 * time.Second},
		{"answers", func(o *Outlet) { o.send(1) }, 20, 0},
		{"answers for a while", func(o *Outlet) { o.send(1) }, 3, 8 * time.Second},
		{"somebody waits, and answers bring no room", func(o *Outlet) { o.send(4); o.Wait(10) }, 20, 5 * time.Second},
		{"somebody waited", func(o *Outlet) { o.send(4); o.Wait(10); o.Unwait() }, 20, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := confirmed(4)
			c.do(o)
			var got time.Duration
			for at := time.Duration(0); at <= 15*time.Second && got == 0; at += time.Second {
				if n := int(at / time.Second); n > 0 && n <= c.grants {
					o.Grant(&Grant{Number: uint64(n + 2), Epoch: 7, Room: Amount{4, 40}}, start.Add(at))
				}
				got = o.dropped(at, at+600*time.Millisecond)
			}
			if got != c.want {
				t.Errorf("dropped after %v, want %v", got, c.want)
			}
			if got != 0 && !o.Ready(1000) {
				t.Error("it still holds")
			}
			var want time.Time
			if got != 0 {
				want = start.Add(got)
			}
			if s := o.State(); !s.Dropped.Equal(want) || s.Waiters != o.waiters {
				t.Errorf("%+v, want it to be dropped at %v", s, want)
			}
		})
	}
}

// TestOutletReturns: a subscriber that was dropped counts again once it grants room, but not by grants that bring none, and not if it
// has never seen a mark.
func TestOutletReturns(t *testing.T) {
	o := confirmed(2)
	o.send(2)
	if o.dropped(0, 6*time.Second) == 0 {
		t.Fatal("not dropped")
	}
	o.send(3)
	at := start.Add(7 * time.Second)
	for i, c := range []struct {
		grant Grant
		held  bool
	}{
		{Grant{Epoch: 7, Arrived: Amount{2, 20}, Room: Amount{3, 30}}, false},
		{Grant{Epoch: 6, Room: Amount{9, 90}}, false},
		{Grant{Epoch: 7, Arrived: Amount{5, 50}, Room: Amount{2, 20}}, true},
		{Grant{Epoch: 7, Arrived: Amount{5, 50}, Room: Amount{2, 20}}, true},
	} {
		c.grant.Number = uint64(10 + i)
		o.Grant(&c.grant, at)
		if s := o.State(); s.Held != c.held || s.Dropped.IsZero() != c.held {
			t.Errorf("%d: %+v", i, s)
		}
	}
	if n := o.send(10); n != 2 {
		t.Errorf("%d went out", n)
	}
}

// TestOutletStalls: it tells since when somebody finds no room, and no longer when nobody has asked for a while.
func TestOutletStalls(t *testing.T) {
	o := confirmed(2)
	o.send(3)
	o.Tick(start)
	if s := o.State(); !s.Stalled.IsZero() || s.Limit.Minus(s.Sent) != (Amount{}) {
		t.Errorf("nobody waits: %+v", s)
	}
	o.Wait(10)
	for i := 1; i < 4; i++ {
		o.Tick(start.Add(time500(i)))
	}
	if s := o.State(); !s.Stalled.Equal(start.Add(time500(1))) || s.Waiters != 1 {
		t.Errorf("somebody waits: %+v", s)
	}
	o.Unwait()
	for i := 4; i < 9; i++ {
		o.Tick(start.Add(time500(i)))
	}
	if s := o.State(); !s.Stalled.IsZero() || s.Waiters != 0 {
		t.Errorf("nobody waits any more: %+v", s)
	}
}

// TestOutletForgotten: a subscriber that has ended without a word leaves nothing behind.
func TestOutletForgotten(t *testing.T) {
	o := confirmed(2)
	if v := o.Tick(start.Add(Forget - 1)); v != Fine {
		t.Error(v)
	}
	if v := o.Tick(start.Add(Forget)); v != Gone {
		t.Error(v)
	}
}

func TestOutletMarks(t *testing.T) {
	o := NewOutlet(&Grant{Flow: 1, Number: 4, Room: Amount{1, 10}}, 7, start)
	expect := func(at time.Duration, want Mark, due bool) {
		t.Helper()
		if m, ok := o.Mark(start.Add(at), 100*time.Millisecond); ok != due || ok && m != want {
			t.Errorf("at %v: %+v, %v", at, m, ok)
		}
	}
	begin := Mark{Flow: 1, Epoch: 7, Number: 4, Exact: true}
	expect(0, begin, true)
	expect(0, begin, false)
	o.Grant(&Grant{Number: 5, Room: Amount{1, 10}}, start)
	begin.Number = 5
	expect(50*time.Millisecond, begin, false) // too soon
	expect(100*time.Millisecond, begin, true)
	o.Unmarked()
	expect(100*time.Millisecond, begin, true)
	o.Start(10)
	o.Wait(12)
	expect(time.Second, Mark{Flow: 1, Epoch: 7, Number: 5, Need: 12}, true)
	o.Finish(10)
	o.Tick(start.Add(time.Second))
	expect(time.Second, begin, false)
	o.Tick(start.Add(2 * time.Second)) // nothing has come back
	expect(2*time.Second, Mark{Flow: 1, Epoch: 7, Number: 5, Sent: Amount{1, 10}, Exact: true, Need: 12}, true)
	o.Grant(&Grant{Number: 6, Epoch: 7, Arrived: Amount{1, 10}, Room: Amount{1, 20}}, start.Add(2*time.Second))
	expect(3*time.Second, Mark{Flow: 1, Epoch: 7, Number: 6, Sent: Amount{1, 10}, Exact: true}, true)
}

// TestOutletAlive: somebody who takes messages, though there is no room yet, is waited for, and after he was dropped, again.
func TestOutletAlive(t *testing.T) {
	o := confirmed(2)
	o.send(2)
	o.Wait(10)
	g := Grant{Number: 2, Epoch: 7, Room: Amount{2, 20}}
	for at := time.Second; at < 20*time.Second; at += time.Second {
		g.Number++
		g.Taken++
		o.Grant(&g, start.Add(at))
		if got := o.dropped(at, at+600*time.Millisecond); got != 0 {
			t.Fatalf("dropped after %v", got)
		}
	}
	if got := o.dropped(20*time.Second, 30*time.Second); got != 24*time.Second {
		t.Errorf("dropped after %v", got)
	}
	g.Number, g.Taken = g.Number+1, g.Taken+1
	o.Grant(&g, start.Add(31*time.Second))
	if o.Ready(10) {
		t.Error("not waited for")
	}
}
