// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/internal/seed"
)

// order rolls a mesh in which every pod comes back at once, and answers the order.
func order(links []rollLink, role func(pod string) string) string {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := rollState{links: links, now: now}
	seen := make(map[string]bool)
	for _, l := range links {
		for _, pod := range []string{l.from, l.to} {
			if !seen[pod] {
				seen[pod] = true
				s.pods = append(s.pods, rollPod{Name: pod, UID: types.UID(pod), Node: pod, Role: role(pod), Ready: true, Old: true})
			}
		}
	}
	var out []string
	for {
		step := nextRoll(s)
		if step.Delete == nil {
			return strings.Join(out, " ")
		}
		out = append(out, step.Delete.Name)
		s.pods = slices.Clone(s.pods)
		for i := range s.pods {
			if s.pods[i].Name == step.Delete.Name {
				s.pods[i].Old, s.pods[i].UID = false, "new"
			}
		}
	}
}

// TestOrder: from the edge of a mesh inwards.
func TestOrder(t *testing.T) {
	star := func(hub string, dials bool, leaves ...string) (links []rollLink) {
		for _, leaf := range leaves {
			l := rollLink{name: leaf, from: leaf, to: hub, up: true}
			if dials {
				l.from, l.to = hub, leaf
			}
			links = append(links, l)
		}
		return links
	}
	// zeek is a Zeek cluster: workers dial proxies, loggers and the manager, proxies the loggers and the manager, loggers the manager.
	zeek := func(proxies, workers int) (links []rollLink) {
		layers := [][]string{{}, {}, {"logger"}, {"manager"}}
		for i := range workers {
			layers[0] = append(layers[0], fmt.Sprintf("worker-%d", i))
		}
		for i := range proxies {
			layers[1] = append(layers[1], fmt.Sprintf("proxy-%d", i))
		}
		for i, layer := range layers {
			for _, from := range layer {
				for _, to := range slices.Concat(layers[i+1:]...) {
					links = append(links, rollLink{name: from + " " + to, from: from, to: to, up: true})
				}
			}
		}
		return links
	}
	none := func(string) string { return "" }
	byName := func(pod string) string { role, _, _ := strings.Cut(pod, "-"); return role }
	for name, c := range map[string]struct {
		links []rollLink
		role  func(string) string
		want  string
	}{
		"a star":                {star("a", false, "b", "c", "d"), none, "b c d a"},
		"a star that dials":     {star("a", true, "b", "c", "d"), none, "b c d a"},
		"two stars":             {slices.Concat(star("a", true, "b", "c"), star("z", true, "a", "y")), none, "b c y z a"},
		"a Zeek cluster":        {zeek(1, 2), none, "worker-0 worker-1 proxy-0 logger manager"},
		"one with many proxies": {zeek(5, 2), none, "worker-0 worker-1 proxy-0 proxy-1 proxy-2 proxy-3 proxy-4 logger manager"},
		"one with many workers": {zeek(2, 6), none, "worker-0 worker-1 worker-2 worker-3 worker-4 worker-5 proxy-0 proxy-1 logger manager"},
		"one that has roles":    {zeek(1, 2), byName, "worker-0 worker-1 proxy-0 logger manager"},
		"roles where the graph is a ring": {[]rollLink{{name: "1", from: "manager", to: "worker"}, {name: "2", from: "worker", to: "proxy"}, {name: "3", from: "proxy", to: "logger"}, {name: "4", from: "logger", to: "manager"}},
			byName, "worker proxy logger manager"},
	} {
		if got := order(c.links, c.role); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// reach counts what a walk from a pod over the links that are left reaches.
func reach(links []rollLink, from, without string, leftOut int) int {
	seen := map[string]bool{from: true}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for i, l := range links {
			for _, end := range [][2]string{{l.from, l.to}, {l.to, l.from}} {
				if i != leftOut && end[0] == todo[0] && end[1] != without && !seen[end[1]] {
					seen[end[1]] = true
					todo = append(todo, end[1])
				}
			}
		}
	}
	return len(seen)
}

func randomLinks(r *rand.Rand, pods int) (links []rollLink) {
	for i := 1; i < pods; i++ {
		for range 1 + r.IntN(2) {
			if j := r.IntN(i); r.IntN(8) > 0 { // a few are islands
				a, b := fmt.Sprintf("p%d", i), fmt.Sprintf("p%d", j)
				if r.IntN(2) == 0 {
					a, b = b, a
				}
				if !slices.ContainsFunc(links, func(l rollLink) bool { return l.from == a && l.to == b || l.from == b && l.to == a }) {
					links = append(links, rollLink{name: a + " " + b, from: a, to: b, up: true})
				}
			}
		}
	}
	return links
}

// TestCuts compares bridges and joints with their definition.
func TestCuts(t *testing.T) {
	for _, n := range seed.Several(t, 200) {
		r := rand.New(rand.NewPCG(n, 0))
		links := randomLinks(r, 2+r.IntN(12))
		g := newRollGraph(links)
		for i, l := range links {
			want := reach(links, l.from, "", i) < reach(links, l.from, "", -1)
			if got := g.bridges[[2]string{l.from, l.to}]; got != want || g.bridges[[2]string{l.to, l.from}] != want {
				t.Fatalf("SEED=%d: %s is a bridge: %v, want %v", n, l.name, got, want)
			}
		}
		for pod, others := range g.of {
			want := reach(links, others[0], pod, -1) < reach(links, others[0], "", -1)-1
			if g.joints[pod] != want {
				t.Fatalf("SEED=%d: %s is a joint: %v, want %v", n, pod, g.joints[pod], want)
			}
		}
	}
}

// rollSim is a mesh whose pods come and go while it is rolled.
type rollSim struct {
	rollState
	r    *rand.Rand
	old  map[string]bool // pods that have not been replaced
	dead map[string]bool // pods that never become ready
	uid  int
}

// TestRolls rolls random meshes: at most one pod that was ready is away at a time, never both ends of a bridge, and in the end every old pod
// was replaced, unless one doesn't come back: then nothing that is ready goes any more.
func TestRolls(t *testing.T) {
	for _, n := range seed.Several(t, 150) {
		r := rand.New(rand.NewPCG(n, 1))
		sim := &rollSim{r: r, old: make(map[string]bool), dead: make(map[string]bool)}
		pods := 2 + r.IntN(10)
		sim.links, sim.now = randomLinks(r, pods), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for i := range pods {
			name := fmt.Sprintf("p%d", i)
			sim.pods = append(sim.pods, rollPod{Name: name, UID: types.UID("old " + name), Node: name, Ready: r.IntN(6) > 0, Old: true})
			sim.old[name] = true
			sim.dead[name] = r.IntN(15) == 0
		}
		if err := sim.run(); err != nil {
			t.Fatalf("SEED=%d: %v", n, err)
		}
	}
}

func (s *rollSim) run() error {
	bridges := newRollGraph(s.links).bridges
	for range 1000 {
		s.now = s.now.Add(5 * time.Second)
		s.settle()
		step := nextRoll(s.rollState)
		for _, name := range step.Back {
			delete(s.flights, name)
		}
		if step.Delete == nil {
			if len(s.flights) == 0 && len(s.old) == 0 {
				return nil
			}
			continue
		}
		p := step.Delete
		for name, f := range s.flights {
			if bridges[[2]string{name, p.Name}] {
				return fmt.Errorf("%s goes while %s is away, and their link is a bridge", p.Name, name)
			}
			if p.Ready && f.well {
				return fmt.Errorf("%s goes while %s is away", p.Name, name)
			}
		}
		if s.flights == nil {
			s.flights = make(map[string]flight)
		}
		s.flights[p.Name] = step.Flight
		delete(s.old, p.Name)
		s.pods = slices.DeleteFunc(slices.Clone(s.pods), func(q rollPod) bool { return q.Name == p.Name })
	}
	for name, f := range s.flights {
		if f.well && s.dead[name] {
			return nil // this one stopped it
		}
	}
	return fmt.Errorf("not replaced: %v; away: %v", s.old, s.flights)
}

// settle lets pods come back, become ready and be connected.
func (s *rollSim) settle() {
	for name := range s.flights {
		if s.pod(name) == nil && s.r.IntN(2) == 0 {
			s.uid++
			s.pods = append(s.pods, rollPod{Name: name, UID: types.UID(fmt.Sprint(s.uid)), Node: name, Created: s.now})
		}
	}
	for i := range s.pods {
		if p := &s.pods[i]; !p.Old && !s.dead[p.Name] && s.r.IntN(2) == 0 {
			p.Ready = true
		}
	}
	for i := range s.links {
		l := &s.links[i]
		a, b := s.pod(l.from), s.pod(l.to)
		l.up = a != nil && b != nil && a.Ready && b.Ready && (l.up || s.r.IntN(2) == 0)
	}
}
