// SPDX-License-Identifier: Apache-2.0

package meshview

import (
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// condition is one condition of one object.
type condition struct {
	object string // kind/name
	metav1.Condition
}

// holds reports whether the condition is as it should be.
func (c condition) holds() bool {
	if c.Type == v1alpha1.ConditionDropping {
		return c.Status == metav1.ConditionFalse
	}
	return c.Status == metav1.ConditionTrue
}

func (c condition) String() string {
	if c.Reason == "" {
		return fmt.Sprintf("%s: %s is %s: %s", c.object, c.Type, c.Status, c.Message)
	}
	return fmt.Sprintf("%s: %s is %s: %s: %s", c.object, c.Type, c.Status, c.Reason, c.Message)
}

// conditions are those of all objects, in a fixed order. An object without
// conditions yet gets one that says so; a condition that only repeats what an
// earlier one of the object says is left out.
func (s State) conditions() []condition {
	var all []condition
	add := func(kind, name string, list []metav1.Condition) {
		if len(list) == 0 {
			list = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Message: "nothing known yet"}}
		}
		for i, c := range list {
			repeats := slices.ContainsFunc(list[:i], func(d metav1.Condition) bool {
				return d.Status == c.Status && d.Reason == c.Reason && d.Message == c.Message
			})
			if !repeats {
				all = append(all, condition{kind + "/" + name, c})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Verdict.Nodes)) {
		add("brokernode", name, s.Verdict.Nodes[name].Conditions)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Verdict.Peerings)) {
		add("peering", name, s.Verdict.Peerings[name].Conditions)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Verdict.Stores)) {
		add("datastore", name, s.Verdict.Stores[name].Conditions)
	}
	return all
}

// Missing says of each condition that does not hold what it is and why. It is
// empty when the mesh is ready.
func (s State) Missing() []string {
	var missing []string
	for _, c := range s.conditions() {
		if !c.holds() {
			missing = append(missing, c.String())
		}
	}
	return missing
}

// Changes tells one state from the next, line by line.
type Changes struct {
	shown map[string]string // by object and condition
}

// Next says which conditions are different since the last call. What holds
// from the beginning is news only if it is the object's readiness.
func (c *Changes) Next(s State) []string {
	if c.shown == nil {
		c.shown = make(map[string]string)
	}
	var lines []string
	for _, x := range s.conditions() {
		key, line := x.object+" "+x.Type, x.String()
		before, known := c.shown[key]
		c.shown[key] = line
		if line != before && (known || !x.holds() || x.Type == v1alpha1.ConditionReady) {
			lines = append(lines, line)
		}
	}
	return lines
}

// ready is the Ready condition in a word, and whether it holds.
func ready(list []metav1.Condition) (word string, ok bool) {
	for _, c := range list {
		if c.Type != v1alpha1.ConditionReady {
			continue
		}
		switch c.Status {
		case metav1.ConditionTrue:
			return "yes", true
		case metav1.ConditionFalse:
			return "no", false
		}
	}
	return "unknown", false
}
