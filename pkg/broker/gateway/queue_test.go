// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func text(i int) broker.Message { return broker.Message{Topic: fmt.Sprint(i)} }

func limited(messages int, o broker.Overflow) broker.QueueLimit {
	return broker.QueueLimit{Messages: messages, Bytes: broker.DefaultQueueBytes, Overflow: o}
}

// Whatever the pattern of coming and going, messages keep their order and the
// queue its bookkeeping.
func TestQueueOrder(t *testing.T) {
	q := newQueue(limited(DefaultQueue, broker.OverflowDisconnect))
	in, out := 0, 0
	for round := range 2000 {
		for range round * 7 % 13 {
			if !q.push(text(in)) {
				t.Fatalf("message %d was refused", in)
			}
			in++
		}
		for range round * 5 % 12 {
			i, ok := q.pop()
			if ok != (out < in) {
				t.Fatalf("round %d: %v with %d messages", round, ok, in-out)
			}
			if ok {
				if i.Topic != fmt.Sprint(out) {
					t.Fatalf("message %d is %s", out, i.Topic)
				}
				out++
			}
		}
		if waiting := len(q.mu.items) - q.mu.head; waiting != in-out || (waiting == 0) != (q.mu.bytes == 0) {
			t.Fatalf("round %d: %d messages and %d bytes, want %d messages", round, waiting, q.mu.bytes, in-out)
		}
		if c := cap(q.mu.items); c > 4*(in-out)+4096 {
			t.Fatalf("room for %d messages", c)
		}
	}
}

func TestQueueLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(limited(10, broker.OverflowDisconnect))
		for i := range 10 {
			q.push(text(i))
		}
		time.Sleep(time.Hour) // as many as may wait for long
		for i := range 100 {
			if !q.push(text(i)) {
				t.Fatal("no room for a burst")
			}
		}
		time.Sleep(maxLag + 1)
		if q.push(text(0)) {
			t.Error("room when too much has been waiting for too long")
		}
		for range 101 {
			q.pop()
		}
		if !q.push(text(0)) {
			t.Error("no room after it was read")
		}
	})
}

func TestQueueBytes(t *testing.T) {
	q := newQueue(limited(10, broker.OverflowDisconnect))
	big := broker.Message{Topic: "/t", Value: data.String(string(make([]byte, broker.DefaultQueueBytes)))}
	if !q.push(big) {
		t.Error("no room for a single large message")
	}
	if q.push(text(1)) {
		t.Error("room beside it")
	}
	if _, ok := q.pop(); !ok || q.mu.bytes != 0 {
		t.Errorf("%d bytes are left", q.mu.bytes)
	}
	if !q.push(text(1)) {
		t.Error("no room after it")
	}
}

func TestQueueDrops(t *testing.T) {
	for policy, want := range map[broker.Overflow]string{
		broker.OverflowDropNewest: "0 1 2",
		broker.OverflowDropOldest: "7 8 9",
	} {
		q := newQueue(limited(3, policy))
		for i := range 10 {
			if !q.push(text(i)) {
				t.Fatal("a queue that drops gives up its client")
			}
		}
		if !q.lost(5) {
			t.Error("and does so for what was lost before it")
		}
		if waiting, dropped := q.state(); waiting != 3 || dropped != 7 {
			t.Errorf("%d wait and %d are dropped", waiting, dropped)
		}
		var got []string
		for m, ok := q.pop(); ok; m, ok = q.pop() {
			got = append(got, m.Topic)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("policy %v: %v are left, want %s", policy, got, want)
		}
	}
	if newQueue(limited(3, broker.OverflowDisconnect)).lost(1) {
		t.Error("messages were lost and the client stays")
	}
}
