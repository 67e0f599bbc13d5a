// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// nodeConfigs are the documents of a node's pods, as its ConfigMap holds them and as they are offered.
type nodeConfigs struct {
	revision  int64
	documents map[string][]byte
	offers    map[string]offer
}

// documents gives the plan's configs the revision of the live ConfigMap (nil if there is none) if that holds the same configs, else
// the next one. reported is the highest revision that a pod is known to have: revisions rise even when the ConfigMap was lost.
func documents(nv nodeView, live *corev1.ConfigMap, reported int64) nodeConfigs {
	out := nodeConfigs{
		documents: make(map[string][]byte, len(nv.plan.Pods)), offers: make(map[string]offer, len(nv.plan.Pods)),
	}
	revision, same := int64(0), false
	if live != nil {
		revision, _ = strconv.ParseInt(live.Annotations[manifest.RevisionAnnotation], 10, 64)
		same = revision > 0 && len(live.Data) == len(nv.plan.Pods)
	}
	for _, p := range nv.plan.Pods {
		_, hash := readable(p, nv.skew[p.Pod], live)
		same = same && holds(live, p.Pod, hash, revision)
	}
	if !same {
		revision = max(revision, reported, 0) + 1
	}
	out.revision = revision
	for _, p := range nv.plan.Pods {
		document, _ := readable(p, nv.skew[p.Pod], live)
		config := p.Config
		config.Revision, document.Revision = revision, revision
		out.documents[p.Pod] = document.Canonical()
		out.offers[p.Pod] = offer{config: config, hash: p.Hash}
	}
	return out
}

// documentOf is what the ConfigMap has for a pod, if that is sound.
func documentOf(live *corev1.ConfigMap, pod string) (nodeconfig.Config, bool) {
	config, err := nodeconfig.Parse([]byte(live.Data[manifest.ConfigKey(pod)]))
	return config, err == nil
}

func holds(live *corev1.ConfigMap, pod, hash string, revision int64) bool {
	config, ok := documentOf(live, pod)
	return ok && config.Hash() == hash && config.Revision == revision
}

// offer tells the pollers what the node's pods should run.
func (r *brokerNodes) offer(namespace string, c nodeConfigs) {
	mesh := r.meshes.mesh(namespace)
	if mesh == nil {
		return
	}
	for pod, o := range c.offers {
		mesh.offer(pod, o)
	}
}
