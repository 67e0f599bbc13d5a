// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"testing"
)

// BenchmarkLocal compares endpoints that are peered within the process with those peered over loopback TCP.
func BenchmarkLocal(b *testing.B) {
	for name, link := range map[string]func(a, z *Endpoint){
		"local": func(a, z *Endpoint) { connectLocal(b, a, z) },
		"TCP":   func(a, z *Endpoint) { connect(b, a, z) },
	} {
		b.Run(name, func(b *testing.B) {
			a, z := endpoint(b, Options{}), endpoint(b, Options{})
			sub, err := z.Subscribe([]string{"/bench"}, wait)
			if err != nil {
				b.Fatal(err)
			}
			link(a, z)
			through(b, a, sub)
		})
	}
}
