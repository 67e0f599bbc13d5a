// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

const (
	// rollMemory is the age up to which a new pod that isn't ready counts as part of a roll that an earlier manager began, and for how long
	// such a one is waited for.
	rollMemory = 10 * time.Minute
	// settleTime is what a pod that was not ready before it was replaced gets to become so, and what an endpoint outside, of which nothing
	// else is known, gets to be connected again. After that the roll goes on without.
	settleTime = time.Minute
	// gatherTime is how long no more pods must have become old before one is replaced: a change of several nodes comes object by object,
	// and the order of a roll is that of all of them.
	gatherTime = 3 * time.Second
)

// rollPod is what a roll needs to know of a pod.
type rollPod struct {
	Name string
	UID  types.UID
	Node string
	// Role is the node's, from its label.
	Role    string
	Ready   bool
	Old     bool // made from an older template than its StatefulSet has now
	Held    bool // its node is paused: it isn't replaced
	Leaving bool
	Created time.Time
	// Unsettled: what its StatefulSet's template is now isn't known yet, so that it may be old.
	Unsettled bool
	// Heard: it has answered this manager.
	Heard bool
}

// flight is a pod that was deleted by this roll and is not known to be back.
type flight struct {
	uid  types.UID // that it had
	well bool      // it was ready
	at   time.Time
	// links that stood before, by name.
	links map[string]bool
	// guessed: an earlier manager may have begun it; see resume.
	guessed bool
}

// rollState is everything that the next step of a roll rests on.
type rollState struct {
	pods  []rollPod
	links []rollLink
	// flights by pod name.
	flights map[string]flight
	stores  []rollStore
	errands map[string]errand // by DataStore
	// grown is when the last pod became old; zero if none has while this manager looks.
	grown time.Time
	// started is when this manager began to look.
	started time.Time
	now     time.Time

	at   map[string]*rollPod // of index
	link map[string]rollLink
}

// rollStep is what to do next in a mesh.
type rollStep struct {
	// Delete is the pod to be replaced now, and Flight what to remember of it.
	Delete *rollPod
	Flight flight
	// Waiting are the nodes that have old pods, with the cause for which the next one isn't replaced yet (empty for Delete's node).
	Waiting map[string]string
	// Down says which masters go down with that pod.
	Down []string
	// Errands are the masters to be moved, by DataStore, those that were under way before among them.
	Errands map[string]errand
	// Back are the flights that have ended.
	Back []string
	// Again is when time alone may change something; 0: never.
	Again time.Duration
}

// lookIn asks for another look at the latest in d.
func (s *rollStep) lookIn(d time.Duration) {
	if s.Again == 0 || d < s.Again {
		s.Again = d
	}
}

// nextRoll decides which pod of a mesh is replaced next. Pods that aren't ready go first, without waiting: there is nothing to lose. A pod
// that is ready goes when all that this roll replaced is back: ready, and with every connection that it had before, as far as the other
// ends are there. So one pod that doesn't come back stops the roll, unless it was not ready before. The ends of a link on which parts of the
// mesh hang are never both away on account of the roll.
func nextRoll(s rollState) rollStep {
	step := rollStep{Waiting: make(map[string]string)}
	if s.idle() {
		return step
	}
	g := newRollGraph(s.links)
	s.pods = slices.SortedFunc(slices.Values(s.pods), func(a, b rollPod) int { return g.before(&a, &b) })
	s.index()
	blocker := cmp.Or(s.land(&step), s.leaving())
	if left := gatherTime - s.now.Sub(s.grown); left > 0 && blocker == "" {
		blocker = "more changes may be on their way"
		step.lookIn(left)
	}
	blocker = cmp.Or(blocker, s.unheard(&step))
	blocker = cmp.Or(blocker, s.runErrands(&step))
	for i := range s.pods {
		p := &s.pods[i]
		switch {
		case !p.Old || p.Held:
		case p.Leaving:
			step.Waiting[p.Node] = "pod " + p.Name + " is on its way out"
		case step.Delete != nil:
			if _, told := step.Waiting[p.Node]; !told {
				step.Waiting[p.Node] = "pod " + step.Delete.Name + " goes first"
			}
		case p.Ready && blocker != "":
			step.Waiting[p.Node] = blocker
		case s.otherEnd(g, p) != "":
			step.Waiting[p.Node] = "pod " + s.otherEnd(g, p) + " is not back yet, on whose link with " + p.Name + " a part of the mesh hangs"
		default:
			step.Down = nil
			if p.Ready {
				if step.Waiting[p.Node] = s.awaitMoves(p, &step); step.Waiting[p.Node] != "" {
					continue
				}
				blocker = s.handOver(p, &step)
			}
			if p.Ready && blocker != "" {
				step.Waiting[p.Node] = blocker
				continue
			}
			step.Delete, step.Flight = p, s.flightOf(p)
			step.Waiting[p.Node] = ""
		}
	}
	return step
}

// idle tells whether there is nothing to decide.
func (s rollState) idle() bool {
	return !slices.ContainsFunc(s.pods, func(p rollPod) bool { return p.Old && !p.Held }) && len(s.flights) == 0 && len(s.errands) == 0 &&
		!slices.ContainsFunc(s.stores, func(t rollStore) bool { return t.away })
}

