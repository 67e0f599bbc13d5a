// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// removal has every pod that may have files of the store remove them: where the master is, where it was to be, and where it may have been
// before, which are the nodes of its clones. What is in memory goes by itself.
func (c *compiler) removal(s *v1alpha1.DataStore, plan *StorePlan, at seat) {
	plan.Removal, plan.Master, plan.MasterPod = true, at.where, PodName(at.where, 0)
	if !persistent(s.Spec.Master.Backend) {
		return
	}
	nodes := []string{at.where, at.target, s.Spec.Master.Node}
	if s.Status.Master != nil {
		nodes = append(nodes, s.Status.Master.SpecNode)
	}
	list, _ := c.copies(s)
	for _, clone := range list {
		if n := c.nodes[clone.node]; n != nil && (n.Spec.Storage != nil || !c.opt.RequireStorage) {
			nodes = append(nodes, clone.node)
		}
	}
	told := make(map[string]bool)
	for _, node := range nodes {
		if node == "" || told[node] {
			continue
		}
		told[node] = true
		span, here := c.spans[node]
		if n := c.nodes[node]; n == nil && node != at.where || n != nil && External(n) {
			continue // a node that is no more counts only if it had the master
		}
		if !here || span.first == span.end {
			plan.RemoveFrom = append(plan.RemoveFrom, PodName(node, 0))
		}
		for m := span.first; m < span.end; m++ {
			c.hold(m, nodeconfig.Store{
				Object: s.Name, StoreName: plan.StoreName, Role: nodeconfig.RoleMaster, Backend: string(s.Spec.Master.Backend), Remove: true,
			})
			plan.RemoveFrom = append(plan.RemoveFrom, c.members[m].pod)
		}
	}
}
