// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

// Builder builds an event anew at each call. It belongs to one goroutine.
type Builder func() data.Value

// EventBuilder answers the builder of event 1, two small arguments, or of
// event 2, which looks like an entry of conn.log: eighteen fields, among them
// a record and a set.
func EventBuilder(number int) (Builder, error) {
	b := new(data.Builder)
	switch number {
	case 1:
		return func() data.Value { return event1(b) }, nil
	case 2:
		return func() data.Value { return event2(b) }, nil
	default:
		return nil, fmt.Errorf("event %d: allowed: 1, 2", number)
	}
}

func event1(b *data.Builder) data.Value {
	zeek.BeginEvent(b, "event_1")
	b.Integer(42)
	b.String("test")
	return b.Vector()
}

func event2(b *data.Builder) data.Value {
	zeek.BeginEvent(b, "event_2")
	b.TimestampNanos(1700000000123456789)
	b.String("CHhAvVGS1DHFjwGM9")
	b.BeginVector()
	b.Address(netip.IPv6Unspecified())
	b.Port(4567, data.ProtocolTCP)
	b.Address(netip.IPv6Unspecified())
	b.Port(80, data.ProtocolTCP)
	b.End()
	b.Enum("tcp")
	b.String("http")
	b.Timespan(140 * time.Millisecond)
	b.Count(42)
	b.Count(1234567)
	b.Enum("SF")
	b.Boolean(true)
	b.Boolean(false)
	b.Count(0)
	b.String("ShADadFf")
	b.Count(10)
	b.Count(500)
	b.Count(8)
	b.Count(4000)
	b.BeginSet()
	b.String("a")
	b.String("b")
	b.End()
	return b.Vector()
}
