// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

const defaultNamespace = "default"

// newCompiler starts with the nodes: each has a config for each pod, without neighbours and stores yet.
func newCompiler(o Objects, opt Options) *compiler {
	opt.Namespace = cmp.Or(opt.Namespace, defaultNamespace)
	c := &compiler{
		opt:   opt,
		nodes: make(map[string]*v1alpha1.BrokerNode, len(o.Nodes)),
		spans: make(map[string]span, len(o.Nodes)),
		podAt: make(map[string]int, len(o.Nodes)), outsiders: make(map[string]int), shadowed: make(map[string]string),
	}
	for i := range o.Nodes {
		c.nodes[o.Nodes[i].Name] = &o.Nodes[i]
	}
	c.names = slices.Sorted(maps.Keys(c.nodes))
	c.selectors = newSelectors(c.nodes, c.names)
	for _, name := range c.names {
		n, first := c.nodes[name], len(c.members)
		if External(n) {
			c.addOutsider(n)
			continue
		}
		for _, pod := range Pods(n) {
			m := member{node: n, pod: pod, address: c.address(n, pod), weight: weightOf(pod), config: c.config(n, pod)}
			if m.address != "" {
				c.podAt[normalize(m.address)] = len(c.members)
			}
			c.members = append(c.members, m)
		}
		c.spans[name] = span{first, len(c.members)}
	}
	c.settleAddresses(o.Nodes)
	c.hops = make([][]hop, len(c.members))
	return c
}

// Pods are the names of a node's pods.
func Pods(n *v1alpha1.BrokerNode) []string {
	pods := make([]string, Replicas(n))
	for i := range pods {
		pods[i] = PodName(n.Name, i)
	}
	return pods
}

// maxReplicas is what the definition allows.
const maxReplicas = 100

// Replicas is how many pods a node has. A number that no API server would take, which a manifest can have all the same, counts as the
// nearest that it would.
func Replicas(n *v1alpha1.BrokerNode) int {
	if External(n) {
		return 0
	}
	if n.Spec.Replicas == nil {
		return 1
	}
	return int(max(0, min(*n.Spec.Replicas, maxReplicas)))
}

// PodName is the name of a node's i-th pod.
func PodName(node string, i int) string { return node + "-" + strconv.Itoa(i) }

// byClaim gives the objects in the order in which they may claim what only one can have: the older first, then by name.
func byClaim[T any](list []T, meta func(*T) *metav1.ObjectMeta) []*T {
	sorted := make([]*T, len(list))
	for i := range list {
		sorted[i] = &list[i]
	}
	slices.SortStableFunc(sorted, func(a, b *T) int {
		x, y := meta(a), meta(b)
		return cmp.Or(x.CreationTimestamp.Compare(y.CreationTimestamp.Time), cmp.Compare(x.Name, y.Name))
	})
	return sorted
}

func (c *compiler) config(n *v1alpha1.BrokerNode, pod string) *nodeconfig.Config {
	config := &nodeconfig.Config{
		Version:       nodeconfig.Version,
		Namespace:     c.opt.Namespace,
		Node:          n.Name,
		Pod:           pod,
		ListenPort:    listenPort(n),
		WebSocketPort: webSocketPort(n),
		WebSocket:     webSocket(n),
		TLS:           string(tlsMode(n)),
		Forward:       string(n.Spec.Forward),
		LogLevel:      string(n.Spec.LogLevel),
		Queues:        Queues(n),
		Subscriptions: slices.Clone(n.Spec.Subscriptions),
	}
	if c.opt.Plain {
		config.TLS = nodeconfig.TLSDisabled
	}
	return config
}

func listenPort(n *v1alpha1.BrokerNode) int {
	if n.Spec.Listen == nil {
		return nodeconfig.DefaultListenPort
	}
	return cmp.Or(int(n.Spec.Listen.Port), nodeconfig.DefaultListenPort)
}

// webSocketPort is 0 for a node without one.
func webSocketPort(n *v1alpha1.BrokerNode) int {
	const usual = 9997
	if n.Spec.WebSocket == nil {
		return 0
	}
	return cmp.Or(int(n.Spec.WebSocket.Port), usual)
}

func tlsMode(n *v1alpha1.BrokerNode) v1alpha1.TLSMode {
	if n.Spec.TLS == nil {
		return v1alpha1.TLSMesh
	}
	return cmp.Or(n.Spec.TLS.Mode, v1alpha1.TLSMesh)
}

// address is where the pod's native port is dialed; empty if that isn't known.
func (c *compiler) address(n *v1alpha1.BrokerNode, pod string) string {
	if c.opt.Addresses != nil {
		return c.opt.Addresses[pod]
	}
	return c.dns(n, pod, listenPort(n))
}

func (c *compiler) webSocket(n *v1alpha1.BrokerNode, pod string) string {
	port := webSocketPort(n)
	if port == 0 || c.opt.Addresses != nil {
		return ""
	}
	return c.dns(n, pod, port)
}

func (c *compiler) dns(n *v1alpha1.BrokerNode, pod string, port int) string {
	return net.JoinHostPort(pod+"."+n.Name+"-pods."+c.opt.Namespace+".svc", strconv.Itoa(port))
}

// plans collects the finished configs, node by node.
func (c *compiler) plans() {
	for _, name := range c.names {
		n := c.nodes[name]
		plan := NodePlan{Node: name, External: External(n), PodFault: c.podFault(n), BackupClaims: c.vaults[name]}
		size, all := 0, sha256.New()
		for at := c.spans[name].first; at < c.spans[name].end; at++ {
			m := &c.members[at]
			config := m.config.WithDefaults() // sorted: plans compare byte by byte
			p := PodPlan{Pod: m.pod, Address: m.address, WebSocket: c.webSocket(n, m.pod), Config: config, Hash: config.Hash()}
			plan.Pods = append(plan.Pods, p)
			size += len(config.Canonical())
			fmt.Fprintf(all, "%s %s\n", p.Pod, p.Hash)
			plan.Fault = cmp.Or(plan.Fault, c.tooMany(name, config))
		}
		plan.Hash = hex.EncodeToString(all.Sum(nil)[:16])
		if plan.Fault == nil && size > MaxConfigBytes {
			plan.Fault = c.find(tooLarge(name, fmt.Sprintf("%d bytes, allowed: at most %d", size, MaxConfigBytes)))
		}
		c.out.Nodes = append(c.out.Nodes, plan)
	}
}

func (c *compiler) tooMany(node string, config nodeconfig.Config) *Finding {
	if n := len(config.Peers); n > nodeconfig.MaxPeers {
		return c.find(tooLarge(node, fmt.Sprintf("%d peers to connect to, allowed: at most %d", n, nodeconfig.MaxPeers)))
	}
	if n := len(config.Accept); n > nodeconfig.MaxPeers {
		return c.find(tooLarge(node, fmt.Sprintf("%d peers that connect to it, allowed: at most %d", n, nodeconfig.MaxPeers)))
	}
	if n := len(config.Stores); n > nodeconfig.MaxStores {
		return c.find(tooLarge(node, fmt.Sprintf("%d stores, allowed: at most %d", n, nodeconfig.MaxStores)))
	}
	return nil
}

func tooLarge(node, what string) Finding {
	return Finding{Kind: KindBrokerNode, Name: node, Field: "spec", Reason: v1alpha1.ReasonConfigTooLarge,
		Message: "the compiled config has " + what}
}
