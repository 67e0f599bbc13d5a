// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// outsiders is how many clones of C++ Broker are played in the histories that have some, foreignHistories how many of these are tried with
	// each backend.
	outsiders        = 2
	foreignHistories = 80
	// places are all of the network.
	places = endpoints + outsiders
	// littleHistory is what the master keeps in every third of these histories: a clone that is away for long can't go on.
	littleHistory = 2500
)

// Actions at outsiders.
const (
	doWriteOutside kind = doRestartMaster + 1 + iota
	doLookOutside
	doCrashOutside
)

// TestForeignMemory, TestForeignPebble and TestForeignSQLite try random histories in which clones of C++ Broker take part. Such a clone has
// a prefix of the history at any time, its writes are executed once and in their order, and in the end it has caught up, or the master names
// it as stranded. It is stranded only if the master was to keep little.
func TestForeignMemory(t *testing.T) {
	try(t, storage{name: "memory", foreign: true, open: func(uint64, string) disk { return volatile{} }}, foreignHistories)
}

func TestForeignPebble(t *testing.T) {
	try(t, storage{name: "pebble", foreign: true, survives: true, diesWriting: true, open: openPebble}, foreignHistories)
}

func TestForeignSQLite(t *testing.T) {
	try(t, storage{name: "sqlite", foreign: true, survives: true, open: openSQLite}, foreignHistories)
}

// withOutsiders mixes actions of outsiders into a history.
func withOutsiders(rng *rand.Rand, h []action) (all []action) {
	for _, a := range h {
		for rng.IntN(3) == 0 {
			all = append(all, outsideAction(rng))
		}
		all = append(all, a)
	}
	return all
}

func outsideAction(rng *rand.Rand) action {
	a := action{place: endpoints + rng.IntN(outsiders)}
	switch roll := rng.IntN(20); {
	case roll < 9:
		a.kind = doWriteOutside
	case roll < 15:
		a.kind = doLookOutside
	case roll < 16:
		a.kind = doCrashOutside
	case roll < 19:
		a.kind, a.other, a.d = doLink, 0, time.Duration(rng.Int64N(int64(maxDelay)))
		a.loss = []int{0, 10, 50, 100, 100}[rng.IntN(5)]
	default:
		a.kind, a.d = doWait, time.Duration(rng.IntN(70))*time.Second
	}
	return a
}

// doOutside carries out an action at an outsider.
func (w *world) doOutside(a action) {
	o := w.outside[a.place-endpoints]
	switch a.kind {
	case doWriteOutside:
		o.write()
	case doLookOutside:
		w.rec.lookOutside(a.place, o)
	case doCrashOutside:
		o.die()
		w.goOutside(a.place - endpoints)
	}
}

// judgeOutside looks at all outsiders in the end.
func (w *world) judgeOutside() {
	p := w.at(0)
	if p == nil || w.outside[0] == nil {
		return
	}
	status := p.Status()
	w.rec.mu.Lock()
	want := w.rec.final()
	w.rec.mu.Unlock()
	for i, o := range w.outside {
		w.rec.lookOutside(endpoints+i, o)
		if err := o.judge(status.Sequence, want, status.Stranded, w.history > 0); err != nil {
			w.fail("%w; the master: %+v", err, status)
		}
	}
}

// endOutside ends all outsiders.
func (w *world) endOutside() {
	for _, o := range w.outside {
		if o != nil {
			o.die()
		}
	}
}

// outsideWrites checks what outsiders have pushed: all that was acknowledged, everything once, in its order, and nothing left out.
func (w *world) outsideWrites() error {
	for _, o := range w.everOutside {
		var got []uint64
		for s := range strings.SplitSeq(strings.Trim(w.rec.final()[o.key], "()"), ", ") {
			if n, err := strconv.ParseUint(s, 10, 64); err == nil {
				got = append(got, n)
			}
		}
		for i, n := range got {
			if i > 0 && n <= got[i-1] || !w.rec.cleared() && n != uint64(i+1) {
				return fmt.Errorf("of the outsider %s, which has made %d writes, these were executed: %v", o.id, o.writing.made, got)
			}
		}
		if acked := max(o.writing.acked, 1) - 1; uint64(len(got)) < acked && !w.rec.cleared() {
			return fmt.Errorf("%d writes of the outsider %s were acknowledged, %d are there", acked, o.id, len(got))
		}
	}
	return nil
}
