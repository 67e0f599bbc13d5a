// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import "fmt"

// hash is what a token's hash looks like.
var hash = x("0a", 32)

const (
	oneWay  = `allowed: one of them, or both`
	noHash  = `is no hash; allowed: the SHA-256 of a token as 64 digits of 0-9 and a-f, as brokerctl token prints it`
	origins = `allowed: HOST[:PORT] or SCHEME://HOST[:PORT], where * and ? stand for any characters, such as https://*.example.org`
)

// webSocket makes a case of what stands in spec.webSocket.
func webSocket(name, content string, want ...string) testCase {
	for i := range want {
		want[i] = "spec.webSocket" + want[i]
	}
	return testCase{name: "WebSocket: " + name, kind: "BrokerNode", spec: "{webSocket: " + content + "}", want: want}
}

// wsClient is a case of one entry of clients besides its name.
func wsClient(name, content string, want ...string) testCase {
	return webSocket("client "+name, "{clients: [{name: a"+content+"}]}", want...)
}

var webSocketCases = []testCase{
	webSocket("everything", fmt.Sprintf(`{port: 7, dialect: Zeek, allowedOrigins: ["*", "https://*.example.org:8443", "localhost:*", "a?.b"], clientCertificates: Optional,
		clients: [{name: a-1, tokenSHA256: %q, certificate: "brokermesh://default/client", publish: [zeek/, ""], subscribe: [a, "<$>/local/"]}, {name: b, certificate: "urn:x"}],
		others: {subscribe: [public/]}, limits: {messageSize: 1Mi, subscriptions: 1, connections: 10000, connectionsPerAddress: 10000, messagesPerSecond: 1000000, bytesPerSecond: 1Ki, queueMessages: 7, overflow: DropOldest}}`, hash)),
	webSocket("nothing for others", `{others: {}}`),
	webSocket("unknown field", `{client: []}`, `.client: unknown field`),
	webSocket("another dialect", `{dialect: zeek}`, `.dialect: "zeek": allowed: Auto, Broker, Zeek`),
	webSocket("other certificates", `{clientCertificates: "No"}`, `.clientCertificates: "No": allowed: Required, Optional, None`),

	webSocket("32 origins", `{allowedOrigins: `+list(32, "h%d")+`}`),
	webSocket("33 origins", `{allowedOrigins: `+list(33, "h%d")+`}`, `.allowedOrigins: Too many: 33: must have at most 32 items`),
	webSocket("empty origin", `{allowedOrigins: [""]}`, `.allowedOrigins[0]: "": should be at least 1 chars long`, `.allowedOrigins[0]: "": `+origins),
	webSocket("origin with a path", `{allowedOrigins: ["https://a/b"]}`, `.allowedOrigins[0]: "https://a/b": `+origins),
	webSocket("origin with a set", `{allowedOrigins: ["[ab]"]}`, `.allowedOrigins[0]: "[ab]": `+origins),
	webSocket("origin twice", `{allowedOrigins: [a, a]}`, `.allowedOrigins[1]: Duplicate value: "a"`),

	webSocket("100 clients", `{clients: `+list(100, "{name: c%[1]d, certificate: 'x:%[1]d'}")+`}`),
	webSocket("101 clients", `{clients: `+list(101, "{name: c%[1]d, certificate: 'x:%[1]d'}")+`}`, `.clients: Too many: 101: must have at most 100 items`),
	webSocket("a name twice", `{clients: [{name: a, certificate: "x:1"}, {name: a, certificate: "x:2"}]}`, `.clients[1]: Duplicate value: {"name":"a"}`),
	webSocket("a certificate twice", `{clients: [{name: a, certificate: "x:1"}, {name: b, certificate: "x:1"}]}`,
		`.clients: two have the same certificate; allowed: a URI of its own for each`),
	webSocket("a token twice", fmt.Sprintf(`{clients: [{name: a, tokenSHA256: %[1]q}, {name: b, tokenSHA256: %[1]q}]}`, hash),
		`.clients: two have the same tokenSHA256; allowed: a token of its own for each`),
	webSocket("client without a name", `{clients: [{certificate: "x:1"}]}`, `.clients[0].name: Required value`),
	wsClient("without anything", ``, `.clients[0]: client "a" has neither tokenSHA256 nor certificate; `+oneWay),
	wsClient("with a token for a hash", `, tokenSHA256: opensesame`, `.clients[0].tokenSHA256: `+noHash),
	wsClient("with capitals", `, tokenSHA256: `+x("A", 64), `.clients[0].tokenSHA256: `+noHash),
	wsClient("with a long hash", `, tokenSHA256: `+x("a", 65), `.clients[0].tokenSHA256: Too long: may not be more than 64 bytes`),
	wsClient("with a bad certificate", `, certificate: client`, `.clients[0].certificate: "client": allowed: a URI, such as brokermesh://default/client`),
	wsClient("with a long certificate", `, certificate: "x:`+x("a", 254)+`"`, `.clients[0].certificate: Too long: may not be more than 255 bytes`),
	{name: "WebSocket: client with a bad name", kind: "BrokerNode", spec: `{webSocket: {clients: [{name: A_b, certificate: "x:1"}]}}`,
		want: []string{`spec.webSocket.clients[0].name: "A_b": should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'`}},
	wsClient("with 65 prefixes", `, certificate: "x:1", publish: `+list(65, "p%d"), `.clients[0].publish: Too many: 65: must have at most 64 items`),
	wsClient("that publishes to reserved topics", `, certificate: "x:1", publish: ["<$>/local/"]`,
		`.clients[0].publish[0]: "<$>/local/": <$> is reserved for Broker's own topics`),
	webSocket("others with a control character", `{others: {subscribe: ["a\n"]}}`, `.others.subscribe[0]: "a\n": should match '^[^\x00-\x1f\x7f]*$'`),
	webSocket("others with a long prefix", `{others: {publish: [`+x("a", 256)+`]}}`, `.others.publish[0]: Too long: may not be more than 255 bytes`),

	webSocket("small messages", `{limits: {messageSize: 1023}}`, `.limits.messageSize: 1023: allowed: a quantity from 1Ki to 64Mi, such as 1Mi`),
	webSocket("large messages", `{limits: {messageSize: 65Mi}}`, `.limits.messageSize: "65Mi": allowed: a quantity from 1Ki to 64Mi, such as 1Mi`),
	webSocket("messages of no number", `{limits: {messageSize: 1e9999999999}}`, `.limits.messageSize: "1e9999999999": allowed: a quantity from 1Ki to 64Mi, such as 1Mi`),
	webSocket("many bytes", `{limits: {bytesPerSecond: 2Ti}}`, `.limits.bytesPerSecond: "2Ti": allowed: a quantity from 1Ki to 1Ti, such as 1Mi`),
	webSocket("no subscriptions", `{limits: {subscriptions: 0}}`, `.limits.subscriptions: 0: should be greater than or equal to 1`),
	webSocket("many connections", `{limits: {connections: 10001}}`, `.limits.connections: 10001: should be less than or equal to 10000`),
	webSocket("no connections of an address", `{limits: {connectionsPerAddress: 0}}`, `.limits.connectionsPerAddress: 0: should be greater than or equal to 1`),
	webSocket("no messages", `{limits: {messagesPerSecond: 0}}`, `.limits.messagesPerSecond: 0: should be greater than or equal to 1`),
	webSocket("long queue", `{limits: {queueMessages: 1000001}}`, `.limits.queueMessages: 1000001: should be less than or equal to 1000000`),
	webSocket("another overflow", `{limits: {overflow: Wait}}`, `.limits.overflow: "Wait": allowed: Disconnect, DropOldest, DropNewest`),

	webSocket("certificates that are not asked for", `{clientCertificates: None, clients: [{name: a, certificate: "x:1"}]}`,
		`.clients: one has a certificate only, which is never asked for with clientCertificates None; allowed: tokenSHA256 for each, or clientCertificates Optional`),
	{name: "WebSocket: certificates without TLS", kind: "BrokerNode", spec: `{tls: {mode: Disabled}, webSocket: {clientCertificates: Required, clients: [{name: a, certificate: "x:1"}]}}`,
		want: []string{`spec.webSocket.clientCertificates: "Required" with tls.mode Disabled, where clients can't show any; allowed: None`,
			`spec.webSocket.clients: one has a certificate only, which it can't show with tls.mode Disabled; allowed: tokenSHA256 for each`}},
	{name: "WebSocket: tokens without TLS", kind: "BrokerNode",
		spec: fmt.Sprintf(`{tls: {mode: Disabled}, webSocket: {clientCertificates: None, clients: [{name: a, tokenSHA256: %q}]}}`, hash)},
	{name: "WebSocket: certificates beside anonymous TLS", kind: "BrokerNode", spec: `{tls: {mode: Anonymous}, webSocket: {clientCertificates: Required, clients: [{name: a, certificate: "x:1"}]}}`},
}
