// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import "slices"

const (
	aKey      = `^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	aValue    = `^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
	someOf    = `; allowed: one or more with In and NotIn, none with Exists and DoesNotExist`
	oneOfThem = `; allowed: exactly one of them`
)

var selectorCases = slices.Concat(selectors(), []testCase{
	{name: "selectors", kind: "Peering", spec: `{from: {selector: {matchLabels: {role: worker}}}, to: {selector: {matchLabels: {role: proxy}}, count: 2}}`},
	{name: "every node", kind: "Peering", spec: `{from: {selector: {}}, to: {selector: {}}}`},
	{name: "selector to an address", kind: "Peering", spec: `{from: {selector: {}}, to: {address: "h:1"}}`},
	{name: "from both", kind: "Peering", spec: `{from: {node: a, selector: {}}, to: {node: b}}`, want: []string{`spec.from: both node and selector are set` + oneOfThem}},
	{name: "to a node and a selector", kind: "Peering", spec: `{from: {node: a}, to: {node: b, selector: {}}}`, want: []string{`spec.to: both node and selector are set` + oneOfThem}},
	{name: "to an address and a selector", kind: "Peering", spec: `{from: {node: a}, to: {address: "h:1", selector: {}}}`,
		want: []string{`spec.to: both address and selector are set` + oneOfThem}},
	{name: "to all three", kind: "Peering", spec: `{from: {node: a}, to: {node: b, address: "h:1", selector: {}}}`,
		want: []string{`spec.to: node, address and selector are set` + oneOfThem}},
	{name: "count of one node", kind: "Peering", spec: `{from: {node: a}, to: {node: b, count: 2}}`, want: []string{`spec.to.count: set without a selector; allowed: with selector only`}},
	{name: "count 0", kind: "Peering", spec: `{from: {node: a}, to: {selector: {}, count: 0}}`, want: []string{`spec.to.count: 0: should be greater than or equal to 1`}},
	{name: "most", kind: "Peering", spec: `{from: {node: a}, to: {selector: {}, count: 1000}}`},
	{name: "count too high", kind: "Peering", spec: `{from: {node: a}, to: {selector: {}, count: 1001}}`, want: []string{`spec.to.count: 1001: should be less than or equal to 1000`}},
	{name: "clones by selector", kind: "DataStore", spec: `{master: {node: a}, clones: [{selector: {matchLabels: {role: worker}}, staleAfter: 30s}, {node: b}]}`},
	{name: "two selectors alike", kind: "DataStore", spec: `{master: {node: a}, clones: [{selector: {}}, {selector: {}}]}`},
	{name: "clone by both", kind: "DataStore", spec: `{master: {node: a}, clones: [{node: b, selector: {}}]}`, want: []string{`spec.clones[0]: both node and selector are set` + oneOfThem}},
})

// selectors are tried as that of the side that connects.
func selectors() []testCase {
	const at = "spec.from.selector."
	var cases []testCase
	for selector, want := range map[string][]string{
		`{matchLabels: {example.com/role: Worker_1.x, a: ""}}`:                          nil,
		`{matchLabels: ` + labels(16) + `}`:                                             nil,
		`{matchLabels: ` + labels(17) + `}`:                                             {at + `matchLabels: Too many: 17: must have at most 16 items`},
		`{matchLabels: {-a: b}}`:                                                        {at + `matchLabels: a key is no key of a label; allowed: such as role or example.com/role`},
		`{matchLabels: {a: "b c"}}`:                                                     {at + `matchLabels.a: "b c": should match '` + aValue + `'`},
		`{matchLabels: {a: 1}}`:                                                         {at + `matchLabels.a: must be of type string: "integer"`},
		`{matchExpressions: [{key: a, operator: In, values: [b, c]}]}`:                  nil,
		`{matchExpressions: [{key: a, operator: DoesNotExist}]}`:                        nil,
		`{matchExpressions: [{key: a, operator: Exists, values: []}]}`:                  nil,
		`{matchExpressions: [{key: a, operator: NotIn}]}`:                               {at + `matchExpressions[0].values: unset with operator NotIn` + someOf},
		`{matchExpressions: [{key: a, operator: Exists, values: [b]}]}`:                 {at + `matchExpressions[0].values: set with operator Exists` + someOf},
		`{matchExpressions: [{key: "a b", operator: Exists}]}`:                          {at + `matchExpressions[0].key: "a b": should match '` + aKey + `'`},
		`{matchExpressions: [{key: a, operator: in}]}`:                                  {at + `matchExpressions[0].operator: "in": allowed: In, NotIn, Exists, DoesNotExist`},
		`{matchExpressions: [{operator: Exists}]}`:                                      {at + `matchExpressions[0].key: Required value`},
		`{matchNames: {a: b}}`:                                                          {at + `matchNames: unknown field`},
		`{matchExpressions: [{key: a, operator: In, values: ` + list(64, "v%d") + `}]}`: nil,
		`{matchExpressions: [{key: a, operator: In, values: ` + list(65, "v%d") + `}]}`: {at + `matchExpressions[0].values: Too many: 65: must have at most 64 items`},
	} {
		cases = append(cases, testCase{name: "selector " + selector[:min(len(selector), 60)], kind: "Peering", spec: `{from: {selector: ` + selector + `}, to: {node: b}}`, want: want})
	}
	return cases
}

func labels(n int) string {
	text := list(n, "l%d: v")
	return "{" + text[1:len(text)-1] + "}"
}
