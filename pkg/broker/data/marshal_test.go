// SPDX-License-Identifier: Apache-2.0

package data

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// connID and conn are records as Zeek has them.
type connID struct {
	OrigH netip.Addr
	OrigP PortNumber
	RespH netip.Addr
	RespP PortNumber
}

type conn struct {
	TS       time.Time
	UID      string
	ID       connID
	Proto    string        `broker:"proto,enum"`
	Service  string        `broker:",omitempty"`
	Duration time.Duration `broker:",omitempty"`
	Bytes    *uint64
	State    EnumName
	Local    bool
	Missed   int      `broker:",count"`
	Tags     []string `broker:",set"`
	Skipped  int      `broker:"-"`
}

func aConn() conn {
	bytes := uint64(1234567)
	return conn{
		TS: time.Unix(1700000000, 123456789).UTC(), UID: "CHhAvVGS1DHFjwGM9",
		ID: connID{
			netip.MustParseAddr("10.0.0.1"), PortNumber{4567, ProtocolTCP},
			netip.MustParseAddr("2001:db8::1"), PortNumber{80, ProtocolTCP},
		},
		Proto: "tcp", Service: "http", Bytes: &bytes, State: "SF", Local: true, Missed: 3, Tags: []string{"a", "b"},
	}
}

const aConnText = `(2023-11-14T22:13:20.123456789Z, "CHhAvVGS1DHFjwGM9", (10.0.0.1, 4567/tcp, 2001:db8::1, 80/tcp), ` +
	`enum(tcp), "http", nil, 1234567, enum(SF), T, 3, {"a", "b"})`

// level writes itself as text.
type level int

func (l level) MarshalText() ([]byte, error) {
	if l < 0 {
		return nil, errors.New("too low")
	}
	return []byte(strings.Repeat("+", int(l))), nil
}

func (l *level) UnmarshalText(text []byte) error {
	if strings.Trim(string(text), "+") != "" {
		return errors.New("only pluses")
	}
	*l = level(len(text))
	return nil
}

// celsius is an integer in tenths as a value.
type celsius struct{ degrees float64 }

func (c celsius) MarshalData() (Value, error) {
	if math.IsNaN(c.degrees) {
		return Value{}, errors.New("no temperature")
	}
	return Integer(int64(c.degrees * 10)), nil
}

func (c *celsius) UnmarshalData(v Value) error {
	x, ok := v.AsInteger()
	if !ok {
		return errors.New("no integer")
	}
	c.degrees = float64(x) / 10
	return nil
}

// common is embedded in others.
type common struct {
	Name string `broker:"name"`
	Note *string
}

type asTable struct {
	_ struct{} `broker:",table"`
	common
	Size  uint16 `broker:"size"`
	Extra int    `broker:"extra,omitempty"`
}

type asRecord struct {
	Before int
	common
	After asInner `broker:",table"`
}

type asInner struct {
	B int
	A int
}

type tree struct {
	Label    string
	Children []tree
	Next     *tree
}

func pointTo[T any](x T) *T { return &x }

