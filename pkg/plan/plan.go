// SPDX-License-Identifier: Apache-2.0

// Package plan says what a change of a mesh's objects would do before it is made: which pods are made anew and why, which connections
// drop and until when, what becomes of the stores, which findings come and go. It is pure: objects before and after in, a plan out.
//
// It follows "How configuration travels" and "Pods" of the architecture. That package manifest agrees about what a new pod is needed
// for is tested there.
package plan

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/lint"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Plan is what a change does. All lists are sorted; none has what stays as it is.
type Plan struct {
	Objects []ObjectChange `json:"objects"`
	Nodes   []NodeChange   `json:"nodes"`
	// Untouched is how many nodes of those that stay notice nothing.
	Untouched int           `json:"untouchedNodes"`
	Links     []LinkChange  `json:"links"`
	Stores    []StoreChange `json:"stores"`
	// Found are the findings that the change brings, Gone those that it takes away.
	Found []topology.Finding `json:"-"`
	Gone  []topology.Finding `json:"-"`
}

// Empty reports whether nothing would be done.
func (p Plan) Empty() bool { return len(p.Objects) == 0 }

// Compare plans the way from one state of a mesh to another. The objects after must know what those before have become: see [Applied].
func Compare(before, after topology.Objects, opt topology.Options) Plan {
	c := &comparison{before: newSide(before, opt), after: newSide(after, opt), rolls: !opt.NoPods, changes: make(map[string]*NodeChange)}
	p := Plan{Objects: objectChanges(before, after)}
	p.Nodes, p.Untouched = c.nodes()
	p.Links = c.links()
	p.Stores = c.stores()
	p.Found, p.Gone = difference(lint.Check(before, opt), lint.Check(after, opt))
	return p
}

// side is the mesh before, or after.
type side struct {
	o        topology.Objects
	plan     topology.Result
	node     map[string]*v1alpha1.BrokerNode
	nodePlan map[string]*topology.NodePlan
	peering  map[string]*v1alpha1.Peering
	store    map[string]*topology.StorePlan
	object   map[string]*v1alpha1.DataStore
}

func newSide(o topology.Objects, opt topology.Options) *side {
	s := &side{
		o: o, plan: topology.Compile(o, opt), node: make(map[string]*v1alpha1.BrokerNode), nodePlan: make(map[string]*topology.NodePlan),
		peering: make(map[string]*v1alpha1.Peering), store: make(map[string]*topology.StorePlan), object: make(map[string]*v1alpha1.DataStore),
	}
	for i := range o.Nodes {
		s.node[o.Nodes[i].Name] = &o.Nodes[i]
	}
	for i := range o.Peerings {
		s.peering[o.Peerings[i].Name] = &o.Peerings[i]
	}
	for i := range o.Stores {
		s.object[o.Stores[i].Name] = &o.Stores[i]
	}
	for i := range s.plan.Nodes {
		s.nodePlan[s.plan.Nodes[i].Node] = &s.plan.Nodes[i]
	}
	for i := range s.plan.Stores {
		s.store[s.plan.Stores[i].Object] = &s.plan.Stores[i]
	}
	return s
}

type comparison struct {
	before, after *side
	changes       map[string]*NodeChange // by node
	// rolls: pods are replaced by an operator, which hands their masters over.
	rolls bool
}

