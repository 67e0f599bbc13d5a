// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// TestDecide: whom leases go to, and when a clone takes over. A holder that may have a lease is never passed over.
func TestDecide(t *testing.T) {
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	see := func(pod, state string, epoch, sequence uint64) sighting {
		return sighting{pod: pod, store: statusapi.Store{State: state, Epoch: epoch, Sequence: sequence, History: "h", Leased: true}, received: noon}
	}
	barred := func(s sighting) sighting { s.barred = true; return s }
	const s = statusapi.StoreServing
	a1 := holder{"a-0", 1, "h"}
	clones := func(list ...sighting) func(*situation) { return func(x *situation) { x.clones = list } }
	gone := func(x *situation) {
		x.masters, x.good, x.ended, x.asked = nil, ago(time.Minute), ago(time.Second), ago(time.Second)
	}
	far := clones(see("b-0", "Synced", 1, 7), see("c-0", "Synced", 1, 9), see("d-0", "Synced", 1, 9))
	began := func(x *situation) { x.masters[0].store.History = "another" }
	for name, test := range map[string]struct {
		changes []func(*situation)
		want    decision
	}{
		"first":          {[]func(*situation){func(x *situation) { x.holder = holder{} }}, decision{deed: deedRecord, holder: a1}},
		"renewed":        {nil, decision{deed: deedGrant, holder: a1}},
		"not leased":     {[]func(*situation){func(x *situation) { x.masters[0].store.Leased = false; x.holder = holder{} }}, decision{}},
		"a later epoch":  {[]func(*situation){func(x *situation) { x.masters[0].store.Epoch = 4 }}, decision{deed: deedRecord, holder: holder{"a-0", 4, "h"}}},
		"an older epoch": {[]func(*situation){func(x *situation) { x.holder.epoch = 2 }}, decision{}},
		"just gone":      {[]func(*situation){gone, func(x *situation) { x.good = ago(29 * time.Second) }}, decision{}},
		"still leased":   {[]func(*situation){gone, far, func(x *situation) { x.ended = noon.Add(time.Second) }}, decision{words: "as soon as the last lease has ended"}},
		"not asked":      {[]func(*situation){gone, far, func(x *situation) { x.asked = time.Time{} }}, decision{deed: deedAsk, words: "asked how far"}},
		"a silent clone": {[]func(*situation){gone, far, func(x *situation) { x.silent = 1 }}, decision{deed: deedAsk, words: "asked how far"}},
		"too silent":     {[]func(*situation){gone, far, func(x *situation) { x.silent, x.asked = 1, ago(answerTime) }}, decision{deed: deedPromote, holder: holder{"c-0", 2, "h"}, words: "c-0 takes over"}},
		"furthest ahead": {[]func(*situation){gone, far}, decision{deed: deedPromote, holder: holder{"c-0", 2, "h"}, words: "c-0 takes over"}},
		"a later master's clone": {[]func(*situation){gone, clones(see("b-0", "Stale", 2, 7), see("c-0", "Stale", 1, 9))},
			decision{deed: deedPromote, holder: holder{"b-0", 3, "h"}, words: "b-0 takes over"}},
		"the furthest is one pod of several": {[]func(*situation){gone, clones(see("b-0", "Synced", 1, 7), barred(see("c-0", "Synced", 3, 9)))},
			decision{deed: deedPromote, holder: holder{"b-0", 4, "h"}, words: "b-0 takes over"}},
		"nobody has it":   {[]func(*situation){gone, clones(see("b-0", "Attaching", 0, 0))}, decision{words: "no clone that has the store answers"}},
		"another history": {[]func(*situation){gone, far, func(x *situation) { x.holder.history = "h2" }}, decision{words: "no clone"}},
		"old answers":     {[]func(*situation){gone, far, func(x *situation) { x.asked = noon.Add(time.Millisecond) }}, decision{words: "no clone"}},
		"never leased":    {[]func(*situation){gone, far, func(x *situation) { x.holder = holder{} }}, decision{}},
		"unreachable, and said to serve": {[]func(*situation){far, func(x *situation) { x.good, x.ended, x.asked = ago(time.Minute), ago(1), ago(1) }},
			decision{deed: deedPromote, holder: holder{"c-0", 2, "h"}, words: "c-0 takes over"}},
		"unreachable, without clones": {[]func(*situation){func(x *situation) { x.good, x.ended, x.asked = ago(time.Minute), ago(1), ago(1) }}, decision{deed: deedGrant, holder: a1}},
		"began anew, just now":        {[]func(*situation){far, began}, decision{}},
		"began anew": {[]func(*situation){far, began, func(x *situation) { x.good, x.ended, x.asked = ago(time.Minute), ago(1), ago(1) }},
			decision{deed: deedPromote, holder: holder{"c-0", 2, "h"}, words: "c-0 takes over"}},
		"began anew, and nobody has what was": {[]func(*situation){began, func(x *situation) { x.good, x.ended, x.asked = ago(time.Minute), ago(1), ago(1) }},
			decision{deed: deedRecord, holder: holder{"a-0", 1, "another"}}},
		"handed over": {[]func(*situation){func(x *situation) {
			x.masters, x.handed, x.ended = append(x.masters, see("b-0", s, 2, 9)), "b-0", noon.Add(time.Minute)
		}}, decision{deed: deedRecord, holder: holder{"b-0", 2, "h"}}},
		"promoted by hand, the old one leased": {[]func(*situation){func(x *situation) {
			x.masters, x.ended = []sighting{see("b-0", s, 2, 9)}, noon.Add(time.Minute)
		}}, decision{}},
		"promoted by hand": {[]func(*situation){func(x *situation) {
			x.masters, x.ended = []sighting{see("b-0", s, 2, 9)}, noon
		}}, decision{deed: deedRecord, holder: holder{"b-0", 2, "h"}}},
		"two of an epoch": {[]func(*situation){func(x *situation) { x.masters = []sighting{see("b-0", s, 1, 9)} }}, decision{}},
		"being promoted": {[]func(*situation){gone, far, func(x *situation) {
			x.masters, x.plan.Promotion, x.plan.MasterPod = []sighting{see("b-0", "TakingOver", 1, 9)}, true, "b-0"
		}}, decision{}},
		"being promoted, and gone": {[]func(*situation){gone, far, func(x *situation) {
			x.masters, x.plan.Promotion, x.plan.MasterPod, x.holder = []sighting{see("b-0", "TakingOver", 1, 9)}, true, "b-0", holder{"b-0", 2, "h"}
			x.masters[0].received = ago(longSilence)
		}}, decision{deed: deedPromote, holder: holder{"c-0", 3, "h"}, words: "c-0 takes over"}},
	} {
		x := situation{plan: topology.StorePlan{MasterPod: "a-0", Epoch: 1, Lease: 30 * time.Second}, holder: a1,
			masters: []sighting{see("a-0", s, 1, 9)}, good: ago(time.Second), ended: noon.Add(30 * time.Second), now: noon}
		for _, change := range test.changes {
			change(&x)
		}
		got := decide(x)
		if got.deed != test.want.deed || got.holder != test.want.holder || !strings.Contains(got.words, test.want.words) || (test.want.words == "") != (got.words == "") {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
