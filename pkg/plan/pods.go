// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// part is something of a node that only a new pod can have otherwise, in a form that can be compared.
type part struct{ name, value string }

// parts are all of them, in the order in which they are told.
func parts(n *v1alpha1.BrokerNode) []part {
	spec := &n.Spec
	port, web := int32(0), int32(0)
	if spec.Listen != nil {
		port = spec.Listen.Port
	}
	if spec.WebSocket != nil {
		web = cmp.Or(spec.WebSocket.Port, 9997)
	}
	mode := v1alpha1.TLSMesh
	if spec.TLS != nil {
		mode = cmp.Or(spec.TLS.Mode, mode)
	}
	return []part{
		{"image", cmp.Or(spec.Image, n.Status.Image)},
		{"imagePullSecrets", text(spec.ImagePullSecrets)},
		{"resources", text(spec.Resources)},
		{"storage", text(spec.Storage != nil)},
		{"listen.port", text(cmp.Or(port, 9999))},
		{"webSocket.port", text(web)},
		{"tls.mode", string(mode)},
		{"queues", text(topology.Queues(n))},
		{"podTemplate", podTemplate(n)},
		{v1alpha1.RestartedAtAnnotation, n.Annotations[v1alpha1.RestartedAtAnnotation]},
	}
}

// podTemplate is what is taken of it: of one that is refused nothing but the metadata. An empty one is none.
func podTemplate(n *v1alpha1.BrokerNode) string {
	t := n.Spec.PodTemplate
	if t == nil {
		return ""
	}
	out := ""
	if t.Metadata != nil && len(t.Metadata.Labels)+len(t.Metadata.Annotations) > 0 {
		out = text(t.Metadata)
	}
	if overrides, fault := topology.PodOverrides(n); fault == nil && len(overrides) > 0 {
		out += text(overrides)
	}
	return out
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error() // not reached: plain types
	}
	return string(b)
}

// Restarts names what of a node's change needs new pods; none if the pods stay.
func Restarts(before, after *v1alpha1.BrokerNode) []string {
	var why []string
	was, now := parts(before), parts(after)
	for i := range was {
		if was[i] != now[i] {
			why = append(why, was[i].name)
		}
	}
	return why
}

// The acts on nodes, beside Added and Removed; the first is the gravest.
const (
	// Restarted nodes get new pods, one after the other.
	Restarted Act = "Restarted"
	// Reconnected nodes keep their pods, and end and begin all their connections.
	Reconnected Act = "Reconnected"
	// Scaled nodes get more pods or lose some; the others go on.
	Scaled Act = "Scaled"
	// Pushed nodes take a new configuration while they run.
	Pushed Act = "Pushed"
)

// NodeChange is what happens to a BrokerNode's pods.
type NodeChange struct {
	Node string `json:"node"`
	Act  Act    `json:"act"`
	// Paused: nothing of it is done before spec.paused goes.
	Paused bool `json:"paused,omitempty"`
	// Why are the parts of the spec for which pods restart or connections begin anew.
	Why []string `json:"why,omitempty"`
	// New and Gone are pods that come and go for good.
	New  []string `json:"newPods,omitempty"`
	Gone []string `json:"gonePods,omitempty"`
}

// nodes compares all nodes.
func (c *comparison) nodes() (changes []NodeChange, untouched int) {
	for name, was := range c.before.node {
		if now := c.after.node[name]; now == nil {
			c.changes[name] = &NodeChange{Node: name, Act: Removed, Gone: c.before.pods(name)}
		} else if change := c.node(was, now); change != nil {
			c.changes[name] = change
		} else {
			untouched++
		}
	}
	for name := range c.after.node {
		if c.before.node[name] == nil {
			c.changes[name] = &NodeChange{Node: name, Act: Added, New: c.after.pods(name)}
		}
	}
	for _, change := range c.changes {
		changes = append(changes, *change)
	}
	slices.SortFunc(changes, func(a, b NodeChange) int { return cmp.Compare(a.Node, b.Node) })
	return changes, untouched
}

func (s *side) pods(node string) []string {
	var pods []string
	for _, p := range s.nodePlan[node].Pods {
		pods = append(pods, p.Pod)
	}
	return pods
}

// node compares a node that stays; nil if it notices nothing.
func (c *comparison) node(was, now *v1alpha1.BrokerNode) *NodeChange {
	before, after := c.before.nodePlan[was.Name], c.after.nodePlan[was.Name]
	change := &NodeChange{Node: was.Name, Paused: now.Spec.Paused, New: missing(c.after.pods(was.Name), c.before.pods(was.Name)), Gone: missing(c.before.pods(was.Name), c.after.pods(was.Name))}
	stays := len(before.Pods) > len(change.Gone)
	why := Restarts(was, now)
	if !slices.Equal(before.BackupClaims, after.BackupClaims) {
		why = append(why, "volumes of backups")
	}
	if len(why) > 0 && stays {
		change.Act, change.Why = Restarted, why
		return change
	}
	if cmp.Or(was.Spec.Forward, v1alpha1.ForwardMesh) != cmp.Or(now.Spec.Forward, v1alpha1.ForwardMesh) && stays {
		change.Act, change.Why = Reconnected, []string{"forward"}
		return change
	}
	switch {
	case len(change.New)+len(change.Gone) > 0:
		change.Act = Scaled
	case before.Hash != after.Hash:
		change.Act = Pushed
	default:
		return nil
	}
	return change
}

// missing are those of a list that another doesn't have.
func missing(list, from []string) []string {
	var out []string
	for _, v := range list {
		if !slices.Contains(from, v) {
			out = append(out, v)
		}
	}
	return out
}

// act is what happens to a node.
func (c *comparison) act(node string) Act {
	if change := c.changes[node]; change != nil {
		return change.Act
	}
	return ""
}
