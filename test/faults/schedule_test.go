// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// action is what a step does.
type action string

// The actions. Each fault that is not for good comes with the step that ends it.
const (
	breakLine   action = "break"     // a line, in each direction as There and Back say
	healLine    action = "heal"      //
	isolate     action = "isolate"   // all lines of a member are cut
	rejoin      action = "rejoin"    //
	rejoinMute  action = "mute"      // the same, but the ends of connections don't get through until the round ends
	killMember  action = "kill"      //
	closeMember action = "close"     // as programs should
	restart     action = "restart"   //
	stopMember  action = "stop"      // the process stands still
	goOn        action = "go on"     //
	hangUp      action = "hang up"   // a peering is ended by the member that dialed
	dialAgain   action = "dial"      // the same peering is begun again, from either side
	newLink     action = "link"      // a peering that was not there before
	endLink     action = "unlink"    // one ends for good
	subscribe   action = "subscribe" // a member wants other prefixes
)

// step is a line of a schedule.
type step struct {
	at          time.Duration
	do          action
	a, b        int // a member, or the ends of a line; where one dials, it is a
	there, back lab.Fault
	prefixes    []string
}

// String is a step as the log shows it.
func (s step) String() string {
	text := fmt.Sprintf("%6.2fs %s m%d", s.at.Seconds(), s.do, s.a)
	switch s.do {
	case breakLine:
		text += fmt.Sprintf("-m%d there %+v back %+v", s.b, s.there, s.back)
	case healLine, hangUp, dialAgain, newLink, endLink:
		text += fmt.Sprintf("-m%d", s.b)
	case subscribe:
		text += fmt.Sprintf(" %q", s.prefixes)
	}
	return text
}

// planner makes the schedule of a round. It knows who and what is in the middle of a fault, so that faults don't get into each other's
// way: each ends by itself before the next one of the same line or member.
type planner struct {
	rng     *rand.Rand
	w       *world // as it is at the time
	now     time.Duration
	steps   []step
	lines   map[link]time.Duration // until when a line is busy
	members []time.Duration
	ended   map[link]bool // links that ended in this round
	end     time.Duration
}

