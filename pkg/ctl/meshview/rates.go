// SPDX-License-Identifier: Apache-2.0

package meshview

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// Rates turns counters into messages a second.
type Rates struct {
	at     time.Time
	totals map[string]uint64 // by pod
	last   map[string]float64
}

// shortest is the least time between two looks that gives a sensible rate.
const shortest = 500 * time.Millisecond

// Next is the rate of each pod since the last look, sent and received
// together; nil until there was any traffic.
func (r *Rates) Next(s State, now time.Time) map[string]float64 {
	if since := now.Sub(r.at); since < shortest {
		return r.last
	}
	totals := make(map[string]uint64, len(s.Statuses))
	rates := make(map[string]float64, len(s.Statuses))
	any := r.last != nil
	for pod, st := range s.Statuses {
		totals[pod] = traffic(st)
		before, known := r.totals[pod]
		if !known || totals[pod] < before {
			continue
		}
		rates[pod] = float64(totals[pod]-before) / now.Sub(r.at).Seconds()
		any = any || rates[pod] >= busy
	}
	r.at, r.totals = now, totals
	if any {
		r.last = rates
	}
	return r.last
}

// busy is the rate above which a node does more than keep its stores in touch.
const busy = 100

func traffic(s statusapi.Status) uint64 {
	var n uint64
	for _, p := range s.Peers {
		n += p.Sent + p.Received
	}
	return n
}
