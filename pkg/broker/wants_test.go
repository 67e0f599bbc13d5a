// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestLeafToLeaf has leaves at two nodes that want nothing themselves: what one leaf publishes reaches the other, since a node asks
// its leaves for what its peers want.
func TestLeafToLeaf(t *testing.T) {
	for _, publisher := range []string{"client", "foreign"} {
		t.Run(publisher, func(t *testing.T) {
			near, far := endpoint(t, Options{}), endpoint(t, Options{})
			connect(t, near, far)
			reader, writer := endpoint(t, Options{Forward: ForwardNone}), endpoint(t, kinds[publisher])
			connect(t, reader, far)
			sub := subscribe(t, reader, "/x")
			poll(t, "the far node to want /x", func() bool { return goesOut(near, "/x") })
			connect(t, writer, near)
			// The handshake says already what the far node wants.
			if !wantsNow(writer, "/x") {
				t.Errorf("the publisher is asked for %q only", writer.Peers()[0].Filter)
			}
			publish(t, writer, "/x/1", data.Count(7))
			if m := get(t, sub); m.Topic != "/x/1" || !data.Equal(m.Value, data.Count(7)) {
				t.Errorf("received %v", m)
			}
		})
	}
}

// goesOut tells whether a message that the endpoint publishes now is sent to anybody.
func goesOut(e *Endpoint, name string) bool {
	o, err := e.routes.Load().own(name)
	return err == nil && o.others() > 0
}

func wantsNow(e *Endpoint, prefix string) bool {
	for _, p := range e.Peers() {
		for _, f := range p.Filter {
			if f == prefix {
				return true
			}
		}
	}
	return false
}
