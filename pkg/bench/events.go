// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

// Builder builds an event anew at each call.
type Builder func() data.Value

// EventBuilder answers the builder of event 1, two small arguments, or of
// event 2, which looks like an entry of conn.log: eighteen fields, among them
// a record and a set.
func EventBuilder(number int) (Builder, error) {
	switch number {
	case 1:
		return event1, nil
	case 2:
		return event2, nil
	default:
		return nil, fmt.Errorf("event %d: allowed: 1, 2", number)
	}
}

func event1() data.Value {
	return zeek.NewEvent("event_1", data.Integer(42), data.String("test"))
}

func event2() data.Value {
	return zeek.NewEvent("event_2",
		data.TimestampNanos(1700000000123456789),
		data.String("CHhAvVGS1DHFjwGM9"),
		data.Vector(
			data.Address(netip.IPv6Unspecified()),
			data.Port(4567, data.ProtocolTCP),
			data.Address(netip.IPv6Unspecified()),
			data.Port(80, data.ProtocolTCP),
		),
		data.Enum("tcp"),
		data.String("http"),
		data.Timespan(140*time.Millisecond),
		data.Count(42),
		data.Count(1234567),
		data.Enum("SF"),
		data.Boolean(true),
		data.Boolean(false),
		data.Count(0),
		data.String("ShADadFf"),
		data.Count(10),
		data.Count(500),
		data.Count(8),
		data.Count(4000),
		data.Set(data.String("a"), data.String("b")),
	)
}
