// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// StoreChange is one thing that happens to a store.
type StoreChange struct {
	Store string `json:"store"`
	// Node has the copy that it happens to.
	Node string `json:"node"`
	// Loss: entries are lost.
	Loss    bool   `json:"loss,omitempty"`
	Message string `json:"message"`
}

// stores compares all stores.
func (c *comparison) stores() []StoreChange {
	names := maps.Clone(c.before.store)
	maps.Copy(names, c.after.store)
	var out []StoreChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, now := running(c.before.store[name]), running(c.after.store[name])
		switch {
		case was == nil && now == nil:
		case was == nil:
			out = append(out, StoreChange{Store: name, Node: now.Master, Message: "begins on " + now.Master})
		case now == nil:
			out = append(out, c.ended(name, was))
		default:
			out = append(out, c.master(was, now)...)
			out = append(out, c.clones(was, now)...)
		}
	}
	return out
}

// running is a store that is compiled.
func running(p *topology.StorePlan) *topology.StorePlan {
	if p == nil || p.Fault != nil {
		return nil
	}
	return p
}

func onDisk(s *v1alpha1.DataStore) bool {
	return s.Spec.Master.Backend == v1alpha1.BackendSQLite || s.Spec.Master.Backend == v1alpha1.BackendPebble
}

func (c *comparison) ended(name string, was *topology.StorePlan) StoreChange {
	change := StoreChange{Store: name, Node: was.Master, Message: "ends on " + was.Master + "; its files stay on the volume"}
	if !onDisk(c.before.object[name]) {
		change.Loss, change.Message = true, "ends on "+was.Master+", and with it what is in memory"
	}
	return change
}

// master says what happens to the master of a store that goes on.
func (c *comparison) master(was, now *topology.StorePlan) []StoreChange {
	object := c.after.object[now.Object]
	change := StoreChange{Store: now.Object, Node: now.Master}
	target := cmp.Or(now.Target, now.Master)
	if target != cmp.Or(was.Target, was.Master) {
		change.Node = target
		change.Message = fmt.Sprintf("the master moves from %s to %s; writes wait while it is handed over, and none that was acknowledged is lost", was.Master, target)
		if late := c.restarted(was.Master, target); len(late) > 0 && c.rolls {
			change.Message += "; then " + strings.Join(late, " and ") + " may restart"
		}
		return []StoreChange{change}
	}
	switch act := c.act(now.Master); {
	case act == Removed:
		change.Loss, change.Message = true, "the node of the master goes: nobody can write until a clone is promoted; what only the master had is lost"
	case act != Restarted && act != Reconnected:
		return nil
	case act == Restarted && c.heir(now) != "":
		change.Message = c.handedOver(now)
	case onDisk(object):
		change.Message = "no master while " + now.Master + " " + verb(act) + ": writes wait in the clones, " + c.answers(now)
	default:
		change.Loss = true
		change.Message = "the master is in the memory of " + now.Master + ", which " + verb(act) + ": the store begins anew, empty"
	}
	return []StoreChange{change}
}

// restarted are those of some nodes that get new pods.
func (c *comparison) restarted(nodes ...string) []string {
	return slices.DeleteFunc(nodes, func(n string) bool { return c.act(n) != Restarted })
}

