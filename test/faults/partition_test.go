// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"testing"

	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// pair is a world of two nodes that want everything.
func pair() *world {
	return &world{kinds: []kind{kindNode, kindNode}, links: map[link]bool{{0, 1}: true}, wants: [][]string{{"/"}, {"/"}}}
}

// cut drops all packets between two members, in the directions named.
func (f *fleet) cut(a, b int, there, back bool) {
	f.t.Helper()
	ha, hb := f.lab.Hosts()[a], f.lab.Hosts()[b]
	if err := f.lab.Change(map[[2]*lab.Host]lab.Fault{{ha, hb}: {Cut: there}, {hb, ha}: {Cut: back}}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) heal() {
	f.t.Helper()
	if err := f.lab.Heal(); err != nil {
		f.t.Fatal(err)
	}
}

// lost waits until a member has no peers any more.
func (f *fleet) lost(m int) {
	f.t.Helper()
	poll(f.t, fmt.Sprintf("m%d", m), func() string {
		for _, p := range f.members[m].order(order{Do: doState}).Peers {
			if p.State == "Peered" {
				return fmt.Sprintf("peered: %+v", p)
			}
		}
		return ""
	})
}

// TestPartition cuts the line between two nodes, in both directions or in one: both ends notice, and come together again.
func TestPartition(t *testing.T) {
	for _, tt := range []struct {
		name        string
		there, back bool
	}{{"both", true, true}, {"towards the listener", true, false}, {"towards the dialer", false, true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, pair(), 1, never)
			f.quiet("at first", 1)
			f.cut(0, 1, tt.there, tt.back)
			f.lost(0)
			f.lost(1)
			f.heal()
			f.quiet("after the partition", 2)
			f.finish()
		})
	}
}
