// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// rollMemory is the age up to which a new pod that isn't ready counts as part of a roll that an earlier manager began.
const rollMemory = 10 * time.Minute

// rollPod is what a roll needs to know of a pod.
type rollPod struct {
	Name    string
	UID     types.UID
	Node    string
	Ready   bool
	Old     bool // made from an older template than its StatefulSet has now
	Leaving bool
	Created time.Time
}

// rollStep is what to do next in a mesh.
type rollStep struct {
	// Delete is the pod to be replaced now.
	Delete *rollPod
	// Waiting are the nodes that have old pods, with the cause for which the next one isn't replaced yet (empty for Delete's node).
	Waiting map[string]string
}

// nextRoll decides which pod of a mesh is replaced next. Pods that aren't ready go first, one after the other without waiting: there
// is nothing to lose. A pod that is ready goes when nothing that this roll touched is still on its way: neither last, the pod that was
// replaced before, nor (when a new manager doesn't know last) any young pod.
func nextRoll(pods []rollPod, last string, now time.Time) rollStep {
	step := rollStep{Waiting: make(map[string]string)}
	pods = slices.SortedFunc(slices.Values(pods), func(a, b rollPod) int {
		return cmp.Or(boolOrder(a.Ready, b.Ready), cmp.Compare(a.Name, b.Name))
	})
	blocker := blocking(pods, last, now)
	for i, p := range pods {
		switch {
		case !p.Old:
		case p.Leaving:
			step.Waiting[p.Node] = "pod " + p.Name + " is on its way out"
		case step.Delete != nil:
			step.Waiting[p.Node] = "pod " + step.Delete.Name + " goes first"
		case p.Ready && blocker != "":
			step.Waiting[p.Node] = "pod " + blocker + " is not ready yet"
		default:
			step.Delete = &pods[i]
			step.Waiting[p.Node] = ""
		}
	}
	return step
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// blocking names the pod that a roll has to wait for.
func blocking(pods []rollPod, last string, now time.Time) string {
	for _, p := range pods {
		switch {
		case p.Leaving:
			return p.Name
		case p.Old, p.Ready:
		case p.Name == last, last == "" && now.Sub(p.Created) < rollMemory:
			return p.Name
		}
	}
	if last != "" && !slices.ContainsFunc(pods, func(p rollPod) bool { return p.Name == last }) {
		return last // deleted, and not made again yet
	}
	return ""
}

// rollPods gives the pods of a mesh whose StatefulSets are known and settled.
func rollPods(sets []appsv1.StatefulSet, pods []corev1.Pod) []rollPod {
	current := make(map[string]string, len(sets))
	for i := range sets {
		if s := &sets[i]; s.Status.ObservedGeneration == s.Generation && s.Status.UpdateRevision != "" {
			current[s.Name] = s.Status.UpdateRevision
		}
	}
	var out []rollPod
	for i := range pods {
		p := &pods[i]
		node := p.Labels[manifest.NodeLabel]
		revision, known := current[node]
		out = append(out, rollPod{
			Name: p.Name, UID: p.UID, Node: node,
			Ready:   podReady(p),
			Old:     known && p.Labels[appsv1.StatefulSetRevisionLabel] != revision,
			Leaving: p.DeletionTimestamp != nil,
			Created: p.CreationTimestamp.Time,
		})
	}
	return out
}

func podReady(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