// flightOf is what to remember of a pod that is about to be deleted.
func (s rollState) flightOf(p *rollPod) flight {
	f := flight{uid: p.UID, well: p.Ready, at: s.now, links: make(map[string]bool)}
	for _, l := range s.links {
		if l.up && (l.from == p.Name || l.to == p.Name) {
			f.links[l.name] = true
		}
	}
	return f
}

// otherEnd is a pod that the roll took away and that a bridge joins with p; empty if there is none.
func (s rollState) otherEnd(g *rollGraph, p *rollPod) string {
	for _, other := range g.of[p.Name] {
		if _, away := s.flights[other]; away && g.bridges[[2]string{p.Name, other}] {
			return other
		}
	}
	return ""
}

// land ends the flights of the pods that are back, and says what the roll has to wait for because one isn't; empty if nothing.
func (s *rollState) land(step *rollStep) (blocker string) {
	still := make(map[string]flight, len(s.flights))
	for _, name := range slices.Sorted(maps.Keys(s.flights)) {
		f := s.flights[name]
		missing := s.missing(name, f)
		left := settleTime - s.now.Sub(f.at)
		if missing == "" || !f.well && left <= 0 || f.guessed && s.now.Sub(f.at) >= rollMemory {
			step.Back = append(step.Back, name)
			continue
		}
		switch {
		case left > 0:
			step.lookIn(left)
		case f.guessed:
			step.lookIn(rollMemory - s.now.Sub(f.at))
		}
		still[name] = f
		if blocker == "" {
			blocker = missing
		}
	}
	s.flights = still
	return blocker
}

// missing says why a pod isn't back; empty if it is.
func (s rollState) missing(name string, f flight) string {
	p := s.pod(name)
	switch {
	case p == nil || p.UID == f.uid || p.Leaving:
		return "pod " + name + " is not there again yet"
	case !p.Ready:
		return "pod " + name + " is not ready yet"
	}
	for _, link := range slices.Sorted(maps.Keys(f.links)) {
		l, ok := s.link[link]
		if !ok || l.up || f.guessed && s.now.Sub(f.at) >= settleTime {
			continue
		}
		other := l.to
		if other == name {
			other = l.from
		}
		if q := s.pod(other); other == "" && s.now.Sub(f.at) < settleTime || q != nil && q.Ready && !q.Leaving {
			return fmt.Sprintf("pod %s has not got its connection back that %s has", name, l.name)
		}
	}
	return ""
}

// index finds pods and links by their names from now on.
func (s *rollState) index() {
	s.at, s.link = make(map[string]*rollPod, len(s.pods)), make(map[string]rollLink, len(s.links))
	for i := range s.pods {
		s.at[s.pods[i].Name] = &s.pods[i]
	}
	for _, l := range s.links {
		s.link[l.name] = l
	}
}

// pod finds one by its name; nil if there is none.
func (s rollState) pod(name string) *rollPod { return s.at[name] }

// leaving names a pod that somebody else has deleted; empty if none.
func (s rollState) leaving() string {
	for _, p := range s.pods {
		if p.Leaving {
			return "pod " + p.Name + " is not ready yet"
		}
	}
	return ""
}

// rollPods gives the pods of a mesh whose StatefulSets are known and settled.
func rollPods(nodes []v1alpha1.BrokerNode, sets []appsv1.StatefulSet, pods []corev1.Pod) []rollPod {
	current := make(map[string]string, len(sets))
	for i := range sets {
		if s := &sets[i]; s.Status.ObservedGeneration == s.Generation && s.Status.UpdateRevision != "" {
			current[s.Name] = s.Status.UpdateRevision
		}
	}
	byName := make(map[string]*v1alpha1.BrokerNode, len(nodes))
	for i := range nodes {
		byName[nodes[i].Name] = &nodes[i]
	}
	var out []rollPod
	for i := range pods {
		p := &pods[i]
		node := p.Labels[manifest.NodeLabel]
		revision, known := current[node]
		r := rollPod{
			Name: p.Name, UID: p.UID, Node: node,
			Ready:   podReady(p),
			Old:     known && p.Labels[appsv1.StatefulSetRevisionLabel] != revision,
			Leaving: p.DeletionTimestamp != nil,
			Created: p.CreationTimestamp.Time, Unsettled: !known,
		}
		if n := byName[node]; n != nil {
			r.Role, r.Held = n.Labels[v1alpha1.RoleLabel], n.Spec.Paused
		}
		out = append(out, r)
	}
	return out
}

// rollLinks are the connections between pods, as the evidence has them.
func rollLinks(links []evidence.LinkState) []rollLink {
	out := make([]rollLink, 0, len(links))
	for _, l := range links {
		out = append(out, rollLink{
			name: fmt.Sprintf("Peering %s from %s to %s", l.Peering, l.From, l.Target()), from: l.From, to: cmp.Or(l.To, l.BehindPod), up: l.Up,
		})
	}
	return out
}

func podReady(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
