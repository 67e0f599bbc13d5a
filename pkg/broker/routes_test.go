// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// TestOwnRoutesInUse: a topic that is published again and again keeps its route while any number of others come once, and what is kept
// of those is bounded.
func TestOwnRoutesInUse(t *testing.T) {
	e := endpoint(t, Options{})
	s := e.routes.Load()
	often, err := s.own("/often")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 * maxCachedTopics {
		if _, err := s.own(fmt.Sprintf("/once/%d", i)); err != nil {
			t.Fatal(err)
		}
		if i%1000 != 0 {
			continue
		}
		if again, err := s.own("/often"); err != nil || again != often {
			t.Fatalf("after %d others it is made anew: %v", i, err)
		}
		if r := &s.cache.routes; len(r.young) > maxCachedTopics || len(r.old) > maxCachedTopics {
			t.Fatalf("%d and %d routes are kept", len(r.young), len(r.old))
		}
	}
}

// TestOwnHeads: the envelopes of a route stand in one block of memory and are those that would be made alone.
func TestOwnHeads(t *testing.T) {
	e := endpoint(t, Options{})
	s := e.routes.Load()
	o, err := s.own("/some/topic")
	if err != nil {
		t.Fatal(err)
	}
	name := []byte("/some/topic")
	for what, c := range map[string]struct{ got, want []byte }{
		"data":            {o.data, s.header(nil, wire.TypeData, data.EndpointID{}, name)},
		"command":         {o.command, s.header(nil, wire.TypeCommand, data.EndpointID{}, name)},
		"stamped data":    {o.stampedData, s.stampedHead(nil, wire.TypeStampedData, data.EndpointID{}, name)},
		"stamped command": {o.stampedCommand, s.stampedHead(nil, wire.TypeStampedCommand, data.EndpointID{}, name)},
	} {
		if !bytes.Equal(c.got, c.want) || cap(c.got) != len(c.got) {
			t.Errorf("%s: %x, want %x; room for %d more", what, c.got, c.want, cap(c.got)-len(c.got))
		}
	}
}
