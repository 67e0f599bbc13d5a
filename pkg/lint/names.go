// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"strings"

	"github.com/brokermesh/brokermesh/pkg/topology"
)

// names finds nodes whose objects in the cluster would have one name: the Service that spec.service asks for is called as the node, the
// one that governs its pods NODE-pods.
func names(m *mesh) []topology.Finding {
	var out []topology.Finding
	for _, name := range m.names {
		other, ok := strings.CutSuffix(name, "-pods")
		if ok && m.nodes[name].Spec.Service != nil && m.nodes[other] != nil {
			out = append(out, node(name, "spec.service", topology.Error, NameClash,
				"its Service %q is also the name of the one that governs the pods of BrokerNode %q; allowed: another name for one of the nodes, or no spec.service", name, other))
		}
	}
	return out
}

// nodePorts finds Services that ask for one port of the cluster's machines.
func nodePorts(m *mesh) []topology.Finding {
	var out []topology.Finding
	owner := make(map[int32]string)
	for _, name := range m.names {
		s := m.nodes[name].Spec.Service
		if s == nil || s.NodePorts == nil {
			continue
		}
		for _, port := range []struct {
			field  string
			number int32
		}{{"broker", s.NodePorts.Broker}, {"webSocket", s.NodePorts.WebSocket}} {
			field := "spec.service.nodePorts." + port.field
			if before, taken := owner[port.number]; taken && port.number != 0 {
				out = append(out, node(name, field, topology.Error, NodePortClash, "%d is that of %s already; allowed: another number, or none", port.number, before))
			} else {
				owner[port.number] = "BrokerNode \"" + name + "\", " + field
			}
		}
	}
	return out
}