// conversions are Go values with the literal of what they become. All are read
// back as the same Go value.
func conversions() map[string]any {
	return map[string]any{
		aConnText:              aConn(),
		"T":                    true,
		"-5":                   int8(-5),
		"5":                    uint16(5),
		"+7":                   7,
		"18446744073709551615": uint64(math.MaxUint64),
		"1.5":                  1.5,
		"0.25":                 float32(0.25),
		`"text"`:               "text",
		`"\x00\xff"`:           []byte{0, 0xff},
		`"abc"`:                [3]byte{'a', 'b', 'c'},
		"enum(e)":              EnumName("e"),
		"1.2.3.4":              netip.MustParseAddr("1.2.3.4"),
		"10.0.0.0/8":           netip.MustParsePrefix("10.0.0.0/8"),
		"53/udp":               PortNumber{53, ProtocolUDP},
		"1970-01-01T00:00:01Z": time.Unix(1, 0).UTC(),
		"90s":                  90 * time.Second,
		`"++"`:                 level(2),
		"+215":                 celsius{21.5},
		"(+1, -2)":             []int{1, -2},
		"(T, F)":               [2]bool{true, false},
		"()":                   []string{},
		`{"a" -> 1, "b" -> 2}`: map[string]uint8{"a": 1, "b": 2},
		`{1, 2}`:               map[uint8]struct{}{1: {}, 2: {}},
		`{"+" -> (1)}`:         map[level][]uint{1: {1}},
		"{(+1, +2)}":           map[asInner]struct{}{{B: 1, A: 2}: {}},
		`{"Note" -> "n", "name" -> "x", "size" -> 3}`: asTable{common: common{"x", pointTo("n")}, Size: 3},
		`(+1, "x", nil, {"A" -> +3, "B" -> +2})`:      asRecord{1, common{"x", nil}, asInner{2, 3}},
		`("r", (("c", (), nil)), ("n", (), nil))`:     tree{"r", []tree{{"c", []tree{}, nil}}, &tree{"n", []tree{}, nil}},
		`"60e30c40-a7ba-4a1e-ac52-a1c3e1c2c13f"`:      EndpointID{0x60, 0xe3, 0x0c, 0x40, 0xa7, 0xba, 0x4a, 0x1e, 0xac, 0x52, 0xa1, 0xc3, 0xe1, 0xc2, 0xc1, 0x3f},
		"({1, 5}, enum(x), (enum(y)), (+4), {1 -> (enum(z))}, 9)": struct {
			A map[uint]bool     `broker:",set"`
			B *string           `broker:",enum"`
			C [1][]byte         `broker:",enum"`
			D []uint            `broker:",integer"`
			E map[uint][]string `broker:",enum"`
			F **int64           `broker:",count"`
		}{map[uint]bool{1: true, 5: true}, pointTo("x"), [1][]byte{[]byte("y")}, []uint{4}, map[uint][]string{1: {"z"}}, pointTo(pointTo(int64(9)))},
	}
}

func TestConversions(t *testing.T) {
	for text, x := range conversions() {
		v, err := Marshal(x)
		if err != nil || v.Text() != text || Validate(v.AppendBinary(nil)) != nil {
			t.Errorf("%T: %s, %v, want %s", x, v.Text(), err, text)
			continue
		}
		into := reflect.New(reflect.TypeOf(x))
		if err := Unmarshal(v, into.Interface()); err != nil || !reflect.DeepEqual(into.Elem().Interface(), x) {
			t.Errorf("%s into %T: %+v, %v", text, x, into.Elem(), err)
		}
		// A pointer is what it points to, and what is there is replaced.
		if again, err := Marshal(into.Interface()); err != nil || !sameBytes(again, v) {
			t.Errorf("%T: by pointer %s, %v, want %s", x, again.Text(), err, text)
		}
		if err := Unmarshal(v, into.Interface()); err != nil || !reflect.DeepEqual(into.Elem().Interface(), x) {
			t.Errorf("%s into %T once more: %+v, %v", text, x, into.Elem(), err)
		}
	}
}

// What is written but not read back as the same Go value.
func TestMarshalOneWay(t *testing.T) {
	var nilMap map[string]int
	for _, c := range []struct {
		x    any
		want string
	}{
		{nil, "nil"},
		{(*conn)(nil), "nil"},
		{[]any{nil, 1, "x", []string(nil), nilMap, Count(3)}, `(nil, +1, "x", (), {->}, 3)`},
		{struct {
			A, B, C, D any        `broker:",omitempty"`
			E          time.Time  `broker:",omitempty"`
			F          netip.Addr `broker:",omitempty"`
			G          EndpointID
		}{B: 1, C: ""}, `(nil, +1, "", nil, nil, nil, nil)`},
		{struct {
			A []int `broker:",set"`
		}{[]int{3, 1, 3}}, "({+1, +3})"},
		{map[string]bool{"a": true}, `{"a" -> T}`},
		{netip.MustParseAddr("::ffff:1.2.3.4"), "1.2.3.4"},
		{uintptrLike(7), "7"},
		{celsius{1}, "+10"},
		{struct{ hidden, A int }{1, 2}, "(+2)"},
		{&struct{ T *time.Duration }{}, "(nil)"},
		{struct {
			A map[int]bool `broker:",set"`
		}{map[int]bool{1: true, 2: false}}, "({+1})"},
	} {
		v, err := Marshal(c.x)
		if err != nil || v.Text() != c.want {
			t.Errorf("%#v: %s, %v, want %s", c.x, v.Text(), err, c.want)
		}
	}
	var b Builder
	b.Count(1)
	if err := b.Marshal([]any{1, []any{func() {}}}); err == nil {
		t.Error("a function is a value")
	}
	mustBe(t, b.Marshal([]int{2}))
	if v := b.Vector(); v.Text() != "(1, (+2))" {
		t.Errorf("after an error the builder holds %s", v.Text())
	}
}

