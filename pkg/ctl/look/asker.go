// SPDX-License-Identifier: Apache-2.0

package look

import (
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

var _ Asker = (*inspect.Client)(nil)

// asker asks from the endpoint of a session.
func asker(s client.Session) (ask Asker, end func(), err error) {
	c, err := inspect.NewClient(s.Endpoint)
	if err != nil {
		return nil, nil, err
	}
	return c, c.Close, nil
}
