// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

const pattern = `'^[A-Za-z0-9.]+ *=[^\x00-\x1f\x7f]*$'`

var externalCases = []testCase{
	{name: "external", kind: "BrokerNode", spec: `{external: {}}`},
	{name: "external with everything", kind: "BrokerNode", spec: `{external: {address: "zeek.example.org:9999", certificateSubject: "CN=zeek, O=Example"}}`},
	{name: "external and defaults", kind: "BrokerNode", spec: `{external: {address: "[::1]:9"}, replicas: 1, listen: {port: 9999}, forward: Mesh, tls: {mode: Mesh}, logLevel: Info}`},
	{name: "external with an image", kind: "BrokerNode", spec: `{external: {}, image: a}`,
		want: []string{`spec.external: set together with image; allowed: external alone, since there are no pods`}},
	{name: "external with pods", kind: "BrokerNode", spec: `{external: {}, replicas: 0, imagePullSecrets: [{name: a}], resources: {}, webSocket: {}, subscriptions: [a],
		storage: {size: 1Gi}, queues: {}, podTemplate: {}, service: {}, networkPolicy: None, paused: true, listen: {port: 1}, forward: None, tls: {mode: Anonymous}, logLevel: Debug}`,
		want: []string{`spec.external: set together with replicas imagePullSecrets resources webSocket subscriptions storage queues podTemplate service networkPolicy paused listen forward tls logLevel; ` +
			`allowed: external alone, since there are no pods`}},
	{name: "external without a port", kind: "BrokerNode", spec: `{external: {address: zeek}}`, want: []string{`spec.external.address: "zeek": ` + badAddress}},
	{name: "external address in capitals", kind: "BrokerNode", spec: `{external: {address: "Zeek:65535"}}`},
	{name: "external with port 0", kind: "BrokerNode", spec: `{external: {address: "zeek:0"}}`, want: []string{`spec.external.address: "zeek:0": ` + badAddress}},
	{name: "external with no subject", kind: "BrokerNode", spec: `{external: {certificateSubject: zeek}}`,
		want: []string{`spec.external.certificateSubject: "zeek": should match ` + pattern}},
	{name: "external with an empty subject", kind: "BrokerNode", spec: `{external: {certificateSubject: ""}}`,
		want: []string{`spec.external.certificateSubject: "": should be at least 1 chars long`}},
	{name: "external with another field", kind: "BrokerNode", spec: `{external: {port: 1}}`, want: []string{`spec.external.port: unknown field`}},

	{name: "queues of a peering", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, queues: {peerMessages: 1, peerSize: 64Ki, peerOverflow: DropOldest}}`},
	{name: "no queues of a peering", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, queues: {}}`},
	{name: "queues that are too small", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, queues: {peerMessages: 0, peerSize: 1Ki}}`,
		want: []string{`spec.queues.peerMessages: 0: should be greater than or equal to 1`, `spec.queues.peerSize: "1Ki": allowed: a quantity from 64Ki to 1Ti, such as 32Mi`}},
	{name: "a peer that would wait", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, queues: {peerOverflow: Wait}}`,
		want: []string{`spec.queues.peerOverflow: "Wait": allowed: Disconnect, DropOldest, DropNewest`}},
	{name: "subscribers of a peering", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, queues: {subscriberMessages: 1}}`,
		want: []string{`spec.queues.subscriberMessages: unknown field`}},
}
