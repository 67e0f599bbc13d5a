// SPDX-License-Identifier: Apache-2.0

package bench

import "testing"

// What the source pays for an event before it is published.
func BenchmarkBuildEvent1(b *testing.B) { benchmarkBuild(b, 1) }
func BenchmarkBuildEvent2(b *testing.B) { benchmarkBuild(b, 2) }

func benchmarkBuild(b *testing.B, number int) {
	build, err := EventBuilder(number)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		build()
	}
}