type uintptrLike uint32

func TestMarshalErrors(t *testing.T) {
	type loop struct{ Next *loop }
	circle := &loop{}
	circle.Next = circle
	deep := Value(nestedVectors(MaxDepth))
	var self any
	self = &self
	for _, c := range []struct {
		x    any
		want string
	}{
		{make(chan int), "data: found Go type chan int, want a type that has a value"},
		{struct{ F []func() }{make([]func(), 1)}, "data: .F[0]: found Go type func(), want a type"},
		{map[string]any{"k": 2i}, `data: ["k"]: found Go type complex128`},
		{map[any]int{uintptr(1): 1}, "[key]: found Go type uintptr"},
		{map[any]struct{}{uintptr(1): {}}, "[element]: found Go type uintptr"},
		{struct {
			N int `broker:"n,count"`
		}{-1}, "data: .n: found -1, want a count, which isn't negative"},
		{struct {
			N []uint64 `broker:",integer"`
		}{[]uint64{1, 1 << 63}}, "data: .N[1]: found 9223372036854775808, want at most the largest integer"},
		{struct{ T time.Time }{}, "data: .T: found the time 0001-01-01T00:00:00Z, want a time between"},
		{netip.Addr{}, "found the address invalid IP"},
		{netip.MustParseAddr("fe80::1%eth0"), "found the address fe80::1%eth0"},
		{netip.Prefix{}, "found an invalid network"},
		{PortNumber{1, 4}, "a protocol without a name"},
		{[]level{1, -1}, "data: [1]: data.level.MarshalText: too low"},
		{struct{ C celsius }{celsius{math.NaN()}}, "data: .C: data.celsius.MarshalData: no temperature"},
		{circle, "perhaps in a circle"},
		{self, "perhaps in a circle"},
		{[]any{deep}, "found nesting deeper than 128"},
		{deepAny(129), "found nesting deeper than 128"},
		{struct {
			_ struct{} `broker:",table"`
			F func()
		}{}, "data: .F: found Go type func()"},
		{map[any]int{1: 1, int64(1): 2}, "found keys of the map that are the same value"},
		{struct {
			N int `broker:",enum"`
		}{}, "data: .N: found tag option enum on int, want an option that fits the type"},
		{struct {
			M map[string]int `broker:",set"`
		}{}, "found tag option set on map[string]int"},
		{struct {
			M []map[string]int `broker:",table,count"`
		}{[]map[string]int{{"a": 1}}}, `.M[0]["a"]: found tag option table on int`},
		{struct {
			N int `broker:",ommitempty"`
		}{}, `data: .N: found tag option "ommitempty", want enum, count`},
		{struct {
			_ struct{} `broker:",table"`
			A int      `broker:"x"`
			B int      `broker:"x"`
		}{}, "found two fields named x"},
		{struct {
			E EndpointID `broker:",enum"`
		}{}, "found tag option enum on data.EndpointID"},
	} {
		v, err := Marshal(c.x)
		var typed *ConvertError
		if !errors.As(err, &typed) || !strings.Contains(err.Error(), c.want) || !v.IsNone() {
			t.Errorf("%T: %s, %v, want an error with %q", c.x, v.Text(), err, c.want)
		}
	}
	if _, err := Marshal(celsius{math.NaN()}); errors.Unwrap(err) == nil || (PortNumber{53, ProtocolUDP}).String() != "53/udp" {
		t.Errorf("what MarshalData said is lost: %v", err)
	}
	if _, err := Marshal(deepAny(128)); err != nil {
		t.Errorf("128 levels: %v", err)
	}
}

