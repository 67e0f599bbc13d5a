// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl/client"
)

// Around asks the nodes of the mesh that a session is connected to.
func Around(ctx context.Context, s client.Session, timeout time.Duration) (*Picture, error) {
	m, end, err := meshOf(s, timeout)
	if err != nil {
		return nil, err
	}
	defer end()
	return m.picture(ctx)
}
