// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Fault is what happens to the packets from one host to another one. The zero Fault is a good line.
type Fault struct {
	// Cut drops every packet, without a reset or any other sign.
	Cut bool
	// Mute drops the packets that end or reset connections: nobody hears of the end of a process.
	Mute bool
	// Loss is how many of a hundred packets are dropped: one of Losses, or 0.
	Loss int
	// Detour, if not zero, sends packets through the router in user space.
	Detour Detour
}

// Detour is what the router in user space does to packets.
type Detour struct {
	// Delay is how long each packet takes; Jitter is up to how much longer, by dice, in the order in which they came.
	Delay, Jitter time.Duration
	// Reorder is how many of a hundred packets overtake those that wait, Duplicate how many come twice.
	Reorder, Duplicate int
}

// Losses are the rates of loss that there are rules for.
var Losses = []int{1, 5, 20}

// way is a direction between two hosts.
type way struct{ from, to netip.Addr }

// mark is on packets that take the detour.
const mark = 1

// ruleset are the rules of the router. Which hosts they concern is in sets of pairs. What comes back from the detour has been through
// the rules, and only Cut and Mute still count for it.
const ruleset = `table ip faults {
	set cuts { type ipv4_addr . ipv4_addr; }
	set mutes { type ipv4_addr . ipv4_addr; }
	set loss1 { type ipv4_addr . ipv4_addr; }
	set loss5 { type ipv4_addr . ipv4_addr; }
	set loss20 { type ipv4_addr . ipv4_addr; }
	set detours { type ipv4_addr . ipv4_addr; }
	chain choose {
		type filter hook prerouting priority mangle
		iifname != "` + tunBack + `" ip saddr . ip daddr @detours meta mark set 1
	}
	chain pass {
		type filter hook forward priority filter
		ip saddr . ip daddr @cuts drop
		ip saddr . ip daddr @mutes tcp flags & (fin | rst) != 0 drop
		iifname "` + tunBack + `" accept
		ip saddr . ip daddr @loss1 numgen random mod 100 < 1 drop
		ip saddr . ip daddr @loss5 numgen random mod 100 < 5 drop
		ip saddr . ip daddr @loss20 numgen random mod 100 < 20 drop
	}
}
`

// Break sets what happens to packets from one host to another, the other direction untouched. The first address of each
// host is concerned; the others always have good lines.
func (l *Lab) Break(from, to *Host, f Fault) error {
	return l.Change(map[[2]*Host]Fault{{from, to}: f})
}

// Change is Break for several directions at once.
func (l *Lab) Change(faults map[[2]*Host]Fault) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for pair, f := range faults {
		if f.Loss != 0 && !slices.Contains(Losses, f.Loss) {
			return fmt.Errorf("loss of %d of 100 packets: there are rules for %v", f.Loss, Losses)
		}
		w := way{pair[0].Addr, pair[1].Addr}
		if f == (Fault{}) {
			delete(l.mu.ways, w)
		} else {
			l.mu.ways[w] = f
		}
	}
	return l.applyLocked()
}

// Heal makes all lines good.
func (l *Lab) Heal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.mu.ways)
	return l.applyLocked()
}

// applyLocked writes all sets anew, in one transaction.
func (l *Lab) applyLocked() error {
	members := map[string][]string{"cuts": nil, "mutes": nil, "detours": nil}
	for _, n := range Losses {
		members[lossSet(n)] = nil
	}
	detours := make(map[way]Detour)
	for w, f := range l.mu.ways {
		pair := w.from.String() + " . " + w.to.String()
		if f.Cut {
			members["cuts"] = append(members["cuts"], pair)
		}
		if f.Mute {
			members["mutes"] = append(members["mutes"], pair)
		}
		if f.Loss > 0 {
			members[lossSet(f.Loss)] = append(members[lossSet(f.Loss)], pair)
		}
		if f.Detour != (Detour{}) {
			members["detours"] = append(members["detours"], pair)
			detours[w] = f.Detour
		}
	}
	l.detour.set(detours)
	var b strings.Builder
	for _, set := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(&b, "flush set ip faults %s\n", set)
		if pairs := members[set]; len(pairs) > 0 {
			slices.Sort(pairs)
			fmt.Fprintf(&b, "add element ip faults %s { %s }\n", set, strings.Join(pairs, ", "))
		}
	}
	return l.hub.run(b.String(), "nft", "-f", "-")
}

func lossSet(percent int) string { return fmt.Sprintf("loss%d", percent) }
