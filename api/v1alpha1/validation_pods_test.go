// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

var podCases = []testCase{
	{name: "pod template", kind: "BrokerNode", spec: `{podTemplate: {metadata: {labels: {team: a}, annotations: {x: "y"}}, spec: {containers: [{name: zeek, image: z}], anything: {goes: 1}}}}`},
	{name: "pod template that is a word", kind: "BrokerNode", spec: `{podTemplate: {spec: yes-please}}`,
		want: []string{`spec.podTemplate.spec: must be of type object: "string"`}},
	{name: "unknown part of the template", kind: "BrokerNode", spec: `{podTemplate: {sepc: {}}}`, want: []string{"spec.podTemplate.sepc: unknown field"}},
	{name: "the operator's labels", kind: "BrokerNode", spec: `{podTemplate: {metadata: {labels: {brokermesh.dev/node: x}}}}`,
		want: []string{"spec.podTemplate.metadata.labels: keys of brokermesh.dev and app.kubernetes.io are the operator's; allowed: any other"}},
	{name: "the operator's annotations", kind: "BrokerNode", spec: `{podTemplate: {metadata: {annotations: {brokermesh.dev/queues: x}}}}`,
		want: []string{"spec.podTemplate.metadata.annotations: keys of brokermesh.dev are the operator's; allowed: any other"}},
	{name: "paused", kind: "BrokerNode", spec: `{paused: true}`},
	{name: "service", kind: "BrokerNode", spec: `{service: {}}`},
	{name: "load balancer", kind: "BrokerNode", spec: `{webSocket: {}, service: {type: LoadBalancer, annotations: {a: b}, loadBalancerClass: example.com/x, loadBalancerSourceRanges: [192.0.2.0/24, "2001:db8::/32"], externalTrafficPolicy: Local, nodePorts: {broker: 30999, webSocket: 30997}}}`},
	{name: "service of no type", kind: "BrokerNode", spec: `{service: {type: ExternalName}}`,
		want: []string{`spec.service.type: "ExternalName": allowed: ClusterIP, NodePort, LoadBalancer`}},
	{name: "load balancer's fields without one", kind: "BrokerNode", spec: `{service: {type: NodePort, loadBalancerClass: x, loadBalancerSourceRanges: [192.0.2.0/24]}}`,
		want: []string{"spec.service.loadBalancerClass: is for type LoadBalancer only", "spec.service.loadBalancerSourceRanges: is for type LoadBalancer only"}},
	{name: "fields of a service that is seen outside", kind: "BrokerNode", spec: `{service: {externalTrafficPolicy: Local, nodePorts: {broker: 30999}}}`,
		want: []string{"spec.service.externalTrafficPolicy: is for types NodePort and LoadBalancer only", "spec.service.nodePorts: is for types NodePort and LoadBalancer only"}},
	{name: "port of no WebSocket", kind: "BrokerNode", spec: `{service: {type: NodePort, nodePorts: {webSocket: 30997}}}`,
		want: []string{"spec.service.nodePorts.webSocket: is set, but the node has no WebSocket port; allowed: with spec.webSocket only"}},
	{name: "no network", kind: "BrokerNode", spec: `{service: {type: LoadBalancer, loadBalancerSourceRanges: [everybody]}}`,
		want: []string{`spec.service.loadBalancerSourceRanges[0]: must be of type cidr: "everybody"`}},
}
