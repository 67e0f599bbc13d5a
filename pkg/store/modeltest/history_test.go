// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Places of the network. The master is at place 0, clones are at the others.
const (
	endpoints = 4
	clones    = endpoints - 1
)

// kind is what an action does.
type kind uint8

const (
	doWait kind = iota
	doPut
	doPutShared
	doEraseShared
	doPush
	doIncrement
	doUnique
	doCompareSet
	doBatch
	doExpiring
	doClear
	doLook
	doLink
	doHeal
	doCrashClone
	doCrashMaster
	doCrashWriting
	doRestartMaster
)

var kindNames = [...]string{
	"wait", "put", "put shared", "erase shared", "push", "increment", "put unique", "compare and set", "batch", "put expiring", "clear", "look", "link", "heal",
	"crash clone", "crash master", "crash master while it writes", "restart master",
	"write outside", "look outside", "crash outside",
}

// action is a step of a history.
type action struct {
	kind kind
	// place is that of the frontend, other the far end of a link.
	place, other int
	// n is a key, or the number of the write at which the master dies.
	n int
	// d is how long: the wait, the expiry, the time until a crashed process is back, the delay of a link.
	d time.Duration
	// loss of a link in percent; 100 cuts it.
	loss int
}

func (a action) String() string {
	switch a.kind {
	case doWait, doClear, doHeal:
		return fmt.Sprintf("%s %v", kindNames[a.kind], a.d)
	case doLink:
		return fmt.Sprintf("link %d-%d: loss %d %%, delay %v", a.place, a.other, a.loss, a.d)
	}
	return fmt.Sprintf("%s at %d, n %d, %v", kindNames[a.kind], a.place, a.n, a.d)
}

// storage says what the master's backend can do in a history.
type storage struct {
	name string
	// survives a crash; dies in the middle of a write too.
	survives, diesWriting bool
	// foreign: clones of C++ Broker take part.
	foreign bool
	open    func(seed uint64, dir string) disk
}

// newHistory makes the actions of a history.
func newHistory(rng *rand.Rand, s storage) []action {
	faults := rng.IntN(4) // how much goes wrong; a quarter of the histories is quiet
	clears := rng.IntN(5) == 0
	var h []action
	for range 20 + rng.IntN(60) {
		a := action{place: rng.IntN(endpoints), n: rng.IntN(3)}
		switch roll := rng.IntN(100); {
		case roll < 22:
			a.kind, a.d = doWait, time.Duration(rng.IntN(400))*time.Millisecond
		case roll < 24:
			a.kind, a.d = doWait, time.Duration(rng.IntN(60))*time.Second
		case roll < 70:
			a.kind = doPut + kind(rng.IntN(int(doBatch-doPut)+1))
		case roll < 75:
			a.kind, a.d = doExpiring, time.Duration(1+rng.IntN(3000))*time.Millisecond
		case roll < 76 && clears:
			a.kind = doClear
		case roll < 86:
			a.kind, a.place = doLook, 1+rng.IntN(clones)
		case rng.IntN(3) < faults:
			a = fault(rng, s)
		default:
			a.kind = doHeal
		}
		h = append(h, a)
	}
	if s.foreign {
		h = withOutsiders(rng, h)
	}
	return h
}

// fault is an action that breaks something.
func fault(rng *rand.Rand, s storage) action {
	a := action{place: rng.IntN(endpoints), d: time.Duration(rng.IntN(4000)) * time.Millisecond}
	switch roll := rng.IntN(10); {
	case roll < 4 || !s.survives && roll >= 6:
		a.kind, a.other, a.d = doLink, rng.IntN(endpoints), time.Duration(rng.Int64N(int64(maxDelay)))
		a.loss = []int{0, 10, 50, 100, 100}[rng.IntN(5)]
	case roll < 6:
		a.kind, a.place = doCrashClone, 1+rng.IntN(clones)
	case roll < 8:
		a.kind, a.place = doCrashMaster, 0
	case roll < 9 && s.diesWriting:
		a.kind, a.place, a.n = doCrashWriting, 0, 1+rng.IntN(12)
	default:
		a.kind, a.place = doRestartMaster, 0
	}
	return a
}
