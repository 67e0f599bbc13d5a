// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// operation is a line of store-ops.jsonl. Values are hex; nil means absent.
type operation struct {
	Op, Init, Arg, Result, Text string
	Present                     bool
	Current, After, Value       *string
}

func readOperations(t *testing.T) []operation {
	t.Helper()
	content, err := os.ReadFile("testdata/store-ops.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var ops []operation
	for line := range bytes.Lines(content) {
		var op operation
		if err := json.Unmarshal(line, &op); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, op)
	}
	if len(ops) != 2214 {
		t.Fatalf("%d operations", len(ops))
	}
	return ops
}

func decode(t *testing.T, s *string) data.Value {
	t.Helper()
	if s == nil {
		return data.Value{}
	}
	b, err := hex.DecodeString(*s)
	if err != nil {
		t.Fatal(err)
	}
	v, err := data.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRecordedOperations(t *testing.T) {
	quirks := 0
	for _, op := range readOperations(t) {
		current, arg := decode(t, op.Current), decode(t, &op.Arg)
		init, _ := data.KindFromName(op.Init)
		var got data.Value
		var err error
		want := op.After
		switch op.Op {
		case "add":
			got, err = Add(current, op.Present, arg, init)
		case "subtract":
			got, err = Subtract(current, op.Present, arg)
		case "get_index":
			got, err = GetIndex(current, op.Present, arg)
			want = op.Value
		default:
			t.Fatalf("unknown operation %q", op.Op)
		}
		result := "ok"
		if err != nil {
			result = err.Error()
			var c code.Code
			if errors.As(err, &c) {
				result = c.String()
			}
		}
		if result != op.Result {
			t.Errorf("%s: result %s, want %s", op.Text, result, op.Result)
			continue
		}
		if err == nil && (want == nil || hex.EncodeToString(got.AppendBinary(nil)) != *want) {
			t.Errorf("%s: got %x", op.Text, got.AppendBinary(nil))
		}
		// The reference leaves the zero value of init behind in these lines. An error here leaves nothing: there is no value.
		if err != nil && !op.Present && op.After != nil {
			quirks++
		}
	}
	if quirks != 84 {
		t.Errorf("%d lines of failed add on a missing key, want 84", quirks)
	}
}

func TestWraps(t *testing.T) {
	for _, tt := range []struct {
		current, operand data.Value
		subtract, want   bool
	}{
		{data.Count(0), data.Count(1), true, true},
		{data.Count(1), data.Count(1), true, false},
		{data.Count(math.MaxUint64), data.Count(1), false, true},
		{data.Count(math.MaxUint64), data.Count(0), false, false},
		{data.Integer(math.MaxInt64), data.Integer(1), false, true},
		{data.Integer(math.MinInt64), data.Integer(-1), false, true},
		{data.Integer(math.MaxInt64), data.Integer(-1), false, false},
		{data.Integer(0), data.Integer(math.MinInt64), true, true},
		{data.Integer(-1), data.Integer(math.MinInt64), true, false},
		{data.Integer(5), data.Integer(0), true, false},
		{data.TimestampNanos(math.MaxInt64), data.Timespan(time.Second), false, true},
		{data.Timespan(math.MinInt64), data.Timespan(time.Second), true, true},
		{data.Real(math.MaxFloat64), data.Real(math.MaxFloat64), false, false},
		{data.Count(0), data.Integer(1), true, false},
		{data.String("a"), data.String("b"), false, false},
	} {
		if got := Wraps(tt.current, tt.operand, tt.subtract); got != tt.want {
			t.Errorf("%v, %v, subtract %v: %v", tt.current, tt.operand, tt.subtract, got)
		}
	}
}

func TestAddRefusesToNestTooDeeply(t *testing.T) {
	v := data.Vector()
	for range data.MaxDepth - 1 {
		v = data.Vector(v)
	}
	for _, tt := range []struct{ current, operand data.Value }{
		{data.Vector(), v}, {data.Set(), v}, {data.Table(), data.Vector(data.Count(1), v)},
	} {
		if _, err := Add(tt.current, true, tt.operand, data.KindNone); !errors.Is(err, code.InvalidData) {
			t.Errorf("%v: %v", tt.current.Kind(), err)
		}
	}
}

func TestDeadline(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		after  time.Duration
		at     time.Time
		passed bool
	}{
		{time.Second, time.Unix(1001, 0), false},
		{time.Second, time.Unix(1001, 1), true},
		{-time.Second, now, true},
		{math.MaxInt64, time.Unix(1<<33, 0), false},
		{math.MinInt64, now, true},
	} {
		if got := DeadlineAfter(now, tt.after).Passed(tt.at); got != tt.passed {
			t.Errorf("%v after %v, at %v: %v", tt.after, now, tt.at, got)
		}
	}
}
