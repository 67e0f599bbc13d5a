// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

var meshCases = []testCase{
	{name: "nothing said", kind: "BrokerMesh"},
	{name: "all roles", kind: "BrokerMesh", spec: `{defaults: {logLevel: Warn}, manager: {storage: {size: 1Gi}, webSocket: {}}, loggers: {}, proxies: {replicas: 2}, workers: {replicas: 0, tls: {mode: Disabled}, queues: {peerMessages: 20000}}}`},
	{name: "longest name", kind: "BrokerMesh", object: x("m", 63)},
	{name: "name of 64", kind: "BrokerMesh", object: x("m", 64), want: []string{`metadata: name "` + x("m", 64) + `": allowed: at most 63 characters`}},
	{name: "too many workers", kind: "BrokerMesh", spec: `{workers: {replicas: 101}}`, want: []string{`spec.workers.replicas: 101: should be less than or equal to 100`}},
	{name: "fewer than none", kind: "BrokerMesh", spec: `{loggers: {replicas: -1}}`, want: []string{`spec.loggers.replicas: -1: should be greater than or equal to 0`}},
	{name: "several managers", kind: "BrokerMesh", spec: `{manager: {replicas: 2}}`, want: []string{`spec.manager.replicas: unknown field`}},
	{name: "misspelt role", kind: "BrokerMesh", spec: `{worker: {}}`, want: []string{`spec.worker: unknown field`}},
	{name: "another level", kind: "BrokerMesh", spec: `{defaults: {logLevel: Loud}}`, want: []string{`spec.defaults.logLevel: "Loud": allowed: Debug, Info, Warn, Error`}},
	{name: "storage without a size", kind: "BrokerMesh", spec: `{proxies: {storage: {}}}`, want: []string{`spec.proxies.storage.size: Required value`}},
	{name: "issuer", kind: "BrokerMesh", spec: `{issuerRef: {name: site, kind: ClusterIssuer}}`},
	{name: "issuer without a name", kind: "BrokerMesh", spec: `{issuerRef: {}}`, want: []string{`spec.issuerRef.name: Required value`}},
	{name: "image with a space", kind: "BrokerMesh", spec: `{defaults: {image: "a b"}}`, want: []string{`spec.defaults.image: "a b": should match '^[^\s]+$'`}},
}
