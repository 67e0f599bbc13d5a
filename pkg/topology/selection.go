// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// Codes of findings that no condition has as its reason.
const (
	// CodeSelectsNothing: a selector chooses no BrokerNode.
	CodeSelectsNothing v1alpha1.Reason = "SelectsNothing"
	// CodeOverlap: an older Peering joins some of the pairs that this one would join.
	CodeOverlap v1alpha1.Reason = "Overlap"
)

// label is a label with its value.
type label struct{ key, value string }

// selectors answers who has the labels that a selector demands. Objects often repeat a selector, so answers are kept.
type selectors struct {
	nodes   map[string]*v1alpha1.BrokerNode
	names   []string           // sorted
	with    map[label][]string // nodes that have it, sorted
	answers map[string][]string
}

func newSelectors(nodes map[string]*v1alpha1.BrokerNode, names []string) *selectors {
	s := &selectors{nodes: nodes, names: names, with: make(map[label][]string), answers: make(map[string][]string)}
	for _, name := range names {
		for k, v := range nodes[name].Labels {
			s.with[label{k, v}] = append(s.with[label{k, v}], name)
		}
	}
	return s
}

// choose names the nodes that a selector chooses, sorted.
func (s *selectors) choose(sel *v1alpha1.NodeSelector) []string {
	key := describe(sel)
	if known, ok := s.answers[key]; ok {
		return known
	}
	candidates := s.names
	for k, v := range sel.MatchLabels {
		if have := s.with[label{k, string(v)}]; len(have) < len(candidates) {
			candidates = have
		}
	}
	var chosen []string
	for _, name := range candidates {
		if Matches(sel, s.nodes[name].Labels) {
			chosen = append(chosen, name)
		}
	}
	s.answers[key] = chosen
	return chosen
}

// Matches tells whether a node with these labels is chosen by a selector.
func Matches(sel *v1alpha1.NodeSelector, labels map[string]string) bool {
	for k, v := range sel.MatchLabels {
		if have, ok := labels[k]; !ok || have != string(v) {
			return false
		}
	}
	for _, e := range sel.MatchExpressions {
		have, ok := labels[e.Key]
		in := ok && slices.Contains(e.Values, v1alpha1.LabelValue(have))
		switch e.Operator {
		case v1alpha1.SelectorIn:
			ok = in
		case v1alpha1.SelectorNotIn:
			ok = !in
		case v1alpha1.SelectorDoesNotExist:
			ok = !ok
		}
		if !ok {
			return false
		}
	}
	return true
}

// describe writes a selector as kubectl takes it; different demands give different texts.
func describe(sel *v1alpha1.NodeSelector) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(sel.MatchLabels)) {
		parts = append(parts, k+"="+string(sel.MatchLabels[k]))
	}
	for _, e := range sel.MatchExpressions {
		values := make([]string, len(e.Values))
		for i, v := range e.Values {
			values[i] = string(v)
		}
		list := " (" + strings.Join(values, ",") + ")"
		switch e.Operator {
		case v1alpha1.SelectorIn:
			parts = append(parts, e.Key+" in"+list)
		case v1alpha1.SelectorNotIn:
			parts = append(parts, e.Key+" notin"+list)
		case v1alpha1.SelectorDoesNotExist:
			parts = append(parts, "!"+e.Key)
		default:
			parts = append(parts, e.Key)
		}
	}
	if len(parts) == 0 {
		return "every node"
	}
	return strings.Join(parts, ",")
}

// selection names the nodes that an object means by a name or by a selector. A node that isn't there is a fault; a selector that chooses
// nothing is worth a warning.
func (c *compiler) selection(kind, name, field, node string, sel *v1alpha1.NodeSelector) ([]string, *Finding) {
	if sel == nil {
		if fault := c.nodeMissing(kind, name, field+".node", node); fault != nil {
			return nil, fault
		}
		return []string{node}, nil
	}
	chosen := c.selectors.choose(sel)
	if len(chosen) == 0 {
		c.find(Finding{Kind: kind, Name: name, Field: field + ".selector", Severity: Warning, Reason: CodeSelectsNothing,
			Message: fmt.Sprintf("no BrokerNode has the labels %s", describe(sel))})
	}
	return chosen, nil
}

// members are the pods of nodes, in order.
func (c *compiler) membersOf(nodes []string) []int {
	var list []int
	for _, name := range nodes {
		if m, elsewhere := c.outsiders[name]; elsewhere {
			list = append(list, m)
		}
		s := c.spans[name]
		for i := s.first; i < s.end; i++ {
			list = append(list, i)
		}
	}
	return list
}
