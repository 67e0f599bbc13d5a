// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"cmp"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// hostPort is a port of the machine that each pod of a node takes.
type hostPort struct {
	field, protocol, ip string
	number              int32
}

func (p hostPort) clashes(other hostPort) bool {
	every := func(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" }
	return p.number == other.number && p.protocol == other.protocol && (p.ip == other.ip || every(p.ip) || every(other.ip))
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
					"%d: each of the %d pods needs a machine of its own; those that find none stay Pending", p.number, n))
			}
			for _, other := range owners[p.number] {
				if other.node != name && p.clashes(other.hostPort) {
					out = append(out, node(name, p.field, topology.Warning, HostPortClash,
						"%d is also one of BrokerNode %q, so that their pods can't be on one machine; allowed: another number, or none", p.number, other.node))
					break
				}
			}
			if owner := services[p.number]; owner != "" && p.protocol == string(corev1.ProtocolTCP) {
				out = append(out, node(name, p.field, topology.Warning, HostPortClash,
					"%d is also the port of every machine that %s asks for; allowed: another number, or none", p.number, owner))
			}
			owners[p.number] = append(owners[p.number], taken{p, name})
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
	add := func(list string, containers []corev1.Container, runs func(*corev1.Container) bool) {
		for i := range containers {
			for j, p := range containers[i].Ports {
				if p.HostPort != 0 && runs(&containers[i]) {
					out = append(out, hostPort{fmt.Sprintf("spec.podTemplate.spec.%s[%d].ports[%d].hostPort", list, i, j),
						string(cmp.Or(p.Protocol, corev1.ProtocolTCP)), p.HostIP, p.HostPort})
				}
			}
		}
	}
	add("containers", spec.Containers, func(*corev1.Container) bool { return true })
	add("initContainers", spec.InitContainers, func(c *corev1.Container) bool {
		return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
	return out
}