// plan makes a schedule, in order of time. The world is what it was before; when the schedule has ended, it is what the last steps for
// links and subscriptions say.
func plan(rng *rand.Rand, w *world) []step {
	p := &planner{rng: rng, w: w.clone(), lines: make(map[link]time.Duration), members: make([]time.Duration, len(w.kinds)), ended: make(map[link]bool)}
	p.end = time.Duration(5+rng.IntN(15)) * time.Second
	for p.now < p.end {
		p.fault()
		p.now += time.Duration(rng.IntN(4000)) * time.Millisecond
	}
	slices.SortStableFunc(p.steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	return p.steps
}

func (w *world) clone() *world {
	return &world{kinds: w.kinds, links: maps.Clone(w.links), wants: slices.Clone(w.wants)}
}

func (p *planner) add(after time.Duration, s step) {
	s.at = p.now + after
	p.steps = append(p.steps, s)
}

// a while is how long a fault lasts: mostly short, at times so long that everybody notices.
func (p *planner) while() time.Duration {
	if p.rng.IntN(4) == 0 {
		return 16*time.Second + time.Duration(p.rng.IntN(4000))*time.Millisecond
	}
	return time.Duration(p.rng.IntN(5000)) * time.Millisecond
}

// fault adds one thing that goes wrong, or that somebody wants.
func (p *planner) fault() {
	m := p.rng.IntN(len(p.w.kinds))
	all := sorted(p.w.links)
	l := all[p.rng.IntN(len(all))]
	switch dice := p.rng.IntN(18); {
	case dice < 5:
		p.line(l, dice)
	case dice < 6:
		p.alone(m)
	case dice < 10:
		p.member(m, dice)
	case dice < 12:
		p.hangUp(l)
	case dice < 15:
		if p.free(m) {
			p.w.wants[m] = randomPrefixes(p.rng)
			p.add(0, step{do: subscribe, a: m, prefixes: p.w.wants[m]})
		}
	case dice < 16:
		p.relink()
	case dice < 17:
		p.flicker(l)
	default:
		p.crash()
	}
}

// flicker cuts a line for moments, again and again.
func (p *planner) flicker(l link) {
	if p.lines[l] > p.now {
		return
	}
	at := time.Duration(0)
	pause := func() time.Duration { return time.Duration(p.rng.IntN(1200)) * time.Millisecond }
	for range 3 + p.rng.IntN(6) {
		p.add(at, step{do: breakLine, a: l[0], b: l[1], there: lab.Fault{Cut: true}, back: lab.Fault{Cut: true}})
		at += pause()
		p.add(at, step{do: healLine, a: l[0], b: l[1]})
		at += pause()
	}
	p.lines[l] = p.now + at
}

// crash kills several members at the same moment. They come back one after the other.
func (p *planner) crash() {
	d := time.Duration(p.rng.IntN(3000)) * time.Millisecond
	for m := range p.w.kinds {
		if p.free(m) && p.rng.IntN(2) == 0 {
			p.add(0, step{do: killMember, a: m})
			p.add(d, step{do: restart, a: m})
			d += time.Duration(p.rng.IntN(1000)) * time.Millisecond
			p.members[m] = p.now + d + time.Second
		}
	}
}

func (p *planner) free(m int) bool { return p.members[m] <= p.now }

// line breaks a line for a while.
func (p *planner) line(l link, dice int) {
	if p.lines[l] > p.now {
		return
	}
	s := step{do: breakLine, a: l[0], b: l[1]}
	how := func() lab.Fault {
		switch dice {
		case 0, 1:
			return lab.Fault{Cut: true}
		case 2:
			return lab.Fault{Loss: lab.Losses[p.rng.IntN(len(lab.Losses))]}
		default:
			return lab.Fault{Detour: randomDetour(p.rng)}
		}
	}
	if s.there = how(); p.rng.IntN(3) > 0 {
		s.back = how()
	}
	d := p.while()
	p.lines[l] = p.now + d
	p.add(0, s)
	p.add(d, step{do: healLine, a: l[0], b: l[1]})
}

func randomDetour(rng *rand.Rand) lab.Detour {
	return lab.Detour{
		Delay: time.Duration(1+rng.IntN(40)) * time.Millisecond, Jitter: time.Duration(rng.IntN(30)) * time.Millisecond,
		Reorder: rng.IntN(20), Duplicate: rng.IntN(20),
	}
}

// alone cuts a member off for a while.
func (p *planner) alone(m int) {
	if d := p.while(); p.takeLines(m, d) {
		p.add(0, step{do: isolate, a: m})
		p.add(d, step{do: rejoin, a: m})
	}
}

// takeLines takes all lines of a member, unless one is busy.
func (p *planner) takeLines(m int, d time.Duration) bool {
	var all []link
	for _, peer := range p.w.peers(m) {
		if l := linkOf(m, peer); p.lines[l] <= p.now {
			all = append(all, l)
		} else {
			return false
		}
	}
	for _, l := range all {
		p.lines[l] = p.now + d
	}
	return true
}

// member ends a process, one way or another, and has it come back.
func (p *planner) member(m, dice int) {
	if !p.free(m) {
		return
	}
	d := time.Duration(p.rng.IntN(6000)) * time.Millisecond
	begin, end := step{a: m}, step{do: restart, a: m}
	switch {
	case dice == 6:
		begin.do = closeMember
	case dice == 7:
		begin.do, end.do, d = stopMember, goOn, p.while()
	case p.rng.IntN(2) == 0:
		begin.do = killMember
	default: // nobody hears of its end: peers are left with half of a connection
		begin.do = killMember
		if longer := d + p.while(); p.takeLines(m, longer) {
			p.add(0, step{do: isolate, a: m})
			p.add(longer, step{do: []action{rejoin, rejoinMute}[p.rng.IntN(2)], a: m})
		}
	}
	p.members[m] = p.now + d + time.Second
	p.add(0, begin)
	p.add(d, end)
}

// hangUp ends a peering and begins it again.
func (p *planner) hangUp(l link) {
	if !p.free(l[0]) || !p.free(l[1]) || p.ended[l] {
		return
	}
	d := time.Duration(p.rng.IntN(3000)) * time.Millisecond
	p.members[l[0]], p.members[l[1]] = p.now+d+time.Second, p.now+d+time.Second
	a, b := p.dialer(l)
	p.add(0, step{do: hangUp, a: a, b: b})
	p.add(d, step{do: dialAgain, a: a, b: b})
}

// dialer chooses who dials: leaves always do.
func (p *planner) dialer(l link) (from, to int) {
	from, to = l[0], l[1]
	if p.w.kinds[to] != kindNode || p.w.kinds[from] == kindNode && p.rng.IntN(2) == 0 {
		from, to = to, from
	}
	return from, to
}

// relink lets a peering between nodes come or go, so that all nodes stay connected.
func (p *planner) relink() {
	var nodes []int
	for m, k := range p.w.kinds {
		if k == kindNode {
			nodes = append(nodes, m)
		}
	}
	a, b := nodes[p.rng.IntN(len(nodes))], nodes[p.rng.IntN(len(nodes))]
	l := linkOf(a, b)
	if a == b || !p.free(a) || !p.free(b) || p.lines[l] > p.now || p.ended[l] {
		return
	}
	p.members[a], p.members[b] = p.now+time.Second, p.now+time.Second
	if !p.w.links[l] {
		p.w.links[l] = true
		p.add(0, step{do: newLink, a: a, b: b})
		return
	}
	delete(p.w.links, l)
	if !p.w.connected() {
		p.w.links[l] = true
		return
	}
	p.ended[l] = true
	p.add(0, step{do: endLink, a: a, b: b})
}

// connected tells whether every node reaches the first member, which is one.
func (w *world) connected() bool {
	seen := map[int]bool{0: true}
	for next := []int{0}; len(next) > 0; next = next[1:] {
		for _, m := range w.peers(next[0]) {
			if !seen[m] && w.kinds[m] == kindNode {
				seen[m] = true
				next = append(next, m)
			}
		}
	}
	for m, k := range w.kinds {
		if k == kindNode && !seen[m] {
			return false
		}
	}
	return true
}

// describe lists steps.
func describe(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString("  " + s.String() + "\n")
	}
	return b.String()
}
