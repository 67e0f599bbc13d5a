// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// Families of flow control: who takes what this node and its clients publish. The subscriber is an endpoint's ID.
var (
	flows        = family("flows", "Subscriptions of other endpoints that grant credit to this node.")
	flowsDropped = family("flows_dropped_total", "How often a subscriber granted nothing for so long that publishers ceased to wait for it.")
	flowCredit   = family("flow_credit_messages", "Messages that may go to the subscriber now.", "subscriber")
	flowSent     = family("flow_sent_messages", "Messages that went to the subscriber since its flow began.", "subscriber")
	flowStalled  = family("flow_stalled_seconds", "For how long publishers have found no room at the subscriber; 0 if they find some.", "subscriber")
	flowCounted  = family("flow_counted", "1 while publishers wait for the subscriber, 0 after it has granted nothing for too long.", "subscriber")
)

// urgency orders flows: those that hold publishers up first, the longest before the others, then those that are not waited for.
func urgency(a, b broker.Flow) int {
	rank := func(f broker.Flow) int {
		switch {
		case !f.StalledSince.IsZero() && f.Counted:
			return 0
		case !f.Counted:
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.StalledSince.Compare(b.StalledSince), a.DroppedSince.Compare(b.DroppedSince))
}

// urgent are the flows that there is room for, the most urgent first, in the order of the endpoint otherwise.
func urgent(all []broker.Flow) []broker.Flow {
	slices.SortStableFunc(all, urgency)
	return all[:min(len(all), statusapi.MaxFlows)]
}

func flowsStatus(all []broker.Flow) []statusapi.Flow {
	var out []statusapi.Flow
	for _, f := range urgent(all) {
		out = append(out, statusapi.Flow{
			Subscriber: f.Subscriber.String(), Prefixes: f.Prefixes, Sent: f.Sent, Credit: f.Credit, CreditBytes: f.CreditBytes,
			StalledSince: since(f.StalledSince), DroppedSince: since(f.DroppedSince),
		})
	}
	return out
}

// since is a time, or nil for the zero one.
func since(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// collectFlows sums up the flows of each subscriber: the least credit, the longest stall.
func collectFlows(out chan<- prometheus.Metric, all []broker.Flow, now time.Time) {
	send(out, flows, prometheus.GaugeValue, float64(len(all)))
	type sum struct {
		credit, sent uint64
		stalled      time.Duration
		counted      bool
	}
	sums := make(map[data.EndpointID]*sum)
	for _, f := range urgent(all) {
		s := sums[f.Subscriber]
		if s == nil {
			s = &sum{credit: f.Credit, counted: true}
			sums[f.Subscriber] = s
		}
		s.credit, s.sent, s.counted = min(s.credit, f.Credit), s.sent+f.Sent, s.counted && f.Counted
		if !f.StalledSince.IsZero() {
			s.stalled = max(s.stalled, now.Sub(f.StalledSince))
		}
	}
	for id, s := range sums {
		send(out, flowCredit, prometheus.GaugeValue, float64(s.credit), id.String())
		send(out, flowSent, prometheus.GaugeValue, float64(s.sent), id.String())
		send(out, flowStalled, prometheus.GaugeValue, s.stalled.Seconds(), id.String())
		send(out, flowCounted, prometheus.GaugeValue, truth(s.counted), id.String())
	}
}
