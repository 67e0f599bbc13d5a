// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

func TestNextRoll(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pod := func(name string, mods ...func(*rollPod)) rollPod {
		p := rollPod{Name: name + "-0", UID: types.UID(name + " now"), Node: name, Ready: true, Heard: true, Created: now.Add(-time.Hour)}
		for _, mod := range mods {
			mod(&p)
		}
		return p
	}
	old := func(p *rollPod) { p.Old = true }
	sick := func(p *rollPod) { p.Ready = false }
	young := func(p *rollPod) { p.Created = now.Add(-time.Minute) }
	leaving := func(p *rollPod) { p.Leaving, p.Ready = true, false }
	held := func(p *rollPod) { p.Held = true }
	role := func(r string) func(*rollPod) { return func(p *rollPod) { p.Role = r } }
	link := func(from, to string, up bool) rollLink {
		return rollLink{name: from + " " + to, from: from + "-0", to: to + "-0", up: up}
	}
	away := func(name string, ago time.Duration, well bool, links ...string) map[string]flight {
		f := flight{uid: types.UID(name + " before"), well: well, at: now.Add(-ago), links: make(map[string]bool)}
		for _, l := range links {
			f.links[l] = true
		}
		return map[string]flight{name + "-0": f}
	}
	guess := func(name string, ago time.Duration, links ...string) map[string]flight {
		flights := away(name, ago, true, links...)
		f := flights[name+"-0"]
		f.uid, f.guessed = "", true
		return map[string]flight{name + "-0": f}
	}
	unheard := func(p *rollPod) { p.Heard = false }
	outside := rollLink{name: "a zeek", from: "a-0"}
	for name, c := range map[string]struct {
		pods    []rollPod
		links   []rollLink
		flights map[string]flight
		started time.Duration // since the manager began; 0: for ever
		grown   time.Duration // since the last pod became old; 0: for ever
		next    string        // pod to be deleted
		waiting map[string]string
		back    []string
	}{
		"nothing to do":              {pods: []rollPod{pod("a"), pod("b", sick)}},
		"first by name":              {pods: []rollPod{pod("b", old), pod("a", old)}, next: "a-0", waiting: map[string]string{"a": "", "b": "pod a-0 goes first"}},
		"more may come":              {pods: []rollPod{pod("a", old)}, grown: time.Second, waiting: map[string]string{"a": "more changes may be on their way"}},
		"no more has come":           {pods: []rollPod{pod("a", old)}, grown: gatherTime, next: "a-0", waiting: map[string]string{"a": ""}},
		"sick at once":               {pods: []rollPod{pod("a", old, sick), pod("b", old)}, grown: time.Second, next: "a-0", waiting: map[string]string{"a": "", "b": "pod a-0 goes first"}},
		"sick first":                 {pods: []rollPod{pod("a", old), pod("b", old, sick)}, next: "b-0", waiting: map[string]string{"b": "", "a": "pod b-0 goes first"}},
		"paused":                     {pods: []rollPod{pod("a", old, held), pod("b", old)}, next: "b-0", waiting: map[string]string{"b": ""}},
		"not ready":                  {pods: []rollPod{pod("a", sick), pod("b", old)}, flights: away("a", 5*time.Minute, true), waiting: map[string]string{"b": "pod a-0 is not ready yet"}},
		"not there":                  {pods: []rollPod{pod("b", old)}, flights: away("a", 5*time.Minute, true), waiting: map[string]string{"b": "pod a-0 is not there again yet"}},
		"still the old one":          {pods: []rollPod{pod("a", old, func(p *rollPod) { p.UID = "a before" }), pod("b", old)}, flights: away("a", 0, true), waiting: map[string]string{"a": "pod a-0 is not there again yet", "b": "pod a-0 is not there again yet"}},
		"back":                       {pods: []rollPod{pod("a"), pod("b", old)}, flights: away("a", 0, true), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"a-0"}},
		"the last one is back":       {pods: []rollPod{pod("a"), pod("b")}, flights: away("a", 0, true), back: []string{"a-0"}},
		"not connected again":        {pods: []rollPod{pod("a"), pod("b", old)}, links: []rollLink{link("a", "b", false)}, flights: away("a", time.Hour, true, "a b"), waiting: map[string]string{"b": "pod a-0 has not got its connection back that a b has"}},
		"connected again":            {pods: []rollPod{pod("a"), pod("b", old)}, links: []rollLink{link("a", "b", true)}, flights: away("a", 0, true, "a b"), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"a-0"}},
		"never was connected":        {pods: []rollPod{pod("a"), pod("b", old)}, links: []rollLink{link("a", "b", false)}, flights: away("a", 0, true), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"a-0"}},
		"the other end is sick":      {pods: []rollPod{pod("a"), pod("b", old, sick)}, links: []rollLink{link("a", "b", false)}, flights: away("a", 0, true, "a b"), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"a-0"}},
		"an end outside":             {pods: []rollPod{pod("a"), pod("b", old)}, links: []rollLink{outside}, flights: away("a", time.Second, true, "a zeek"), waiting: map[string]string{"b": "pod a-0 has not got its connection back that a zeek has"}},
		"an end outside, gone":       {pods: []rollPod{pod("a"), pod("b", old)}, links: []rollLink{outside}, flights: away("a", time.Hour, true, "a zeek"), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"a-0"}},
		"sick ones don't wait":       {pods: []rollPod{pod("a", sick), pod("b", old, sick)}, flights: away("a", time.Hour, true), next: "b-0", waiting: map[string]string{"b": ""}},
		"but for a bridge's end":     {pods: []rollPod{pod("a", sick), pod("b", old, sick)}, links: []rollLink{link("a", "b", false)}, flights: away("a", time.Hour, true), waiting: map[string]string{"b": "pod a-0 is not back yet, on whose link with b-0 a part of the mesh hangs"}},
		"was sick, gets a minute":    {pods: []rollPod{pod("a", sick), pod("b", old)}, flights: away("a", time.Second, false), waiting: map[string]string{"b": "pod a-0 is not ready yet"}},
		"was sick, stays so":         {pods: []rollPod{pod("a", sick), pod("b", old)}, flights: away("a", time.Hour, false), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"a-0"}},
		"others that are sick":       {pods: []rollPod{pod("a", sick), pod("b", old), pod("c")}, flights: away("c", 0, true), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"c-0"}},
		"a new manager, a young pod": {pods: []rollPod{pod("a", sick, young), pod("b", old)}, flights: guess("a", time.Second), waiting: map[string]string{"b": "pod a-0 is not ready yet"}},
		"a new manager, none":        {pods: []rollPod{pod("b", old)}, flights: guess("a", time.Second), waiting: map[string]string{"b": "pod a-0 is not there again yet"}},
		"a new manager, for long":    {pods: []rollPod{pod("a", sick, young), pod("b", old)}, flights: guess("a", rollMemory), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"a-0"}},
		"a new manager, a link":      {pods: []rollPod{pod("a"), pod("b", old)}, links: []rollLink{link("a", "b", false)}, flights: guess("a", time.Second, "a b"), waiting: map[string]string{"b": "pod a-0 has not got its connection back that a b has"}},
		"that never stood":           {pods: []rollPod{pod("a"), pod("b", old)}, links: []rollLink{link("a", "b", false)}, flights: guess("a", settleTime, "a b"), next: "b-0", waiting: map[string]string{"b": ""}, back: []string{"a-0"}},
		"nothing heard":              {pods: []rollPod{pod("a", unheard), pod("b", old)}, started: time.Second, waiting: map[string]string{"b": "nothing has been heard yet of pod a-0"}},
		"sick, nothing heard yet":    {pods: []rollPod{pod("a", unheard), pod("b", old), pod("c", old, sick)}, started: time.Second, next: "c-0", waiting: map[string]string{"b": "pod c-0 goes first", "c": ""}},
		"nothing heard for long":     {pods: []rollPod{pod("a", unheard), pod("b", old)}, started: time.Minute, next: "b-0", waiting: map[string]string{"b": ""}},
		"one is on its way out":      {pods: []rollPod{pod("a", old, leaving), pod("b", old)}, waiting: map[string]string{"a": "pod a-0 is on its way out", "b": "pod a-0 is not ready yet"}},
		"somebody deleted another":   {pods: []rollPod{pod("a", leaving), pod("b", old)}, waiting: map[string]string{"b": "pod a-0 is not ready yet"}},
		"a chain, from its ends":     {pods: []rollPod{pod("a", old), pod("b", old), pod("c", old)}, links: []rollLink{link("b", "a", true), link("a", "c", true)}, next: "b-0", waiting: map[string]string{"b": "", "a": "pod b-0 goes first", "c": "pod b-0 goes first"}},
		"by role":                    {pods: []rollPod{pod("a", old, role("manager")), pod("b", old, role("worker"))}, next: "b-0", waiting: map[string]string{"b": "", "a": "pod b-0 goes first"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := rollState{pods: c.pods, links: c.links, flights: c.flights, now: now}
			if c.started > 0 {
				s.started = now.Add(-c.started)
			}
			if c.grown > 0 {
				s.grown = now.Add(-c.grown)
			}
			step := nextRoll(s)
			next := ""
			if step.Delete != nil {
				next = step.Delete.Name
			}
			if next != c.next || !slices.Equal(step.Back, c.back) {
				t.Errorf("deletes %q, want %q; back %q, want %q", next, c.next, step.Back, c.back)
			}
			if fmt.Sprint(step.Waiting) != fmt.Sprint(c.waiting) {
				t.Errorf("waiting: %v, want %v", step.Waiting, c.waiting)
			}
		})
	}
}

