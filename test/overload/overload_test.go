// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"
	"time"
)

// TestOverload overloads everybody for a moment. How long messages take is not looked at.
func TestOverload(t *testing.T) {
	o := defaults()
	o.duration, o.memory, o.strict = 2*time.Second, 4<<20, false
	for _, party := range parties() {
		t.Run(party, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			r, err := o.phase(ctx, party, false)
			if err != nil {
				t.Fatal(err)
			}
			if r.published != r.delivered+r.dropped || r.published == 0 || r.dropped == 0 || r.delivered == 0 {
				t.Errorf("%d published, %d delivered, %d dropped", r.published, r.delivered, r.dropped)
			}
			if r.memory > int64(o.memory)+slack {
				t.Errorf("%d bytes were held", r.memory)
			}
			t.Logf("%d published, %d delivered, %d dropped, %d bytes held at most, others %v and %v", r.published, r.delivered, r.dropped, r.memory,
				r.here.quantile(0.5), r.here.quantile(0.99))
		})
	}
}
