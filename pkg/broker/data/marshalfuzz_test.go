// SPDX-License-Identifier: Apache-2.0

package data

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"testing/quick"
	"time"

	randv1 "math/rand"

	"github.com/brokermesh/brokermesh/internal/seed"
)

// anything is a struct of all that the generator of testing/quick can fill.
type anything struct {
	B    bool
	I    int
	I8   int8   `broker:",omitempty"`
	C    int64  `broker:",integer"`
	U    uint32 `broker:",integer"`
	U64  uint64
	F    float64
	F32  float32 `broker:"f32,omitempty"`
	S    string
	E    string `broker:",enum"`
	P    *string
	L    []map[string]int16
	A    [3]uint8
	Set  map[int32]struct{}
	M    map[EnumLike][]bool
	T    []*innerAnything `broker:",table"`
	D    time.Duration
	Set2 map[string]bool `broker:",set"`
}

// EnumLike is a string of its own type.
type EnumLike string

type innerAnything struct {
	X, Y uint16
	Z    []byte `broker:"zz,omitempty"`
}

func TestRandomRoundTrip(t *testing.T) {
	config := &quick.Config{MaxCount: 300, Rand: randv1.New(randv1.NewSource(int64(seed.For(t))))}
	err := quick.Check(func(x anything) bool {
		v, err := Marshal(x)
		if err != nil || Validate(v.AppendBinary(nil)) != nil {
			t.Logf("%v", err)
			return false
		}
		var back anything
		if err := Unmarshal(v, &back); err != nil {
			t.Logf("%s: %v", v.Text(), err)
			return false
		}
		again, err := Marshal(back)
		return err == nil && sameBytes(again, v) && back.U64 == x.U64 && back.S == x.S && len(back.L) == len(x.L)
	}, config)
	if err != nil {
		t.Error(err)
	}
}

// FuzzUnmarshal checks that no value panics whatever it is read into, that a
// failure says so, and that what was read is written and read again the same.
func FuzzUnmarshal(f *testing.F) {
	for _, line := range readVectors(f, "values.jsonl") {
		f.Add(line.bytes(f))
	}
	for _, x := range conversions() {
		v, err := Marshal(x)
		mustBe(f, err)
		f.Add(v.AppendBinary(nil))
	}
	targets := []reflect.Type{reflect.TypeFor[any](), reflect.TypeFor[conn](), reflect.TypeFor[tree](), reflect.TypeFor[anything](),
		reflect.TypeFor[map[any]any](), reflect.TypeFor[map[EndpointID][]celsius](), reflect.TypeFor[[]map[any]struct{}]()}
	for _, x := range conversions() {
		targets = append(targets, reflect.TypeOf(x))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Decode(b)
		if err != nil || holdsSubnormal(v) {
			return // subnormal reals are written as zero, so that two keys can become one
		}
		for _, target := range targets {
			into := reflect.New(target)
			var typed *ConvertError
			if err := Unmarshal(v, into.Interface()); err != nil {
				if !errors.As(err, &typed) || err.Error() == "" {
					t.Fatalf("%s into %s: %v", v.Text(), target, err)
				}
				continue
			}
			out, err := Marshal(into.Interface())
			if err != nil {
				t.Fatalf("%s through %s: %v", v.Text(), target, err)
			}
			next := reflect.New(target)
			if err := Unmarshal(out, next.Interface()); err != nil {
				t.Fatalf("%s through %s and back: %v", v.Text(), target, err)
			}
			if again, err := Marshal(next.Interface()); err != nil || !sameBytes(again, out) {
				t.Fatalf("%s through %s: %s, then %s, %v", v.Text(), target, out.Text(), again.Text(), err)
			}
			if target.Kind() == reflect.Interface && out.String() != v.String() {
				t.Fatalf("%s as a Go value is %s", v.Text(), out.Text())
			}
		}
	})
}

func holdsSubnormal(v Value) bool {
	if x, ok := v.AsReal(); ok {
		return x != 0 && math.Abs(x) < 0x1p-1022
	}
	for k, e := range v.Entries() {
		if holdsSubnormal(k) || holdsSubnormal(e) {
			return true
		}
	}
	for e := range v.Elements() {
		if holdsSubnormal(e) {
			return true
		}
	}
	return false
}

func TestMarshalAllocations(t *testing.T) {
	x := aConn()
	v, err := Marshal(&x)
	mustBe(t, err)
	var b Builder
	var back conn
	mustBe(t, Unmarshal(v, &back))
	for _, c := range []struct {
		name string
		max  float64
		do   func()
	}{
		{"marshal a record", 1, func() { _, err = Marshal(&x) }},
		{"append a record", 0, func() { b.Reset(); err = b.Marshal(&x) }},
		{"unmarshal a record", 0, func() { err = Unmarshal(v, &back) }},
	} {
		if got := testing.AllocsPerRun(100, c.do); err != nil || got > c.max && !raceDetector {
			t.Errorf("%s: %v allocations, want at most %v, %v", c.name, got, c.max, err)
		}
	}
}

func BenchmarkMarshalRecord(b *testing.B) {
	x := aConn()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Marshal(&x); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshalRecord(b *testing.B) {
	x := aConn()
	v, _ := Marshal(&x)
	var into conn
	b.ReportAllocs()
	for b.Loop() {
		if err := Unmarshal(v, &into); err != nil {
			b.Fatal(err)
		}
	}
}
