// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// TestClose closes a member that has just published a lot, over lines that are slow and lose packets: everything arrives, also at those
// who are not its peers, unless Close says that time ran out.
func TestClose(t *testing.T) {
	for _, k := range []kind{kindNode, kindClient, kindForeign} {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			w := &world{kinds: []kind{kindNode, kindNode, k}, links: map[link]bool{{0, 1}: true, {1, 2}: true}, wants: [][]string{{"/"}, {"/"}, nil}}
			f := newFleet(t, w, 1, never)
			f.quiet("at first", 1)
			bad := lab.Fault{Loss: 1, Detour: lab.Detour{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Reorder: 5, Duplicate: 5}}
			f.change(map[[2]int]lab.Fault{{0, 1}: bad, {1, 0}: bad, {1, 2}: bad, {2, 1}: bad})
			m := f.members[2]
			before := f.sent[2]
			sent := m.order(order{Do: doBurst, Count: 1000, AtOnce: 100, Every: 1, Size: 100}).Published
			m.send(order{Do: doClose})
			if a := m.reply(doClose); a.Error != "" {
				t.Logf("not everything could be delivered in time: %s", a.Error)
				return
			}
			for _, at := range []*member{f.members[1], f.members[0]} {
				poll(t, at.name, func() string { return lacks(at.order(order{Do: doArrivals}), m, before, sent) })
			}
		})
	}
}
