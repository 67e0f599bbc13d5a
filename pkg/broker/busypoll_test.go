// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// TestBusyPoll: a reader that looks for more before it sleeps reads the same, over TLS too, and ends with its endpoint.
func TestBusyPoll(t *testing.T) {
	for name, security := range map[string]*peering.TLS{"plain": nil, "TLS": {Anonymous: true}} {
		t.Run(name, func(t *testing.T) {
			a, b := endpoint(t, Options{TLS: security, BusyPoll: MaxBusyPoll}), endpoint(t, Options{TLS: security})
			connect(t, a, b)
			questions, answers := subscribe(t, b, "/q"), subscribe(t, a, "/a")
			for i := range 100 {
				publish(t, a, "/q", data.Count(uint64(i)))
				publish(t, b, "/a", get(t, questions).Value)
				if v := get(t, answers).Value; !data.Equal(v, data.Count(uint64(i))) {
					t.Fatalf("answer %d is %v", i, v)
				}
			}
		})
	}
	if _, err := New(Options{BusyPoll: MaxBusyPoll + 1}); err == nil || !strings.Contains(err.Error(), "0 to 10ms") {
		t.Errorf("%v, want what is allowed", err)
	}
}