// Applied is what a mesh's objects become when others are applied to them: objects of the same name keep what the cluster knows of
// them (status, age, owner, and labels and annotations that the new ones don't have). Those that aren't among the new ones stay, unless prune is set.
func Applied(before, changed topology.Objects, prune bool) topology.Objects {
	nodeMeta := func(n *v1alpha1.BrokerNode) *metav1.ObjectMeta { return &n.ObjectMeta }
	peeringMeta := func(p *v1alpha1.Peering) *metav1.ObjectMeta { return &p.ObjectMeta }
	return topology.Objects{
		Nodes: apply(withoutMade(before.Nodes, changed.Meshes, nodeMeta, changed.Nodes), changed.Nodes, prune, nodeMeta,
			func(n, was *v1alpha1.BrokerNode) { n.Status = was.Status }),
		Peerings: apply(withoutMade(before.Peerings, changed.Meshes, peeringMeta, changed.Peerings), changed.Peerings, prune, peeringMeta,
			func(p, was *v1alpha1.Peering) { p.Status = was.Status }),
		Stores: apply(before.Stores, changed.Stores, prune, func(s *v1alpha1.DataStore) *metav1.ObjectMeta { return &s.ObjectMeta },
			func(s, was *v1alpha1.DataStore) { s.Status = was.Status }),
		Meshes: apply(before.Meshes, changed.Meshes, prune, func(m *v1alpha1.BrokerMesh) *metav1.ObjectMeta { return &m.ObjectMeta },
			func(m, was *v1alpha1.BrokerMesh) { m.Status = was.Status }),
		Failovers: before.Failovers,
	}
}

// withoutMade leaves out the objects that BrokerMeshes of the change own: what they are made of now is among the change's own objects.
func withoutMade[T any](list []T, meshes []v1alpha1.BrokerMesh, meta func(*T) *metav1.ObjectMeta, changed []T) []T {
	named := make(map[string]bool)
	for i := range changed {
		named[meta(&changed[i]).Name] = true
	}
	var out []T
	for i := range list {
		owner := metav1.GetControllerOf(meta(&list[i]))
		made := owner != nil && slices.ContainsFunc(meshes, func(m v1alpha1.BrokerMesh) bool { return owner.Kind == topology.KindBrokerMesh && owner.Name == m.Name })
		if !made || named[meta(&list[i]).Name] {
			out = append(out, list[i])
		}
	}
	return out
}

func apply[T any](before, changed []T, prune bool, meta func(*T) *metav1.ObjectMeta, keep func(now, was *T)) []T {
	was := make(map[string]*T, len(before))
	for i := range before {
		was[meta(&before[i]).Name] = &before[i]
	}
	var out []T
	named := make(map[string]bool, len(changed))
	for i := range changed {
		now := changed[i] // a copy: only its own fields change
		m := meta(&now)
		named[m.Name] = true
		if w := was[m.Name]; w != nil {
			keep(&now, w)
			m.CreationTimestamp = meta(w).CreationTimestamp
			m.Annotations, m.Labels = merged(meta(w).Annotations, m.Annotations), merged(meta(w).Labels, m.Labels)
			m.OwnerReferences = meta(w).OwnerReferences
		} else {
			m.CreationTimestamp = newest(before, meta)
		}
		out = append(out, now)
	}
	for i := range before {
		if !prune && !named[meta(&before[i]).Name] {
			out = append(out, before[i])
		}
	}
	return out
}

// newest is the age of the youngest object: a new one is no older, and so comes last by name at the earliest.
func newest[T any](list []T, meta func(*T) *metav1.ObjectMeta) metav1.Time {
	var last metav1.Time
	for i := range list {
		if t := meta(&list[i]).CreationTimestamp; last.Before(&t) {
			last = t
		}
	}
	if !last.IsZero() {
		last = metav1.NewTime(last.Add(1)) // younger than all
	}
	return last
}

func merged(was, now map[string]string) map[string]string {
	if len(was) == 0 {
		return now
	}
	out := make(map[string]string, len(was)+len(now))
	for _, m := range []map[string]string{was, now} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// difference tells findings that are new from those that are gone.
func difference(before, after []topology.Finding) (found, gone []topology.Finding) {
	key := func(f topology.Finding) string {
		return f.Kind + "/" + f.Name + " " + f.Field + " " + string(f.Reason)
	}
	missing := func(list, from []topology.Finding) (out []topology.Finding) {
		have := make(map[string]bool, len(from))
		for _, f := range from {
			have[key(f)] = true
		}
		for _, f := range list {
			if !have[key(f)] {
				out = append(out, f)
			}
		}
		slices.SortStableFunc(out, func(a, b topology.Finding) int { return cmp.Compare(a.Severity, b.Severity) })
		return out
	}
	return missing(after, before), missing(before, after)
}
