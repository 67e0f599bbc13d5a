// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"maps"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// While things go wrong each member publishes so many messages at once, with a pause in milliseconds. What comes together while a line
// is cut has room in a queue.
const (
	pumpAtOnce = 5
	pumpEvery  = 40
	pumpRoom   = 100_000
)

// upheaval is a round of faults, as far as it matters for what must not be lost.
type upheaval struct {
	union     *world // all links that there were at some time
	wants     [][][]string
	restarted map[int]bool
	lives     []uint64
	before    since
	after     since
	from, to  []map[string]uint64 // what had been published before and when it ended
	seed      uint64
}

// upset carries out a schedule while everybody publishes. When it returns, everything is whole again.
func (f *fleet) upset(when string, steps []step, seed uint64) *upheaval {
	f.t.Helper()
	u := &upheaval{union: f.w.clone(), restarted: make(map[int]bool), before: f.since(f.settle(when)), from: f.sent, seed: seed}
	for i, m := range f.members {
		u.wants = append(u.wants, [][]string{f.w.wants[i]})
		u.lives = append(u.lives, m.life)
	}
	f.all(func(m int) order { return f.pumping(m, seed) })
	start := time.Now()
	for _, s := range steps {
		time.Sleep(time.Until(start.Add(s.at)))
		f.t.Logf("%6.2fs: %v", time.Since(start).Seconds(), s)
		f.perform(s, u)
		f.totals.Faults++
	}
	f.heal()
	u.to = make([]map[string]uint64, len(f.members))
	for i, a := range f.all(func(int) order { return order{Do: doHalt} }) {
		u.to[i] = a.Published
	}
	f.sent = u.to
	u.after = f.since(f.settle(when + ", healed"))
	return u
}

func (f *fleet) pumping(m int, seed uint64) order {
	return order{Do: doPump, Every: pumpEvery, AtOnce: pumpAtOnce, Seed: seed + uint64(m)}
}

// perform carries out a step.
func (f *fleet) perform(s step, u *upheaval) {
	f.t.Helper()
	a, b := f.members[s.a], f.members[s.b]
	switch s.do {
	case breakLine, healLine:
		f.change(map[[2]int]lab.Fault{{s.a, s.b}: s.there, {s.b, s.a}: s.back})
	case isolate, rejoin, rejoinMute:
		faults := make(map[[2]int]lab.Fault)
		for _, p := range u.union.peers(s.a) {
			fault := lab.Fault{Cut: s.do == isolate, Mute: s.do == rejoinMute}
			faults[[2]int{s.a, p}], faults[[2]int{p, s.a}] = fault, fault
		}
		f.change(faults)
	case killMember:
		a.kill()
	case closeMember:
		f.checkClose(a)
	case restart:
		a.start()
		u.restarted[s.a] = true
		f.published(f.sent[s.a]) // as far as is known
		f.sent[s.a] = nil
		a.order(f.pumping(s.a, u.seed))
	case stopMember, goOn:
		a.stop(s.do == stopMember)
	case hangUp, endLink:
		f.hangUp(a, b)
		if s.do == endLink {
			delete(f.w.links, linkOf(s.a, s.b))
		}
	case dialAgain, newLink:
		a.dial(b)
		f.w.links[linkOf(s.a, s.b)], u.union.links[linkOf(s.a, s.b)] = true, true
	case subscribe:
		a.subscribe(s.prefixes)
		f.w.wants[s.a] = s.prefixes
		u.wants[s.a] = append(u.wants[s.a], s.prefixes)
	}
}

func (f *fleet) change(faults map[[2]int]lab.Fault) {
	f.t.Helper()
	hosts := f.lab.Hosts()
	of := make(map[[2]*lab.Host]lab.Fault)
	for pair, fault := range faults {
		of[[2]*lab.Host{hosts[pair[0]], hosts[pair[1]]}] = fault
	}
	if err := f.lab.Change(of); err != nil {
		f.t.Fatal(err)
	}
}

// hangUp has whoever has dialed end a peering.
func (f *fleet) hangUp(a, b *member) {
	for _, d := range [][2]*member{{a, b}, {b, a}} {
		if d[0].dials[d[1].address()] {
			d[0].hangUp(d[1])
		}
	}
}

// checkClose closes a member in the middle of everything. What it could not send is its own affair, but nothing of it may be left.
func (f *fleet) checkClose(m *member) {
	f.t.Helper()
	m.send(order{Do: doClose})
	if a := m.reply(doClose); a.Error != "" {
		f.t.Logf("%s: %s", m.name, a.Error)
	}
	m.reap()
}

// losses names what was lost though the path that it had to take had been up all the time. A path counts if it was the one shortest
// path whatever links there were in the round: then no node may have chosen another one at any time.
func (f *fleet) losses(u *upheaval) {
	f.t.Helper()
	got := f.all(func(int) order { return order{Do: doArrivals} })
	checked := 0
	for from, origin := range f.members {
		for to := range f.members {
			path := u.union.only(from, to)
			if u.restarted[from] || u.restarted[to] || !f.w.offered(from, to) || path == nil || !stable(path, u.before, u.after) {
				continue
			}
			checked++
			for _, topic := range topics {
				if slices.ContainsFunc(u.wants[to], func(p []string) bool { return !wanted(p, topic) }) {
					continue
				}
				spans := got[to].Streams[origin.streamName()][streamKey(origin.life, topic)]
				if lost := missing(spans, u.from[from][topic], u.to[from][topic]); len(lost) > 0 {
					f.t.Errorf("m%d lacks %v of m%d at %s, though the path %v was up", to, lost, from, topic, path)
				}
			}
		}
	}
	f.totals.Paths += uint64(checked)
	f.t.Logf("%d of %d paths were up all the time", checked, len(f.members)*(len(f.members)-1))
	f.quit()
}

// badLines makes some lines bad, but not so bad that connections have to end. pick draws a number below n.
func (f *fleet) badLines(pick func(n int) int, detour func() lab.Detour) {
	f.t.Helper()
	faults := make(map[[2]int]lab.Fault)
	for _, l := range sorted(maps.Clone(f.w.links)) {
		for _, d := range [][2]int{{l[0], l[1]}, {l[1], l[0]}} {
			switch pick(4) {
			case 0:
				faults[d] = lab.Fault{Loss: lab.Losses[pick(2)]}
			case 1:
				faults[d] = lab.Fault{Detour: detour()}
			}
		}
	}
	f.change(faults)
}
