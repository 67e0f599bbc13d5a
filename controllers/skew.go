// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// skills are what a pod said it reads. They are remembered beyond its end: the next pod of its name most likely has the same image.
type skills struct {
	versions []int
	features []string
}

func (s skills) reads(c nodeconfig.Config) bool {
	return slices.Contains(s.versions, c.Version) && len(c.Missing(s.features)) == 0
}

// skew is why a pod may not get the document that is compiled for it.
type skew uint8

const (
	// skewNone: the pod reads it, or there is no pod that could keep it from others.
	skewNone skew = iota
	// skewUnheard: this manager has just begun, and hasn't heard what the pod reads.
	skewUnheard
	// skewBehind: the pod doesn't read it.
	skewBehind
)

// skews are those of the pods that have one, and when they are to be looked at again; 0 if never.
func (m *mesh) skews(compiled topology.Result, pods []corev1.Pod) (out map[string]skew, again time.Duration) {
	there := make(map[string]bool, len(pods))
	for i := range pods {
		there[pods[i].Name] = true
	}
	young := evidence.MaxAge - m.now().Sub(m.started)
	out = make(map[string]skew)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range compiled.Nodes {
		for _, p := range n.Pods {
			s, known := m.mu.skills[p.Pod]
			switch {
			case known && !s.reads(p.Config):
				out[p.Pod] = skewBehind
			case !known && there[p.Pod] && young > 0:
				out[p.Pod], again = skewUnheard, young
			}
		}
	}
	return out, again
}

// readable is the config that the document of a pod says: the compiled one, or that of the document it has. A pod never finds one in its
// mount that it can't read, if it has had another: it would not start again.
func readable(p topology.PodPlan, s skew, live *corev1.ConfigMap) (nodeconfig.Config, string) {
	if s == skewNone || live == nil {
		return p.Config, p.Hash
	}
	had, ok := documentOf(live, p.Pod)
	if !ok || s == skewUnheard && len(p.Config.Missing(had.Features())) == 0 {
		return p.Config, p.Hash
	}
	return had, had.Hash()
}

// skewsOf are those of a node's pods; nil if they have none.
func skewsOf(plan topology.NodePlan, all map[string]skew) map[string]skew {
	var out map[string]skew
	for _, p := range plan.Pods {
		if s := all[p.Pod]; s != skewNone {
			if out == nil {
				out = make(map[string]skew)
			}
			out[p.Pod] = s
		}
	}
	return out
}
