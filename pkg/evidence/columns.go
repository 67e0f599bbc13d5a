// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// peersColumn is "connected/expected" over all links that the node takes part in at either end, as the node itself reports.
func (j *judge) peersColumn(plan topology.NodePlan, previous string) string {
	connected, expected, waits, lost := 0, 0, false, false
	for _, pod := range plan.Pods {
		waits = waits || j.sights[pod.Pod].kind == awaited
		lost = lost || j.sights[pod.Pod].kind == old
	}
	for _, pod := range plan.Pods {
		connected, expected = connected+j.ends[pod.Pod].connected, expected+j.ends[pod.Pod].expected
	}
	switch {
	case waits && previous != "":
		return previous
	case lost:
		return fmt.Sprintf("?/%d", expected)
	}
	return fmt.Sprintf("%d/%d", connected, expected)
}

// ends are what a pod's ends of links come to.
type ends struct{ connected, expected int }

// count adds a link to both its ends.
func (j *judge) count(v linkView) {
	if v.link.Outside != "" {
		j.outside[v.link.Outside] = append(j.outside[v.link.Outside], v)
	}
	for _, end := range []struct {
		pod  string
		says view
	}{{v.link.From, v.from}, {v.link.To, v.to}} {
		if end.pod == "" {
			continue
		}
		e := j.ends[end.pod]
		e.expected++
		if end.says == connectedView {
			e.connected++
		}
		j.ends[end.pod] = e
	}
}

// masters counts the stores that each node should master.
func masters(stores []topology.StorePlan) map[string]int32 {
	n := make(map[string]int32)
	for _, s := range stores {
		if s.Fault == nil {
			n[s.Master]++
		}
	}
	return n
}

// replicas counts each node's pods that there are, those that are on their way out too.
func replicas(pods map[string]Observation) map[string]int32 {
	n := make(map[string]int32)
	for pod, o := range pods {
		if at := strings.LastIndexByte(pod, '-'); at > 0 && o.Pod != PodMissing {
			n[pod[:at]]++
		}
	}
	return n
}

// podStatus says where the pod is and who it is. Who it was stays until it is heard again, or gone.
func (j *judge) podStatus(p topology.PodPlan, previous []v1alpha1.PodStatus) v1alpha1.PodStatus {
	status := v1alpha1.PodStatus{Name: p.Pod, Address: p.Address, WebSocket: p.WebSocket}
	var before v1alpha1.PodStatus
	if i := slices.IndexFunc(previous, func(b v1alpha1.PodStatus) bool { return b.Name == p.Pod }); i >= 0 {
		before = previous[i]
	}
	switch s := j.sights[p.Pod]; s.kind {
	case fresh:
		status.Address = clip(cmp.Or(p.Address, listener(s.status, listenerBroker)), 300)
		status.WebSocket = clip(cmp.Or(p.WebSocket, listener(s.status, listenerWebSocket)), 300)
		status.EndpointID = clip(s.status.EndpointID, 64)
		status.Since = before.Since
		if status.Since == nil || before.EndpointID != status.EndpointID {
			now := seconds(j.in.Now)
			status.Since = &now
		}
	case awaited, old:
		status.Address, status.WebSocket = cmp.Or(p.Address, before.Address), cmp.Or(p.WebSocket, before.WebSocket)
		status.EndpointID, status.Since = before.EndpointID, before.Since
	}
	return status
}

func listener(s *statusapi.Status, name string) string {
	for _, l := range s.Listeners {
		if l.Name == name {
			return l.Address
		}
	}
	return ""
}
