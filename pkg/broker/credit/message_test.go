// SPDX-License-Identifier: Apache-2.0

package credit

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

var (
	someGrant = Grant{
		Flow: 1, Number: 2, Epoch: 3, Arrived: Amount{4, 5}, Room: Amount{6, 7}, Taken: 8, Empty: true, Prefixes: []string{"/a", ""},
	}
	someMark = Mark{Flow: 1, Epoch: 2, Number: 3, Sent: Amount{4, 5}, Exact: true, Need: 6}
)

func TestMessages(t *testing.T) {
	c := func(ns ...uint64) []data.Value {
		var out []data.Value
		for _, n := range ns {
			out = append(out, data.Count(n))
		}
		return out
	}
	no, yes := data.Boolean(false), data.Boolean(true)
	long := data.String(strings.Repeat("x", MaxPrefixBytes))
	for _, tc := range []struct {
		name string
		v    data.Value
		want any
	}{
		{"grant", someGrant.Value(), someGrant},
		{"withdrawal", Withdrawal{9}.Value(), Withdrawal{9}},
		{"mark", someMark.Value(), someMark},
		{"question", Ask{}.Value(), Ask{}},
		{"answer", Known{[]data.EndpointID{{1}, {2}}}.Value(), Known{[]data.EndpointID{{1}, {2}}}},
		{"an answer that is too long", data.Vector(data.Count(kindKnown), data.String(strings.Repeat("0123456789abcdef", MaxOrigins+1))), nil},
		{"an answer with a part of an ID", data.Vector(data.Count(kindKnown), data.String("0123456789abcde")), nil},
		{"an answer without IDs", data.Vector(data.Count(kindKnown)), nil},
		{"more elements", data.Vector(c(kindWithdrawal, 9, 10)...), Withdrawal{9}},
		{"none", data.None(), nil},
		{"a string", data.String("grant"), nil},
		{"an empty vector", data.Vector(), nil},
		{"an unknown kind", data.Vector(c(6, 1)...), nil},
		{"a short withdrawal", data.Vector(c(kindWithdrawal)...), nil},
		{"a withdrawal of a string", data.Vector(data.Count(kindWithdrawal), data.String("")), nil},
		{"a short grant", data.Vector(append(c(kindGrant, 1, 2, 3, 4, 5, 6, 7, 8), no)...), nil},
		{"a grant without number", data.Vector(append(c(kindGrant, 1, 0, 3, 4, 5, 6, 7, 8), no, data.Vector())...), nil},
		{"no list", data.Vector(append(c(kindGrant, 1, 2, 3, 4, 5, 6, 7, 8), no, no)...), nil},
		{"a prefix that is none", data.Vector(append(c(kindGrant, 1, 2, 3, 4, 5, 6, 7, 8), no, data.Vector(no))...), nil},
		{"many prefixes", data.Vector(append(c(kindGrant, 1, 2, 3, 4, 5, 6, 7, 8), no, data.Vector(slices.Repeat([]data.Value{data.String("")}, MaxPrefixes+1)...))...), nil},
		{"long prefixes", data.Vector(append(c(kindGrant, 1, 2, 3, 4, 5, 6, 7, 8), no, data.Vector(long, data.String("y")))...), nil},
		{"no truth", data.Vector(append(c(kindGrant, 1, 2, 3, 4, 5, 6, 7, 8, 9), data.Vector())...), nil},
		{"a mark without epoch", data.Vector(append(c(kindMark, 1, 0, 3, 4, 5), yes, data.Count(6))...), nil},
		{"a short mark", data.Vector(append(c(kindMark, 1, 2, 3, 4, 5), yes)...), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// As it comes from the wire.
			v, err := data.Decode(tc.v.AppendBinary(nil))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(v)
			if !reflect.DeepEqual(got, tc.want) || (err == nil) != (tc.want != nil) {
				t.Errorf("%#v, %v", got, err)
			}
		})
	}
}

func TestControllable(t *testing.T) {
	for _, c := range []struct {
		prefixes []string
		want     bool
	}{
		{nil, true},
		{slices.Repeat([]string{"a"}, MaxPrefixes), true},
		{slices.Repeat([]string{"a"}, MaxPrefixes+1), false},
		{[]string{strings.Repeat("a", MaxPrefixBytes), ""}, true},
		{[]string{strings.Repeat("a", MaxPrefixBytes), "b"}, false},
	} {
		if got := Controllable(c.prefixes); got != c.want {
			t.Errorf("%d prefixes: %v", len(c.prefixes), got)
		}
	}
}

// FuzzParse feeds any value. What is understood comes back the same after another round.
func FuzzParse(f *testing.F) {
	for _, v := range []data.Value{someGrant.Value(), someMark.Value(), Withdrawal{9}.Value(), Ask{}.Value(), Known{[]data.EndpointID{{1}}}.Value(), data.None()} {
		f.Add(v.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := data.Decode(b)
		if err != nil {
			return
		}
		m, err := Parse(v)
		if err != nil {
			return
		}
		again, err := Parse(m.(interface{ Value() data.Value }).Value())
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%#v became %#v, %v", m, again, err)
		}
	})
}

// FuzzOutlet lets anybody grant anything: numbers never wrap, and an origin that is refused is not held for longer than Patience.
func FuzzOutlet(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint64(3), uint64(4), uint64(5), true)
	f.Add(^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), false)
	f.Fuzz(func(t *testing.T, epoch, arrived, arrivedBytes, room, roomBytes uint64, empty bool) {
		o := NewOutlet(&Grant{Flow: 1, Number: 1, Room: Amount{1, 1}}, 7, start)
		o.Start(10)
		o.Finish(10)
		g := &Grant{Flow: 1, Number: 2, Epoch: epoch, Arrived: Amount{arrived, arrivedBytes}, Room: Amount{room, roomBytes}, Empty: empty}
		o.Grant(g, start)
		if s := o.State(); s.Arrived.above(s.Sent) || epoch == 7 && !s.Limit.Plus(Amount{1, 1}).above(s.Arrived) {
			t.Fatalf("%+v", s)
		}
		if !o.Ready(10) {
			o.Wait(10)
		}
		for i := range 13 {
			o.Tick(start.Add(time500(i)))
		}
		if o.waiters > 0 && !o.Ready(10) {
			t.Fatal("somebody waits for too long")
		}
	})
}
