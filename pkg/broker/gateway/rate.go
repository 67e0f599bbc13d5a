// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// meter bounds what a client sends. It belongs to the goroutine that reads.
type meter struct {
	messages, bytes *rate.Limiter // nil: no limit
	excess          Excess
}

func newMeter(l Limits) (m meter) {
	m.excess = l.Rate.Excess
	if r := l.Rate.Messages; r > 0 {
		m.messages = rate.NewLimiter(rate.Limit(r), max(1, int(r)))
	}
	if r := l.Rate.Bytes; r > 0 {
		m.bytes = rate.NewLimiter(rate.Limit(r), max(l.Message, int(r)))
	}
	return m
}

// pass waits until a message of size bytes is within the rate, or answers errExcess if there is no waiting.
func (m *meter) pass(ctx context.Context, size int) error {
	for _, x := range []struct {
		l *rate.Limiter
		n int
	}{{m.messages, 1}, {m.bytes, size}} {
		if x.l == nil {
			continue
		}
		if m.excess == ExcessDisconnect {
			if !x.l.AllowN(time.Now(), x.n) {
				return errExcess
			}
			continue
		}
		if err := x.l.WaitN(ctx, x.n); err != nil {
			return err
		}
	}
	return nil
}
