// SPDX-License-Identifier: Apache-2.0

package storemove

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
)

// scripted shows one state after the other, one for each look; the last one stays.
type scripted struct {
	states []State
	begun  bool
	fails  error
}

func (s *scripted) Look(context.Context) (State, error) {
	now := s.states[0]
	if s.begun && len(s.states) > 1 {
		s.states = s.states[1:]
	}
	return now, nil
}

func (s *scripted) Begin(context.Context) error { s.begun = true; return s.fails }

func TestRun(t *testing.T) {
	at := func(node, words string) State { return State{Node: node, Epoch: 1, Current: true, Words: words} }
	refused := State{Node: "a", Epoch: 1, Current: true, Refused: true, Words: "foreign clones"}
	var many []State
	for range 100 {
		many = append(many, refused)
	}
	for name, test := range map[string]struct {
		states     []State
		say        string // to a question; empty: none is asked
		fails      error
		out, notes string
		err        string
		code       int
	}{
		"done":           {states: []State{{Node: "a", Words: "old"}, at("a", "on its way"), at("a", "on its way"), at("b", "")}, out: "is on b, epoch 1", notes: "on its way\n"},
		"there already":  {states: []State{at("b", ""), at("b", "")}, out: "is on b"},
		"never seen":     {states: []State{{}}, err: "never seen", code: 1},
		"refused":        {states: append([]State{at("a", "")}, many...), err: "refused: foreign clones", notes: "foreign clones\n", code: 1},
		"refused before": {states: []State{at("a", ""), refused, refused, at("a", "on its way"), refused, at("b", "")}, out: "is on b", notes: "foreign clones\non its way\nforeign clones\n"},
		"too late":       {states: []State{at("a", ""), at("a", "on its way")}, err: "not on b after 1m0s", notes: "on its way\n", code: 3},
		"can't be asked": {states: []State{at("a", "")}, fails: errors.New("no"), err: "no", code: 1},
		"yes":            {states: []State{at("a", ""), at("b", "")}, say: "yes", out: "is on b"},
		"no":             {states: []State{at("a", ""), at("b", "")}, say: "no", err: "nothing was done", code: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out, notes strings.Builder
			o := Options{Move: Move{Store: "s", Node: "b", WithoutMaster: test.say != ""}, Timeout: time.Minute, Out: &out, Notes: &notes}
			asked := ""
			o.Confirm = func(question string) (bool, error) { asked = question; return test.say == "yes", nil }
			m := &scripted{states: test.states, fails: test.fails}
			err := Run(t.Context(), m, o)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) || ctl.Code(err) != test.code {
				t.Errorf("%s: error %v, code %d", name, err, ctl.Code(err))
			}
			if !strings.Contains(out.String(), test.out) || notes.String() != test.notes {
				t.Errorf("%s: out %q, notes %q", name, out.String(), notes.String())
			}
			if (asked != "") != (test.say != "") || test.say == "no" && m.begun {
				t.Errorf("%s: asked %q, begun %v", name, asked, m.begun)
			}
		})
	}
}
