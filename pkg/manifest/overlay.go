// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// overlaid lays spec.podTemplate over the operator's template, by a strategic merge. Only what topology.PodOverrides lets through is taken,
// so that a node without overrides has the very template that it has always had, and one with overrides still is a node. What is the
// operator's among labels and annotations stays.
func overlaid(node *v1alpha1.BrokerNode, template corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	t := node.Spec.PodTemplate
	if t == nil {
		return template
	}
	if t.Metadata != nil {
		template.Labels = besides(template.Labels, t.Metadata.Labels)
		template.Annotations = besides(template.Annotations, t.Metadata.Annotations)
	}
	patch, fault := topology.PodOverrides(node)
	if fault != nil || len(patch) == 0 {
		return template
	}
	if merged, err := merge(template.Spec, patch); err == nil {
		template.Spec = merged
	}
	return template
}

// besides adds the user's entries to the operator's.
func besides[V ~string](ours map[string]string, theirs map[string]V) map[string]string {
	all := make(map[string]string, len(ours)+len(theirs))
	for key, value := range theirs {
		if !strings.HasPrefix(key, "brokermesh.dev/") {
			all[key] = string(value)
		}
	}
	maps.Copy(all, ours)
	if len(all) == 0 {
		return nil
	}
	return all
}

func merge(spec corev1.PodSpec, patch map[string]any) (corev1.PodSpec, error) {
	base, err := json.Marshal(spec)
	if err != nil {
		return spec, err
	}
	over, err := json.Marshal(patch)
	if err != nil {
		return spec, err
	}
	doc, err := strategicpatch.StrategicMergePatch(base, over, corev1.PodSpec{})
	if err != nil {
		return spec, err
	}
	var merged corev1.PodSpec
	if err := json.Unmarshal(doc, &merged); err != nil {
		return spec, err
	}
	// The node's container stays the first: tools that are told of none take that one.
	slices.SortStableFunc(merged.Containers, func(a, b corev1.Container) int {
		return rankOf(a.Name == ContainerName) - rankOf(b.Name == ContainerName)
	})
	for _, containers := range [][]corev1.Container{merged.Containers, merged.InitContainers} {
		for i := range containers {
			withProtocols(containers[i].Ports)
		}
	}
	return merged, nil
}

func rankOf(first bool) int {
	if first {
		return 0
	}
	return 1
}

// withProtocols fills in what the API server would: ports are a map by number and protocol.
func withProtocols(ports []corev1.ContainerPort) {
	for i := range ports {
		if ports[i].Protocol == "" {
			ports[i].Protocol = corev1.ProtocolTCP
		}
	}
}
