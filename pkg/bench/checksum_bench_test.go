// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// BenchmarkRead is what a sink does with each event: validate its bytes and read all leaves.
func BenchmarkRead(b *testing.B) {
	for number, name := range []string{1: "event1", 2: "event2"} {
		if name == "" {
			continue
		}
		build, err := EventBuilder(number)
		if err != nil {
			b.Fatal(err)
		}
		raw := build().AppendBinary(nil)
		b.Run(name+"/view", func(b *testing.B) {
			for b.Loop() {
				if _, err := data.View(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/leaves", func(b *testing.B) {
			v, _ := data.View(raw)
			for b.Loop() {
				Checksum(v)
			}
		})
	}
}
