// SPDX-License-Identifier: Apache-2.0

package review

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/layout"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// fact adds a sentence about what the object asks for.
func (x *Explanation) fact(format string, args ...any) {
	x.Facts = append(x.Facts, fmt.Sprintf(format, args...))
}

// says adds what an end reports.
func (x *Explanation) says(format string, args ...any) {
	x.Evidence = append(x.Evidence, fmt.Sprintf(format, args...))
}

func (x *Explanation) leftOut(f *topology.Finding) {
	if f != nil && f.Severity == topology.Error {
		x.fact("left out: %s: %s", f.Reason, f.Message)
	}
}

// node explains a BrokerNode; it answers whether there is one.
func (e explainer) node(x *Explanation) bool {
	i := slices.IndexFunc(e.mesh.Objects.Nodes, func(n v1alpha1.BrokerNode) bool { return n.Name == x.Name })
	j := slices.IndexFunc(e.result.Nodes, func(p topology.NodePlan) bool { return p.Node == x.Name })
	if i < 0 || j < 0 {
		return false
	}
	n, p := &e.mesh.Objects.Nodes[i], e.result.Nodes[j]
	if p.External {
		x.fact("runs elsewhere, and has no pods: those that it is peered with tell of it")
	} else {
		x.fact("%s, forward %s", meshobjects.Count(len(p.Pods), "pod"), cmp.Or(n.Spec.Forward, v1alpha1.ForwardMesh))
	}
	x.leftOut(p.Fault)
	for _, peering := range e.result.Peerings {
		out, in := 0, 0
		for _, l := range peering.Links {
			if cmp.Or(l.FromNode, l.Outside) == x.Name {
				out++
			}
			if cmp.Or(l.ToNode, l.Behind) == x.Name || l.ToNode == "" && l.FromNode != "" && l.Outside == x.Name {
				in++
			}
		}
		if out+in == 0 && peering.From != x.Name && peering.To != x.Name {
			continue
		}
		switch {
		case peering.Fault != nil:
			x.fact("peering/%s is left out: %s", peering.Name, peering.Fault.Reason)
		case out > 0:
			x.fact("dials %s (peering/%s, %s)", peering.To, peering.Name, meshobjects.Count(out, "link"))
		case in > 0:
			x.fact("is dialed by %s (peering/%s, %s)", peering.From, peering.Name, meshobjects.Count(in, "link"))
		}
		e.relatePeering(x, peering.Name)
	}
	e.held(x)
	if e.mesh.Live() {
		x.Conditions = conditions(n.Status.Conditions)
		for _, pod := range n.Status.Pods {
			x.says("%s listens at %s as endpoint %s", pod.Name, cmp.Or(pod.Address, "(unknown)"), cmp.Or(pod.EndpointID, "(unknown)"))
		}
		if n.Status.Peers != "" {
			x.says("peers established: %s", n.Status.Peers)
		}
	}
	return true
}

// held tells the stores on a node.
func (e explainer) held(x *Explanation) {
	for _, s := range e.result.Stores {
		if s.Master == x.Name && s.Fault == nil {
			x.fact("holds the master of store/%s", s.Object)
		}
		for _, c := range s.Clones {
			if c.Node == x.Name && len(c.Pods) > 0 {
				x.fact("holds a clone of store/%s", s.Object)
			}
		}
	}
}

// peering explains a Peering.
func (e explainer) peering(x *Explanation) bool {
	i := slices.IndexFunc(e.mesh.Objects.Peerings, func(p v1alpha1.Peering) bool { return p.Name == x.Name })
	j := slices.IndexFunc(e.result.Peerings, func(p topology.PeeringPlan) bool { return p.Name == x.Name })
	if i < 0 || j < 0 {
		return false
	}
	p, plan := &e.mesh.Objects.Peerings[i], e.result.Peerings[j]
	x.fact("%s dials %s, %s", plan.From, plan.To, meshobjects.Count(len(plan.Links), "link"))
	x.leftOut(plan.Fault)
	protection := map[string]string{
		nodeconfig.TLSMesh: "mutual TLS: each end checks the other's certificate", nodeconfig.TLSDisabled: "no TLS: nobody is authenticated",
		nodeconfig.TLSAnonymous: "TLS without certificates: nobody is authenticated",
	}
	if len(plan.Links) > 0 {
		x.fact("%s", protection[plan.Links[0].TLS])
	}
	for _, l := range plan.Links {
		e.relateNode(x, cmp.Or(l.FromNode, l.Outside))
		switch to := cmp.Or(l.ToNode, l.Behind); {
		case l.FromNode == "":
			e.relateNode(x, to)
			x.fact("%s isn't managed here, and connects by itself: only %s can be asked", l.Outside, cmp.Or(l.To, l.BehindPod))
		case to != "":
			e.relateNode(x, to)
		default:
			e.relateNode(x, l.Outside)
			x.fact("%s isn't managed here: only %s can be asked", cmp.Or(l.Outside, l.Address), l.From)
		}
	}
	if len(x.Facts) > 8 {
		x.Facts = append(x.Facts[:8], fmt.Sprintf("and %d more like this", len(x.Facts)-8))
	}
	if e.mesh.Live() {
		x.Conditions = conditions(p.Status.Conditions)
		if p.Status.Links != "" {
			x.says("links established: %s", p.Status.Links)
		}
		for _, problem := range p.Status.Problems {
			last := ""
			if problem.LastError != "" {
				last = ", last error: " + problem.LastError
			}
			other := "says " + cmp.Or(problem.ToState, "nothing of it")
			if strings.Contains(problem.To, ":") {
				other = "can't be asked" // an address
			}
			x.says("%s -> %s: %s says %s%s; %s %s", problem.From, problem.To,
				problem.From, cmp.Or(problem.FromState, "nothing of it"), last, problem.To, other)
		}
	}
	return true
}

