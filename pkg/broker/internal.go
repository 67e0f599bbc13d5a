// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// SendInternal is PublishTo for a topic below topic.InternalPrefix, on which endpoints of this project talk to each other. Programs
// can neither publish to such topics nor subscribe to them, and foreign peers can't send to them.
func (e *Endpoint) SendInternal(id data.EndpointID, name string, v data.Value) error {
	if !topic.IsInternal(name) {
		return fmt.Errorf("%w: %q is not internal", ErrTopic, name)
	}
	return e.sendTo(context.Background(), &unasked, false, id, name, v)
}

// SubscribeInternal receives what is sent to this endpoint on internal topics that begin with a prefix. Nobody else is told.
func (e *Endpoint) SubscribeInternal(prefix string, limit QueueLimit) (*Subscriber, error) {
	if !topic.IsInternal(prefix) {
		return nil, fmt.Errorf("%w: %q is not internal", ErrTopic, prefix)
	}
	return e.subscribe([]string{prefix}, limit, false, true)
}
