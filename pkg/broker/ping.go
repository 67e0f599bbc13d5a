// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Ping sends a ping to a direct peer of any kind and answers how long the pong took. The error is code.NoPathToPeer if there is no
// such peer, or its connection ended.
func (e *Endpoint) Ping(ctx context.Context, id data.EndpointID) (time.Duration, error) {
	p := e.routes.Load().peers[id]
	if p == nil {
		return 0, fmt.Errorf("ping %s: %w", id, code.NoPathToPeer)
	}
	started := time.Now()
	pong, end := p.ping()
	defer end()
	select {
	case <-pong:
		return time.Since(started), nil
	case <-p.gone:
		return 0, fmt.Errorf("ping %s: %w", id, code.NoPathToPeer)
	case <-ctx.Done():
		return 0, fmt.Errorf("ping %s: %w", id, ctx.Err())
	}
}
