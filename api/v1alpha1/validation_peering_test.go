// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import "slices"

var peeringCases = slices.Concat(addressCases(), retryCases(), []testCase{
	{name: "node to node", kind: "Peering", spec: `{from: {node: a}, to: {node: b}}`},
	{name: "longest names", kind: "Peering", object: x("p", 63), spec: `{from: {node: ` + x("a", 40) + `}, to: {node: ` + x("b", 40) + `}}`},
	{name: "no spec", kind: "Peering", want: []string{`spec: Required value`}},
	{name: "empty spec", kind: "Peering", spec: `{}`, want: []string{`spec.from: Required value`, `spec.to: Required value`}},
	{name: "name of 64", kind: "Peering", object: x("p", 64), spec: `{from: {node: a}, to: {node: b}}`,
		want: []string{`metadata: name "` + x("p", 64) + `": allowed: at most 63 characters`}},
	{name: "itself", kind: "Peering", spec: `{from: {node: a}, to: {node: a}}`},
	{name: "node and address", kind: "Peering", spec: `{from: {node: a}, to: {node: b, address: "h:1"}}`,
		want: []string{`spec.to: both node and address are set; allowed: exactly one of them`}},
	{name: "neither node nor address", kind: "Peering", spec: `{from: {node: a}, to: {}}`, want: []string{`spec.to: neither node, address nor selector is set; allowed: exactly one of them`}},
	{name: "from without a node", kind: "Peering", spec: `{from: {}, to: {node: b}}`, want: []string{`spec.from: neither node nor selector is set; allowed: exactly one of them`}},
	{name: "from an address", kind: "Peering", spec: `{from: {node: a, address: "h:1"}, to: {node: b}}`, want: []string{`spec.from.address: unknown field`}},
	{name: "empty from", kind: "Peering", spec: `{from: {node: ""}, to: {node: b}}`, want: []string{`spec.from.node: "": should be at least 1 chars long`}},
	{name: "empty to", kind: "Peering", spec: `{from: {node: a}, to: {node: ""}}`, want: []string{`spec.to.node: "": should be at least 1 chars long`}},
	{name: "from is no name", kind: "Peering", spec: `{from: {node: A}, to: {node: b}}`, want: []string{`spec.from.node: "A": should match '^[a-z]([-a-z0-9]*[a-z0-9])?$'`}},
	{name: "to is no name", kind: "Peering", spec: `{from: {node: a}, to: {node: b.c}}`, want: []string{`spec.to.node: "b.c": should match '^[a-z]([-a-z0-9]*[a-z0-9])?$'`}},
	{name: "from too long", kind: "Peering", spec: `{from: {node: ` + x("a", 41) + `}, to: {node: b}}`, want: []string{`spec.from.node: Too long: may not be more than 40 bytes`}},
	{name: "to too long", kind: "Peering", spec: `{from: {node: a}, to: {node: ` + x("b", 41) + `}}`, want: []string{`spec.to.node: Too long: may not be more than 40 bytes`}},
	{name: "TLS of its own", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, tls: {mode: Anonymous}}`},
	{name: "TLS of the node", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, tls: {}}`},
	{name: "another TLS mode", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, tls: {mode: mesh}}`,
		want: []string{`spec.tls.mode: "mesh": allowed: Mesh, Disabled, Anonymous`}},
	{name: "node of another type", kind: "Peering", spec: `{from: {node: 7}, to: {node: b}}`, want: []string{`spec.from.node: must be of type string: "integer"`}},
})

const badAddress = "allowed: HOST:PORT with a name, an IPv4 address or a bracketed IPv6 address, and a port from 1 to 65535"

func addressCases() []testCase {
	var cases []testCase
	for _, a := range []string{"zeek.example.org:9999", "localhost:1", "a:65535", "10.0.0.1:9999", "[::1]:9999", "[2001:db8::1]:80", "_x.y-z.svc.:80",
		x("a", 254) + ":65535"} {
		cases = append(cases, testCase{name: "address " + a, kind: "Peering", spec: `{from: {node: a}, to: {address: "` + a + `"}}`})
	}
	for _, a := range []string{"zeek.example.org", "zeek:0", "zeek:65536", "zeek:99999", "zeek:100000", "zeek:+1", "zeek:01", ":9999", "zeek:", "2001:db8::1:80",
		"[::1]", "[zeek]:80", "[]:80", "[10.0.0.1:80", "[::1::]:80", "256.0.0.1:80", "10.0.0:80", "-a:80", "a-:80", "a..b:80", "http://a:80", "a b:80", "ä:80"} {
		cases = append(cases, testCase{name: "address " + a, kind: "Peering", spec: `{from: {node: a}, to: {address: "` + a + `"}}`,
			want: []string{`spec.to.address: "` + a + `": ` + badAddress}})
	}
	return append(cases,
		testCase{name: "address too long", kind: "Peering", spec: `{from: {node: a}, to: {address: "` + x("a", 255) + `:65535"}}`,
			want: []string{`spec.to.address: Too long: may not be more than 260 bytes`}},
		testCase{name: "address too short", kind: "Peering", spec: `{from: {node: a}, to: {address: "a:"}}`,
			want: []string{`spec.to.address: "a:": allowed: HOST:PORT with a name, an IPv4 address or a bracketed IPv6 address, and a port from 1 to 65535`, `spec.to.address: "a:": should be at least 3 chars long`}})
}

func retryCases() []testCase {
	var cases []testCase
	for _, d := range []string{"100ms", "1h", "60m", "1m30s", "1.5s", "0h10s"} {
		cases = append(cases, testCase{name: "retry " + d, kind: "Peering", spec: `{from: {node: a}, to: {node: b}, retryInterval: ` + d + `}`})
	}
	for _, d := range []string{"0s", "99ms", "61m", "-1s", "10", "ten", "", "1d", "1 s", "999999h999999h", "1us"} {
		cases = append(cases, testCase{name: "retry " + d, kind: "Peering", spec: `{from: {node: a}, to: {node: b}, retryInterval: "` + d + `"}`,
			want: []string{`spec.retryInterval: "` + d + `": allowed: a duration from 100ms to 1h, such as 500ms, 10s or 1m30s`}})
	}
	return append(cases,
		testCase{name: "retry as a number", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, retryInterval: 10}`,
			want: []string{`spec.retryInterval: must be of type string: "integer"`}},
		testCase{name: "retry too long", kind: "Peering", spec: `{from: {node: a}, to: {node: b}, retryInterval: 0000000000000010s}`,
			want: []string{`spec.retryInterval: Too long: may not be more than 16 bytes`}})
}
