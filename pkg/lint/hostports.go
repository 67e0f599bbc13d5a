// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// hostPort is a port of the machine that each pod of a node takes.
type hostPort struct {
	topology.HostPort
	field string // the whole path
}

func (p hostPort) clashes(other hostPort) bool {
	every := func(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" }
	return p.Number == other.Number && p.Protocol == other.Protocol && (p.IP == other.IP || every(p.IP) || every(other.IP))
}

// hostPorts finds pods that can't run on one machine, because each wants the same of its ports.
func hostPorts(m *mesh) []topology.Finding {
	var out []topology.Finding
	type taken struct {
		hostPort
		node string
	}
	owners := make(map[int32][]taken)
	services := servicePorts(m)
	for _, name := range m.names {
		for _, p := range hostPortsOf(m.nodes[name]) {
			if n := m.pods[name]; n > 1 {
				out = append(out, node(name, p.field, topology.Info, HostPortClash,
					"%d: each of the %d pods needs a machine of its own; those that find none stay Pending", p.Number, n))
			}
			for _, other := range owners[p.Number] {
				if other.node != name && p.clashes(other.hostPort) {
					out = append(out, node(name, p.field, topology.Warning, HostPortClash,
						"%d is also one of BrokerNode %q, so that their pods can't be on one machine; allowed: another number, or none", p.Number, other.node))
					break
				}
			}
			if owner := services[p.Number]; owner != "" && p.Protocol == string(corev1.ProtocolTCP) {
				out = append(out, node(name, p.field, topology.Warning, HostPortClash,
					"%d is also the port of every machine that %s asks for; allowed: another number, or none", p.Number, owner))
			}
			owners[p.Number] = append(owners[p.Number], taken{p, name})
		}
	}
	return out
}

// servicePorts are the ports of the machines that Services ask for, with who does.
func servicePorts(m *mesh) map[int32]string {
	out := make(map[int32]string)
	for _, name := range m.names {
		s := m.nodes[name].Spec.Service
		if s == nil || s.NodePorts == nil {
			continue
		}
		for _, number := range []int32{s.NodePorts.Broker, s.NodePorts.WebSocket} {
			if number != 0 && out[number] == "" {
				out[number] = fmt.Sprintf("the Service of BrokerNode %q", name)
			}
		}
	}
	return out
}

// hostPortsOf reads a node's template; none if the compiler refuses it.
func hostPortsOf(n *v1alpha1.BrokerNode) []hostPort {
	if doc, fault := topology.PodOverrides(n); doc == nil || fault != nil {
		return nil
	}
	var spec corev1.PodSpec
	if json.Unmarshal(n.Spec.PodTemplate.Spec.Raw, &spec) != nil {
		return nil // the compiler has read it
	}
	var out []hostPort
	add := func(list string, containers []corev1.Container) {
		for i := range containers {
			for _, p := range topology.HostPorts(list, &containers[i]) {
				out = append(out, hostPort{p, fmt.Sprintf("spec.podTemplate.spec.%s[%d].%s", list, i, p.Field)})
			}
		}
	}
	add("containers", spec.Containers)
	add("initContainers", spec.InitContainers)
	return out
}
