// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func TestPing(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{PlainProtocol: true})
	connect(t, a, b)
	if rtt, err := a.Ping(t.Context(), b.ID()); err != nil || rtt <= 0 {
		t.Errorf("%v, %v", rtt, err)
	}
	if _, err := a.Ping(t.Context(), data.EndpointID{1}); !errors.Is(err, code.NoPathToPeer) {
		t.Errorf("nobody: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Ping(ended, b.ID()); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}