// revise plays the part of the StatefulSet controller that a roll looks at.
func (w *world) revise(node, revision string) {
	w.t.Helper()
	w.eventually("status of "+node, func() error {
		var set appsv1.StatefulSet
		if err := w.get(node, &set); err != nil {
			return err
		}
		set.Status.ObservedGeneration, set.Status.UpdateRevision = set.Generation, revision
		return w.client.Status().Update(w.t.Context(), &set)
	})
}

// gone is nil once there is no such pod.
func (w *world) gone(name string) error {
	err := w.get(name, &corev1.Pod{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(err, errors.New("it is there"))
}

// TestRoll changes the image of two nodes. Their pods are replaced one at a time.
func TestRoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	pods := make(map[string]*puppet)
	for _, name := range []string{"a", "b"} {
		w.create(brokerNode(name))
		w.appears(name, &appsv1.StatefulSet{})
		w.revise(name, "r1")
		pods[name] = w.puppets.runAt(name, "r1")
	}
	w.eventually("both are well", func() error { return errors.Join(w.nodeReady("a"), w.nodeReady("b")) })
	for _, name := range []string{"b", "a"} {
		node := w.node(name)
		w.change(name, node, "user", func() { node.Spec.Image = "other:1" })
		w.imageIs(name, "other:1")
	}
	w.revise("a", "r2")
	w.eventually("pod a-0 is deleted", func() error { return w.gone("a-0") })
	w.event("PodReplaced", "a-0")

	w.revise("b", "r2")
	pods["a"].makePod(w, "r2", false)
	w.eventually("node b waits", func() error {
		c := apimeta.FindStatusCondition(w.node("b").Status.Conditions, v1alpha1.ConditionConfigured)
		if c.Reason == string(v1alpha1.ReasonRestartNeeded) && hasAll(c.Message, []string{"a-0 is not ready"}) {
			return nil
		}
		return fmt.Errorf("%+v", c)
	})
	if err := w.gone("b-0"); err == nil {
		t.Fatal("pod b-0 was deleted before a-0 was ready")
	}
	setPodReady(t, w, "a-0", true)
	w.eventually("pod b-0 is deleted", func() error { return w.gone("b-0") })
	pods["b"].makePod(w, "r2", true)
	w.eventually("both are well again", func() error { return errors.Join(w.nodeReady("a"), w.nodeReady("b")) })
}
