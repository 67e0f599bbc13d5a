// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

func TestEvents(t *testing.T) {
	for number, want := range map[int]string{
		1: "(1, 1, (event_1, (42, test)))",
		2: "(1, 1, (event_2, (1700000000123456789ns, CHhAvVGS1DHFjwGM9, (::, 4567/tcp, ::, 80/tcp), tcp, http, 140000000ns, 42, 1234567, SF, T, F, 0, ShADadFf, 10, 500, 8, 4000, {a, b})))",
	} {
		build, err := EventBuilder(number)
		if err != nil {
			t.Fatal(err)
		}
		v := build()
		if v.String() != want {
			t.Errorf("event %d is %s, want %s", number, v, want)
		}
		if _, err := zeek.ParseEvent(v); err != nil {
			t.Errorf("event %d: %v", number, err)
		}
	}
	if _, err := EventBuilder(3); err == nil {
		t.Error("there is an event 3")
	}
}

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