func deepAny(n int) (x any) {
	for range n {
		x = []any{x}
	}
	return x
}

func TestUnmarshalErrors(t *testing.T) {
	type optional struct {
		A int
		B int `broker:",omitempty"`
		C *int
	}
	for _, c := range []struct {
		text string
		into any
		want string
	}{
		{"1", nil, "data: found Go type <nil>, want a pointer that isn't nil"},
		{"1", (*int)(nil), "found Go type *int, want a pointer that isn't nil"},
		{"1", (*string)(nil), "found Go type *string, want a pointer"},
		{"1", 1, "found Go type int, want a pointer"},
		{"1", new(int), "data: found count 1, want integer (or tag option count)"},
		{"+1", new(uint), "data: found integer +1, want count (or tag option integer)"},
		{"+128", new(int8), "data: found integer +128, want a number that fits int8"},
		{"256", new(uint8), "data: found count 256, want a number that fits uint8"},
		{"-1", &struct {
			N uint `broker:",integer"`
		}{}, "data: found integer -1, want vector"},
		{"(-1)", &struct {
			N uint `broker:",integer"`
		}{}, "data: .N: found integer -1, want a number that fits uint"},
		{"(9223372036854775808)", &struct {
			N int64 `broker:",count"`
		}{}, "data: .N: found count 9223372036854775808, want a number that fits int64"},
		{"1e300", new(float32), "data: found real 1e+300, want a real that fits float32"},
		{"1.0", new(string), "data: found real 1.0, want string"},
		{"enum(x)", new(string), "data: found enum-value enum(x), want string (or tag option enum)"},
		{`"x"`, new(EnumName), `data: found string "x", want enum-value`},
		{`"x"`, new(bool), "want boolean"},
		{`"x"`, new(float64), "want real"},
		{`"x"`, new(netip.Addr), "want address"},
		{`"x"`, new(netip.Prefix), "want subnet"},
		{"10.1.2.3/8!", new(netip.Prefix), "found subnet 10.1.2.3/8!, want a subnet without host bits"},
		{`"x"`, new(PortNumber), "want port"},
		{`"x"`, new(time.Time), "want timestamp"},
		{`"x"`, new(time.Duration), "want timespan"},
		{`"x"`, new(EndpointID), "want an endpoint ID: endpoint ID"},
		{"1", new(EndpointID), "want string"},
		{`"x"`, new([2]byte), `found string "x", want string of 2 bytes`},
		{"(1, 2)", new([3]uint), "found vector of 2, want vector of 3"},
		{"{1}", new([]uint), "found set of 1, want vector (or tag option set)"},
		{"{1 -> 2}", new([]uint), "found table of 1, want vector"},
		{"(1)", new(map[string]int), "found vector of 1, want table"},
		{"(1)", new(map[string]struct{}), "found vector of 1, want set"},
		{`{1, "a"}`, new(map[uint]struct{}), `data: ["a"]: found string "a", want count`},
		{`{"a" -> ((), (1, nil))}`, new(map[string][][]uint), `data: ["a"][1][1]: found none, want count`},
		{"{(1) -> 2}", new(map[any]uint), "data: [(1)]: found vector of 1, want something that Go takes as the key"},
		{`{"60E30C40-A7BA-4A1E-AC52-A1C3E1C2C13F", "60e30c40-a7ba-4a1e-ac52-a1c3e1c2c13f"}`, new(map[EndpointID]struct{}), "want a key that isn't the same as another in Go"},
		{"(nil, nil, nil)", new(optional), "data: .A: found none, want integer (or omitempty, or a pointer)"},
		{"()", new(optional), "data: found vector of 0, want vector of at least 1, for field A"},
		{"{->}", new(asTable), `data: found table of 0, want a table with the key "name"`},
		{`{"name" -> nil, "size" -> 1}`, new(asTable), "data: .name: found none, want string (or omitempty, or a pointer)"},
		{`("a")`, new(asTable), "found vector of 1, want table"},
		{`"+-"`, new(level), `data: found string "+-", want data.level: only pluses`},
		{"(1)", new([]celsius), "data: [0]: found count 1, want data.celsius: no integer"},
		{"(1)", &struct {
			A any `broker:",set"`
		}{}, "found tag option set on interface {}"},
		{`{"name" -> "x", "size" -> "y"}`, new(asTable), `data: .size: found string "y", want count`},
		{"1", new(fmt.Stringer), "found Go type fmt.Stringer, want any"},
		{"(1)", new([]chan int), "data: [0]: found Go type chan int"},
		{`"` + strings.Repeat("x", 100) + `"`, new(int), `found string "` + strings.Repeat("x", 48) + `"…, want integer`},
		{"{(1, 2, 3, 4, 5, 6, 7, 8, 9) -> T}", new(map[string]bool), "data: [vector of 9]: found vector of 9, want string"},
	} {
		v, err := ParseText(c.text)
		mustBe(t, err)
		var typed *ConvertError
		if err := Unmarshal(v, c.into); !errors.As(err, &typed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s into %T: %v, want an error with %q", c.text, c.into, err, c.want)
		}
	}
	type endless *endless
	if err := Unmarshal(Count(1), new(endless)); err == nil {
		t.Error("an endless pointer was followed to its end")
	}
	var deep []any
	if err := Unmarshal(nestedVectors(2000), &deep); err != nil {
		t.Errorf("deep: %v", err)
	}
}

