// SPDX-License-Identifier: Apache-2.0

package lint

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// What the engine takes where the objects say nothing.
const (
	queuesDefault  = 256 << 20
	cacheDefault   = 32 << 20
	historyDefault = 64 << 20
)

// memory holds what a node may fill against what its container may have.
func memory(m *mesh) []topology.Finding {
	holds := m.held()
	var out []topology.Finding
	for _, name := range m.names {
		n := m.nodes[name]
		if n.Spec.Resources == nil {
			continue
		}
		limit, ok := n.Spec.Resources.Limits[corev1.ResourceMemory]
		if !ok {
			continue
		}
		queues := int64(queuesDefault)
		if n.Spec.Queues != nil {
			queues = or(n.Spec.Queues.MemoryLimit, queuesDefault)
		}
		if all := queues + holds[name]; all >= limit.Value() {
			out = append(out, node(name, "spec.resources.limits.memory", topology.Warning, MemoryTooSmall,
				"%s, but the queues of the node may hold %s (spec.queues.memoryLimit) and the masters of its stores %s; allowed: more than that, at best twice",
				limit.String(), size(queues), size(holds[name])))
		}
	}
	return out
}

// held is how much the masters on each node may keep in memory, as far as they are bounded. A history of changes is kept only for clones.
func (m *mesh) held() map[string]int64 {
	holds := make(map[string]int64)
	for i := range m.o.Stores {
		s := &m.o.Stores[i]
		plan := m.stores[s.Name]
		if plan.Fault != nil {
			continue
		}
		var bytes int64
		if len(plan.Clones) > 0 {
			bytes += or(s.Spec.Master.HistorySize, historyDefault)
		}
		switch {
		case s.Spec.Master.Backend == v1alpha1.BackendPebble && s.Spec.Master.Pebble == nil:
			bytes += cacheDefault
		case s.Spec.Master.Pebble != nil:
			bytes += or(s.Spec.Master.Pebble.CacheSize, cacheDefault)
		case s.Spec.Master.Memory != nil:
			bytes += or(s.Spec.Master.Memory.MaxSize, 0)
		}
		holds[plan.Master] += bytes
	}
	return holds
}

func or(q *resource.Quantity, usual int64) int64 {
	if q == nil {
		return usual
	}
	return q.Value()
}

func size(bytes int64) string { return resource.NewQuantity(bytes, resource.BinarySI).String() }