// store explains a DataStore.
func (e explainer) store(x *Explanation) bool {
	i := slices.IndexFunc(e.mesh.Objects.Stores, func(s v1alpha1.DataStore) bool { return s.Name == x.Name })
	j := slices.IndexFunc(e.result.Stores, func(p topology.StorePlan) bool { return p.Object == x.Name })
	if i < 0 || j < 0 {
		return false
	}
	s, plan := &e.mesh.Objects.Stores[i], e.result.Stores[j]
	x.fact("programs attach it as %q; the master is on %s, backend %s", plan.StoreName, cmp.Or(plan.Master, "nobody"), cmp.Or(s.Spec.Master.Backend, v1alpha1.BackendMemory))
	x.leftOut(plan.Fault)
	if plan.Target != "" {
		x.fact("the master moves to %s", plan.Target)
	}
	x.leftOut(plan.MoveFault)
	e.relateNode(x, plan.Master)
	for _, c := range plan.Clones {
		e.clone(x, c)
	}
	if !e.mesh.Live() {
		return true
	}
	x.Conditions = conditions(s.Status.Conditions)
	if at := s.Status.Master; at != nil {
		x.says("the master was last seen on %s, epoch %d", at.Node, at.Epoch)
	} else {
		x.says("no master was ever seen to serve")
	}
	if s.Status.ClonesSynced != "" {
		x.says("clones in sync: %s", s.Status.ClonesSynced)
	}
	for _, c := range s.Status.Clones {
		stale := ""
		if c.StaleSince != nil {
			stale = ", stale since " + c.StaleSince.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		x.says("%s says %s%s", c.Node, c.State, stale)
	}
	return true
}

// clone tells by which way a clone hears of its master.
func (e explainer) clone(x *Explanation, c topology.ClonePlan) {
	switch {
	case c.Fault != nil:
		x.fact("clone on %s: %s: %s", c.Node, c.Fault.Reason, c.Fault.Message)
	case len(c.Peerings) > 0:
		x.fact("clone on %s, joined with the master by peering/%s", c.Node, strings.Join(c.Peerings, ", peering/"))
		for _, p := range c.Peerings {
			e.relatePeering(x, p)
		}
	case c.OverNodes:
		x.fact("clone on %s, joined with the master over nodes that relay", c.Node)
	}
	e.relateNode(x, c.Node)
}

// layout explains a BrokerMesh by what it is made of.
func (e explainer) layout(x *Explanation) bool {
	i := slices.IndexFunc(e.mesh.Objects.Meshes, func(m v1alpha1.BrokerMesh) bool { return m.Name == x.Name })
	if i < 0 {
		return false
	}
	m := &e.mesh.Objects.Meshes[i]
	nodes, peerings := layout.Objects(m)
	for _, n := range nodes {
		x.fact("makes brokernode/%s, %s", n.Name, meshobjects.Count(topology.Replicas(&n), "pod"))
		e.relateNode(x, n.Name)
	}
	for _, p := range peerings {
		x.fact("makes peering/%s", p.Name)
		e.relatePeering(x, p.Name)
	}
	if e.mesh.Live() {
		x.Conditions = conditions(m.Status.Conditions)
	}
	if m.Status.Nodes != "" {
		x.says("nodes ready: %s, peerings ready: %s", m.Status.Nodes, m.Status.Peerings)
	}
	return true
}
