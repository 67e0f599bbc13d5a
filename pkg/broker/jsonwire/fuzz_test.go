// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// checkError checks that an error is one of this package, within the input.
func checkError(t *testing.T, input []byte, err error) {
	var bad *Error
	if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(input) || bad.Error() == "" {
		t.Fatalf("%q: %v", input, err)
	}
}

// checkAppended checks that what is written is valid, and read as v again.
func checkAppended(t *testing.T, v data.Value) {
	out := AppendValue(nil, v)
	if !json.Valid(out) || !utf8.Valid(out) {
		t.Fatalf("%s is written as %q", v, out)
	}
	if leaves(mapScalars(v, tiny)) != leaves(v) {
		return // tiny reals have become one zero in a set
	}
	again, err := ParseValue(out)
	if err != nil || leaves(again) != leaves(v) || !same(again, wanted(v)) {
		t.Fatalf("%s is written as %q, which is read as %s, %v", v, out, again, err)
	}
}

// wanted is what is read of v after it was written.
func wanted(v data.Value) data.Value {
	switch v.Kind() {
	case data.KindSet, data.KindTable:
		f := cut
		if leaves(mapScalars(v, cut)) != leaves(v) {
			f = tiny
		}
		return data.Canonical(mapScalars(v, f))
	case data.KindVector:
		var elems []data.Value
		for e := range v.Elements() {
			elems = append(elems, wanted(e))
		}
		return data.Vector(elems...)
	default:
		return data.Canonical(cut(v))
	}
}

// tiny makes zeros of reals below the smallest normal number.
func tiny(v data.Value) data.Value {
	if f, ok := v.AsReal(); ok {
		return data.Real(f)
	}
	return v
}

func leaves(v data.Value) (n int) {
	for range v.Leaves() {
		n++
	}
	for e := range v.Elements() {
		n += leaves(e) // empty containers count where they are
	}
	return n + v.Len()
}

func FuzzParseValue(f *testing.F) {
	lines, values := readVectors(f)
	for i, line := range lines {
		f.Add([]byte(line.JSON))
		f.Add(AppendValue(nil, values[i]))
	}
	f.Add([]byte(`{"data":[{"key":{"@data-type":"none"},"value":{"@data-type":"real","data":-nan}}],"@data-type":"table"}`))
	f.Add([]byte(`{"@data-type":"string","data":"\udcff\ud83d\ude00\v\/"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseValue(b)
		if err != nil {
			checkError(t, b, err)
			return
		}
		if err := data.Validate(v.AppendBinary(nil)); err != nil {
			t.Fatalf("%q is read as %s: %v", b, v, err)
		}
		checkAppended(t, v)
	})
}

// FuzzAppendValue starts from the binary form, which says more than JSON.
func FuzzAppendValue(f *testing.F) {
	_, values := readVectors(f)
	for _, v := range values {
		f.Add(v.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := data.Decode(b); err == nil {
			checkAppended(t, v)
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*-server/*.json")
	for _, path := range paths {
		for _, r := range readConversation(f, path) {
			f.Add([]byte(r.Text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if prefixes, err := ParseSubscriptions(b); err != nil {
			checkError(t, b, err)
		} else if again, err := ParseSubscriptions(AppendSubscriptions(nil, prefixes)); err != nil || !slices.Equal(again, prefixes) {
			t.Fatalf("%q is written as %q", prefixes, again)
		}
		topic, v, err := ParseMessage(b)
		if err != nil {
			checkError(t, b, err)
			return
		}
		if leaves(mapScalars(v, tiny)) != leaves(v) {
			return
		}
		out := AppendMessage(nil, topic, v)
		topic2, v2, err := ParseMessage(out)
		if err != nil || topic2 != topic || !same(v2, wanted(v)) || !json.Valid(out) || !utf8.Valid(out) {
			t.Fatalf("%q is written as %q, read as %q, %s, %v", b, out, topic2, v2, err)
		}
	})
}

func FuzzParseSubscriptions(f *testing.F) {
	for _, s := range []string{`[]`, `["/a",""]`, ` [ "\udcff" ] `, `[1]`, `{}`, `["a"`, `[["a"]]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		prefixes, err := ParseSubscriptions(input)
		if err != nil {
			checkError(t, input, err)
			return
		}
		again, err := ParseSubscriptions(AppendSubscriptions(nil, prefixes))
		if err != nil || !slices.Equal(again, prefixes) {
			t.Fatalf("%q is read as %q, %v", prefixes, again, err)
		}
	})
}
