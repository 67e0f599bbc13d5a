// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// claim is a prefix that somebody publishes below, or asks for, and the place that says so.
type claim struct {
	prefix, node, field string
}

// topics holds what clients may publish against what others ask for. It says nothing of a mesh in which somebody may do everything:
// an endpoint outside, or a client that the manifests don't name.
func topics(m *mesh) []topology.Finding {
	publish, subscribe, closed := m.claims()
	if !closed {
		return nil
	}
	var out []topology.Finding
	for _, p := range publish {
		if !slices.ContainsFunc(subscribe, func(s claim) bool { return meet(p.prefix, s.prefix) }) {
			out = append(out, node(p.node, p.field, topology.Info, NobodySubscribed,
				"%q: no node and no client that the objects name asks for such topics", p.prefix))
		}
	}
	for _, s := range subscribe {
		if !slices.ContainsFunc(publish, func(p claim) bool { return meet(p.prefix, s.prefix) }) {
			out = append(out, node(s.node, s.field, topology.Info, NobodyPublishes,
				"%q: no client that the objects name may publish such topics", s.prefix))
		}
	}
	return out
}

// claims collects the prefixes. closed tells that they are all that there is.
func (m *mesh) claims() (publish, subscribe []claim, closed bool) {
	if slices.ContainsFunc(m.edges, func(e edge) bool { return e.outside }) {
		return nil, nil, false
	}
	for _, name := range m.names {
		spec := &m.nodes[name].Spec
		for i, prefix := range spec.Subscriptions {
			subscribe = append(subscribe, claim{prefix, name, fmt.Sprintf("spec.subscriptions[%d]", i)})
		}
		w := spec.WebSocket
		if w == nil {
			continue
		}
		if len(w.Clients) == 0 && w.Others == nil {
			return nil, nil, false
		}
		add := func(field string, r v1alpha1.TopicRights) {
			for i, prefix := range r.Publish {
				publish = append(publish, claim{prefix, name, fmt.Sprintf("%s.publish[%d]", field, i)})
			}
			for i, prefix := range r.Subscribe {
				subscribe = append(subscribe, claim{prefix, name, fmt.Sprintf("%s.subscribe[%d]", field, i)})
			}
		}
		for i, c := range w.Clients {
			add(fmt.Sprintf("spec.webSocket.clients[%d]", i), c.TopicRights)
		}
		if w.Others != nil {
			add("spec.webSocket.others", *w.Others)
		}
	}
	return publish, subscribe, len(publish) > 0
}

// meet tells whether a topic can begin with both.
func meet(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
