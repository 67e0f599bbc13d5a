// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestCloseSaysWhatWasLost counts for each peer, whether the context ends or the peer's three seconds do.
func TestCloseSaysWhatWasLost(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, time.Minute} {
		inBubble(t, Options{PlainProtocol: true}, func(t *testing.T, e *Endpoint, l *memListener) {
			id := func(n byte) data.EndpointID { return data.EndpointID{0xff, 0xff, 0xff, 0xff, n} }
			first := rawDialAs(t, l.dial(t), e, id(1), "/t", "/u")
			second := rawDialAs(t, l.dial(t), e, id(2), "/t")
			well := rawDialAs(t, l.dial(t), e, id(3), "/t")
			go well.answer()
			synctest.Wait()
			for _, r := range []*rawPeer{first, second} {
				r.conn.(*memConn).in.setFull(true)
			}
			for range 10 {
				publish(t, e, "/t", data.Count(1))
				synctest.Wait()
			}
			for range 5 {
				publish(t, e, "/u", data.Count(1))
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := e.Close(ctx)
			var lost *NotFlushedError
			if !errors.As(err, &lost) || !errors.Is(err, ErrNotFlushed) {
				t.Fatalf("Close: %v", err)
			}
			slices.SortFunc(lost.Peers, func(a, b Unflushed) int { return a.ID.Compare(b.ID) })
			if want := []Unflushed{{id(1), acceptedAddress, 15}, {id(2), acceptedAddress, 10}}; !slices.Equal(lost.Peers, want) {
				t.Errorf("lost %+v, want %+v", lost.Peers, want)
			}
		})
	}
}

func TestNotFlushedText(t *testing.T) {
	err := &NotFlushedError{Peers: []Unflushed{{data.EndpointID{1}, "h:1", 5}, {data.EndpointID{2}, "h:2", 1}}}
	want := "close: messages were not delivered: 5 to 01000000-0000-0000-0000-000000000000 (h:1), 1 to 02000000-0000-0000-0000-000000000000 (h:2)"
	if err.Error() != want {
		t.Errorf("%q\nwant %q", err, want)
	}
}
