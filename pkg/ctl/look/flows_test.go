// SPDX-License-Identifier: Apache-2.0

package look

import (
	"bytes"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

func TestFlows(t *testing.T) {
	f := newFakeMesh()
	var out bytes.Buffer
	if err := f.picture(t).writeFlows(&out); err != nil || out.Len() > 0 {
		t.Errorf("without flows: %q, %v", out.String(), err)
	}
	ago := func(d time.Duration) *time.Time { return new(started.Add(-d)) }
	r := f.reports[north]
	r.Flows = []inspect.Flow{
		{Subscriber: zeek, Prefixes: []string{"/s"}, Sent: 5, Credit: 7},
		{Subscriber: east, Prefixes: []string{"/a", "/b\n", "/c", "/d", "/e"}, Sent: 1000, StalledSince: ago(3 * time.Second)},
		{Subscriber: north, Prefixes: []string{"/unused"}, Credit: 7},
		{Subscriber: data.EndpointID{9}, Prefixes: []string{""}, StalledSince: ago(time.Minute), DroppedSince: ago(12 * time.Second)},
	}
	f.reports[north] = r
	f.asked = make(map[data.EndpointID]int)
	out.Reset()
	if err := f.picture(t).writeFlows(&out); err != nil {
		t.Fatal(err)
	}
	same(t, out.String(), `

 NODE   FLOW TO              PREFIXES                        SENT  CREDIT  STATE
 north  2e000000 at south\n  "/s"                            5     7       open
        east                 "/a", "/b\n", "/c", and 2 more  1000  0       stalled 3s
        09000000             ""                              0     0       given up 12s
 1 flow holds publishers up: its queue is full.
 1 flow is not waited for: the subscriber granted nothing for five seconds, and may lose messages.
`)
}
