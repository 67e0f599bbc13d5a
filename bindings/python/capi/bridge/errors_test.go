// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/store"
)

func TestResult(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
		text bool
	}{
		{nil, OK, false},
		{errClosed, Closed, false},
		{broker.ErrClosed, Closed, true},
		{code.ShuttingDown, Closed, true},
		{context.Canceled, Closed, true},
		{fmt.Errorf("get: %w", context.DeadlineExceeded), Again, false},
		{broker.ErrFull, Again, false},
		{errAgain, Again, false},
		{wrong("argument %d", 1), BadArg, true},
		{fmt.Errorf("x: %w", broker.ErrTopic), BadArg, true},
		{fmt.Errorf("x: %w", broker.ErrValue), BadArg, true},
		{store.ErrUnknown, Unknown, true},
		{store.ErrStale, 14, true},
		{store.ErrHistoryGone, Failed, true},
		{store.ErrFull, Failed, true},
		{code.NoSuchKey, 9, true},
		{fmt.Errorf("x: %w", code.TypeClash), 11, true},
		{code.MasterExists, 7, true},
		{code.PeerDisconnectDuringHandshake, Failed, true},
		{code.CannotOpenFile, Failed, true},
		{code.NoPathToPeer, 4, true},
		{&broker.PeerError{Class: broker.PeerRefused, Text: "no"}, 4, true},
		{&broker.PeerError{Class: broker.PeerTLSFailed, Text: "no"}, 4, true},
		{&broker.PeerError{Class: broker.PeerIncompatible, Text: "no"}, 2, true},
		{&broker.PeerError{Class: broker.PeerTimeout, Text: "no"}, 6, true},
		{errors.New("anything"), Failed, true},
	} {
		if got := Result(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
		if text := Text(c.err); (text != "") != c.text {
			t.Errorf("%v says %q", c.err, text)
		}
	}
	if got := outcome(context.DeadlineExceeded); got != int(code.RequestTimeout) {
		t.Errorf("a call whose time is over: %d", got)
	}
}

// TestGuarded turns what goes wrong in an operation into an error.
func TestGuarded(t *testing.T) {
	_, err := guarded(t.Context(), func(context.Context) (answer, error) { panic("on purpose") })
	if Result(err) != Failed {
		t.Errorf("got %v", err)
	}
}
