// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"slices"
	"strings"
	"testing"
)

func TestQueues(t *testing.T) {
	head := `{"version":1,"namespace":"a","node":"b","pod":"b-0"`
	for _, c := range []struct{ queues, canonical, problem string }{
		{`{}`, ``, ``},
		{`{"peerMessages":8192,"peerBytes":33554432,"peerOverflow":"Disconnect","subscriberMessages":65536,"memoryLimitBytes":268435456,"flowControl":"Honor"}`, ``, ``},
		{`{"flowControl":"Ignore"}`, `,"queues":{"flowControl":"Ignore"}`, ``},
		{`{"flowControl":"No"}`, ``, `queues.flowControl: "No": allowed: Honor, Ignore`},
		{`{"memoryLimitBytes":1048576,"peerMessages":7,"peerOverflow":"DropOldest"}`, `,"queues":{"peerMessages":7,"peerOverflow":"DropOldest","memoryLimitBytes":1048576}`, ``},
		{`{"peerMessages":-1}`, ``, `queues.peerMessages: -1: allowed: 0, or 1 to 100000000`},
		{`{"peerBytes":1}`, ``, `queues.peerBytes: 1: allowed: 0, or 65536 to 1099511627776`},
		{`{"subscriberBytes":1,"memoryLimitBytes":1}`, ``, `queues.subscriberBytes: 1: allowed: 0, or 65536 to 1099511627776; queues.memoryLimitBytes: 1: allowed: 0, or 65536 to 1099511627776`},
		{`{"peerOverflow":"Wait"}`, ``, `queues.peerOverflow: "Wait": allowed: Disconnect, DropOldest, DropNewest`},
		{`{"policy":"Wait"}`, ``, `queues.policy: unknown field`},
	} {
		got, err := Parse([]byte(head + `,"queues":` + c.queues + `}`))
		switch {
		case c.problem != "":
			if err == nil || !strings.HasPrefix(err.Error(), c.problem) {
				t.Errorf("%s: %v", c.queues, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", c.queues, err)
			continue
		}
		if text := string(got.Canonical()); text != head+c.canonical+`}` {
			t.Errorf("%s: %s", c.queues, text)
		}
		if needs := slices.Contains(got.Features(), FeatureQueues); needs != (c.canonical != "") {
			t.Errorf("%s: needs the feature: %v", c.queues, needs)
		}
		if d := got.WithDefaults().Queues; d == nil || *d != got.Queues.WithDefaults() || d.SubscriberBytes != DefaultQueueBytes {
			t.Errorf("%s: with defaults %+v", c.queues, d)
		}
	}
}