// Optional fields take none and may be missing at the end; fields beyond the
// struct's are passed over.
func TestOptionalFields(t *testing.T) {
	type record struct {
		A int
		B int `broker:",omitempty"`
		C *int
		D any
		E Value
		F EndpointID
	}
	for _, text := range []string{"(+1)", "(+1, nil, nil, nil, nil, nil)", "(+1, nil, nil, nil, nil, nil, 7, 8)"} {
		v, err := ParseText(text)
		mustBe(t, err)
		r := record{B: 1, C: pointTo(2), D: 3, E: Count(4), F: EndpointID{5}}
		if err := Unmarshal(v, &r); err != nil || r.A != 1 || r.B != 0 || r.C != nil || r.D != nil || !r.E.IsNone() || !r.F.IsZero() {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
}

func TestUnmarshalAny(t *testing.T) {
	text := `(nil, T, 1, +2, 1.5, "s", 1.2.3.4, 10.0.0.0/8, 80/tcp, 1970-01-01T00:00:00Z, 1s, enum(e), {1, "a"}, {"k" -> ()}, {(1)}, {(1) -> 2}, 10.1.2.3/8!)`
	v, err := ParseText(text)
	mustBe(t, err)
	want := []any{
		nil, true, uint64(1), int64(2), 1.5, "s", netip.MustParseAddr("1.2.3.4"), netip.MustParsePrefix("10.0.0.0/8"),
		PortNumber{80, ProtocolTCP}, time.Unix(0, 0).UTC(), time.Second, EnumName("e"),
		map[any]struct{}{uint64(1): {}, "a": {}}, map[any]any{"k": []any{}},
	}
	var got any
	mustBe(t, Unmarshal(v, &got))
	list := got.([]any)
	if !reflect.DeepEqual(list[:len(want)], want) {
		t.Errorf("got %#v, want %#v", list[:len(want)], want)
	}
	for i, text := range []string{"{(1)}", "{(1) -> 2}", "10.1.2.3/8!"} {
		if kept, ok := list[len(want)+i].(Value); !ok || kept.Text() != text {
			t.Errorf("what has no form in Go is %#v, want %s", list[len(want)+i], text)
		}
	}
	if back, err := Marshal(got); err != nil || !sameBytes(back, v) {
		t.Errorf("back: %s, %v, want %s", back.Text(), err, text)
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		x    any
		want int
	}{{conn{}, 11}, {&connID{}, 4}, {asRecord{}, 4}, {struct{}{}, 0}, {asTable{}, -1}, {time.Time{}, -1}, {Value{}, -1}, {celsius{}, -1}, {1, -1}, {nil, -1}} {
		if got := Fields(c.x); got != c.want {
			t.Errorf("%T has %d fields, want %d", c.x, got, c.want)
		}
	}
}
