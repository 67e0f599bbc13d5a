// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

// queues makes a case of what stands in spec.queues.
func queues(name, content string, want ...string) testCase {
	for i := range want {
		want[i] = "spec.queues" + want[i]
	}
	return testCase{name: "queues: " + name, kind: "BrokerNode", spec: "{queues: " + content + "}", want: want}
}

const queueSizes = `: allowed: a quantity from 64Ki to 1Ti, such as 32Mi`

var queueCases = []testCase{
	queues("everything", `{peerMessages: 100000000, peerSize: 64Ki, peerOverflow: DropOldest, subscriberMessages: 1, subscriberSize: 1Ti, memoryLimit: 65536, flowControl: Ignore}`),
	queues("nothing", `{}`),
	queues("unknown field", `{messages: 1}`, `.messages: unknown field`),
	queues("no messages", `{peerMessages: 0}`, `.peerMessages: 0: should be greater than or equal to 1`),
	queues("many messages", `{subscriberMessages: 100000001}`, `.subscriberMessages: 100000001: should be less than or equal to 100000000`),
	queues("small", `{peerSize: 65535}`, `.peerSize: 65535`+queueSizes),
	queues("large", `{subscriberSize: 2Ti}`, `.subscriberSize: "2Ti"`+queueSizes),
	queues("no number", `{memoryLimit: 1e9999999999}`, `.memoryLimit: "1e9999999999": allowed: a quantity from 64Ki to 1Ti, such as 256Mi`),
	queues("waiting for peers", `{peerOverflow: Wait}`, `.peerOverflow: "Wait": allowed: Disconnect, DropOldest, DropNewest`),
	queues("flow control", `{flowControl: "No"}`, `.flowControl: "No": allowed: Honor, Ignore`),
	{name: "queues: within the container's memory", kind: "BrokerNode", spec: `{queues: {memoryLimit: 64Mi}, resources: {limits: {memory: 128Mi}}}`},
	{name: "queues: beyond the container's memory", kind: "BrokerNode", spec: `{queues: {memoryLimit: 128Mi}, resources: {limits: {memory: 128Mi}}}`,
		want: []string{`spec.queues.memoryLimit: 128Mi does not fit into resources.limits.memory, 128Mi; allowed: less, at best half of it`}},
}
