// SPDX-License-Identifier: Apache-2.0

package data_test

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Values by hand, and what is in them.
func Example() {
	v := data.Vector(data.Count(1), data.Table(data.Entry{Key: data.String("a"), Value: data.Timespan(time.Minute)}))
	fmt.Println(v)
	fmt.Println(v.Text())

	table, _ := v.Index(1)
	span, ok := table.Lookup(data.String("a"))
	d, _ := span.AsTimespan()
	fmt.Println(d, ok)
	for e := range v.Elements() {
		fmt.Println(e.Kind(), e.Len())
	}
	// Output:
	// (1, {a -> 60000000000ns})
	// (1, {"a" -> 60s})
	// 1m0s true
	// count 0
	// table 1
}

// A record with an optional field, an enum value and a set.
func ExampleMarshal() {
	type host struct {
		Addr  netip.Addr
		Name  string   `broker:"name,omitempty"`
		Role  string   `broker:"role,enum"`
		Ports []uint16 `broker:"ports,set"`
	}
	v, err := data.Marshal(host{Addr: netip.MustParseAddr("192.0.2.1"), Role: "Site::SERVER", Ports: []uint16{443, 80}})
	fmt.Println(v.Text(), err)

	var h host
	fmt.Println(data.Unmarshal(v, &h), h.Ports)

	var wrong struct{ Addr string }
	err = data.Unmarshal(v, &wrong)
	fmt.Println(err)
	var where *data.ConvertError
	fmt.Println(errors.As(err, &where), where.Path)
	// Output:
	// (192.0.2.1, nil, Site::SERVER, {80, 443}) <nil>
	// <nil> [80 443]
	// data: .Addr: found address 192.0.2.1, want string
	// true .Addr
}

// A struct that is a table, keyed by the names of its fields.
func ExampleMarshal_table() {
	type settings struct {
		_       struct{} `broker:",table"`
		Level   int      `broker:"level"`
		Comment *string  `broker:"comment,omitempty"`
	}
	v, err := data.Marshal(settings{Level: 3})
	fmt.Println(v.Text(), err)
	// Output: {"level" -> +3} <nil>
}

// What isn't known in advance becomes what Go has for it.
func ExampleUnmarshal_any() {
	v, err := data.ParseText(`(1, -2, "three", {"four" -> 4.0}, 5s)`)
	if err != nil {
		fmt.Println(err)
	}
	var x any
	fmt.Println(data.Unmarshal(v, &x))
	for _, e := range x.([]any) {
		fmt.Printf("%T %v\n", e, e)
	}
	// Output:
	// <nil>
	// uint64 1
	// int64 -2
	// string three
	// map[interface {}]interface {} map[four:4]
	// time.Duration 5s
}

// One buffer for many values; each of them costs one allocation.
func ExampleBuilder() {
	var b data.Builder
	for i := range uint64(2) {
		b.String("row")
		b.BeginVector()
		b.Count(i)
		b.BeginSet()
		b.Integer(2)
		b.Integer(1)
		fmt.Println(b.Vector().Text()) // ends what is open
	}
	// Output:
	// ("row", (0, {+1, +2}))
	// ("row", (1, {+1, +2}))
}
