// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"slices"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// copySpec is a clone that the spec has at one node. It may be one of several of an entry with a selector.
type copySpec struct {
	v1alpha1.CloneSpec
	node, field string
}

// copies are the clones of a store, node by node: those that are named, then those that are chosen, in the order of the entries.
func (c *compiler) copies(s *v1alpha1.DataStore) (list []copySpec, chosen map[string]bool) {
	chosen = make(map[string]bool)
	for i, spec := range s.Spec.Clones {
		if spec.Selector == nil {
			list = append(list, copySpec{spec, spec.Node, fmt.Sprintf("spec.clones[%d].node", i)})
			chosen[spec.Node] = true
		}
	}
	for i, spec := range s.Spec.Clones {
		if spec.Selector == nil {
			continue
		}
		field := fmt.Sprintf("spec.clones[%d]", i)
		nodes, _ := c.selection(KindDataStore, s.Name, field, "", spec.Selector)
		for _, node := range nodes {
			if !chosen[node] && !External(c.nodes[node]) {
				list = append(list, copySpec{spec, node, field + ".selector"})
				chosen[node] = true
			}
		}
	}
	return list, chosen
}

// clones plans the clones of a store, whose master is planned before.
func (c *compiler) clones(s *v1alpha1.DataStore, plan *StorePlan, at seat) {
	list, chosen := c.copies(s)
	for _, spec := range list {
		node := at.instead(s, spec.node, chosen)
		if node == "" {
			continue
		}
		f := Finding{Kind: KindDataStore, Name: s.Name, Field: spec.field}
		clone := ClonePlan{Node: node}
		if c.nodes[node] == nil {
			f.Reason, f.Message = v1alpha1.ReasonNodeMissing, c.missing(node)
			clone.Fault = c.find(f)
		}
		if words := c.runsElsewhere(node); words != "" {
			f.Reason, f.Message = v1alpha1.ReasonRunsElsewhere, words
			clone.Fault = c.find(f)
		}
		if clone.Fault == nil && plan.Fault == nil {
			c.clone(s, plan, &clone, spec.CloneSpec, f)
		}
		plan.Clones = append(plan.Clones, clone)
	}
}

// clone plans the clones on the pods of one node, and looks for their ways to the master.
func (c *compiler) clone(s *v1alpha1.DataStore, plan *StorePlan, clone *ClonePlan, spec v1alpha1.CloneSpec, f Finding) {
	store := nodeconfig.Store{Object: s.Name, StoreName: plan.StoreName, Role: nodeconfig.RoleClone}
	if spec.StaleAfter != nil {
		store.StaleAfterSeconds = spec.StaleAfter.Seconds()
	}
	store.StaleReads, store.WriteQueueBytes = spec.StaleReads, bytesOf(spec.WriteQueueSize)
	master, cut := c.memberOf(plan.Master), outside
	for m := c.spans[clone.Node].first; m < c.spans[clone.Node].end; m++ {
		c.hold(m, store)
		clone.Pods = append(clone.Pods, c.members[m].pod)
		direct, over := []string(nil), false
		if master != outside {
			direct, over = c.between(m, master), c.overNodes(m, master)
		} else if c.nodes[plan.Master] != nil {
			continue // scaled to none: nothing to be joined to
		}
		clone.Peerings, clone.OverNodes = append(clone.Peerings, direct...), clone.OverNodes || over
		if len(direct) == 0 && !over {
			clone.CutOff, cut = append(clone.CutOff, c.members[m].pod), m
		}
	}
	slices.Sort(clone.Peerings)
	clone.Peerings = slices.Compact(clone.Peerings)
	if cut == outside {
		return
	}
	f.Reason, f.Message = v1alpha1.ReasonUnreachable, c.noWay(clone.Node, cut, plan.Master)
	if n := len(clone.CutOff); n < len(clone.Pods) {
		f.Message += fmt.Sprintf(" (%d of its %d pods are cut off)", n, len(clone.Pods))
	}
	clone.Fault = c.find(f)
}