// heir is the node to which a rolling change hands a master, if its clone is in sync then: at best where the spec wants the master, then one
// that doesn't restart itself. Empty if no clone is fit; then the master goes down with its pod.
func (c *comparison) heir(p *topology.StorePlan) string {
	object := c.after.object[p.Object]
	if n := c.after.node[p.Master]; !c.rolls || n == nil || n.Spec.Paused {
		return ""
	}
	var fit []string
	for _, clone := range p.Clones {
		n := c.after.node[clone.Node]
		if clone.Fault == nil && len(clone.Pods) == 1 && n != nil && !n.Spec.Paused && (!onDisk(object) || n.Spec.Storage != nil) {
			fit = append(fit, clone.Node)
		}
	}
	if len(fit) == 0 {
		return ""
	}
	rank := func(node string) int {
		switch {
		case node == object.Spec.Master.Node:
			return 0
		case c.act(node) != Restarted:
			return 1
		}
		return 2
	}
	return slices.MinFunc(fit, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
}

// handedOver says how a master gets out of the way of a rolling change, and where it is after that.
func (c *comparison) handedOver(p *topology.StorePlan) string {
	heir, spec := c.heir(p), c.after.object[p.Object].Spec.Master.Node
	end, times := "goes back when the new one is in sync", "each time"
	switch {
	case heir == spec:
		end, times = "stays there, as spec.master.node has it", "meanwhile"
	case p.Master != spec:
		end = "goes to " + spec + " (spec.master.node) when that is in sync"
	}
	return fmt.Sprintf("the master is handed over to %s, if its clone is in sync, before the pod of %s is replaced, and %s; writes wait %s, and none that was acknowledged is lost",
		heir, p.Master, end, times)
}

func verb(act Act) string {
	if act == Restarted {
		return "restarts"
	}
	return "connects anew"
}

// answers says what readers of the clones get while there is no master.
func (c *comparison) answers(p *topology.StorePlan) string {
	if len(p.Clones) == 0 {
		return "of which there are none, and nobody can read"
	}
	shortest := ""
	least := -1.0
	for _, clone := range c.after.object[p.Object].Spec.Clones {
		if clone.StaleAfter != nil && (least < 0 || clone.StaleAfter.Seconds() < least) {
			least, shortest = clone.StaleAfter.Seconds(), clone.StaleAfter.Duration.String()
		}
	}
	if shortest == "" {
		return "which answer with what they have"
	}
	return "which answer with what they have; the first turns stale after " + shortest
}

// clones says what happens to the clones of a store that goes on.
func (c *comparison) clones(was, now *topology.StorePlan) []StoreChange {
	had := make(map[string]bool)
	for _, clone := range was.Clones {
		for _, pod := range clone.Pods {
			had[pod] = true
		}
	}
	var out []StoreChange
	add := func(node, format string, args ...any) {
		out = append(out, StoreChange{Store: now.Object, Node: node, Message: fmt.Sprintf(format, args...)})
	}
	for _, clone := range now.Clones {
		fresh := missing(clone.Pods, slices.Collect(maps.Keys(had)))
		for _, pod := range clone.Pods {
			delete(had, pod)
		}
		if len(fresh) > 0 {
			add(clone.Node, "new clone on %s gets a snapshot", strings.Join(fresh, ", "))
		} else if act := c.act(clone.Node); act == Restarted || act == Reconnected {
			add(clone.Node, "the clone on %s is away while the node %s, and takes a snapshot afterwards", clone.Node, verb(act))
		} else if cut := c.cut(clone, now.Master); len(cut) > 0 {
			add(clone.Node, "the clone on %s is cut off from its master while %s restarts", clone.Node, strings.Join(cut, " or "))
		}
	}
	delete(had, now.MasterPod) // has become the master, or is about to
	delete(had, now.TargetPod)
	for _, pod := range slices.Sorted(maps.Keys(had)) {
		add(pod, "the clone on %s ends", pod)
	}
	return out
}

// cut are the nodes between a clone and its master that restart, and around which no way leads.
func (c *comparison) cut(clone topology.ClonePlan, master string) []string {
	if len(clone.Peerings) > 0 || clone.Fault != nil {
		return nil // joined directly, or not at all
	}
	near := c.after.near()
	var out []string
	for _, change := range c.changes {
		if n := change.Node; (change.Act == Restarted || change.Act == Reconnected) && n != clone.Node && n != master && len(c.after.pods(n)) < 2 &&
			!c.after.joined(near, clone.Node, master, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// near are the nodes that each node is peered with.
func (s *side) near() map[string][]string {
	out := make(map[string][]string)
	for _, p := range s.plan.Peerings {
		for _, l := range p.Links {
			if to := cmp.Or(l.ToNode, l.Behind); to != "" && l.FromNode != "" && l.Fault == nil {
				out[l.FromNode], out[to] = append(out[l.FromNode], to), append(out[to], l.FromNode)
			}
		}
	}
	return out
}

// joined reports whether nodes that relay join two nodes, without one of them.
func (s *side) joined(near map[string][]string, a, b, without string) bool {
	seen := map[string]bool{a: true, without: true}
	for todo := []string{a}; len(todo) > 0; todo = todo[1:] {
		for _, next := range near[todo[0]] {
			if next == b {
				return true
			}
			if !seen[next] && topology.Relays(s.node[next]) {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return false
}
