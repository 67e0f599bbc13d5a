// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"math"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// arguments reads the arguments of an operation one after the other. The first that is wrong makes the error.
type arguments struct {
	op  string
	in  data.Reader
	n   int
	err error
}

// parseArguments reads a vector in binary form, of which nothing is kept; no bytes are no arguments.
func parseArguments(op string, encoded []byte) (*arguments, error) {
	if len(encoded) == 0 {
		return &arguments{op: op}, nil
	}
	v, err := data.Decode(encoded)
	if err != nil {
		return nil, wrong("%s: the arguments are no value: %v", op, err)
	}
	if v.Kind() != data.KindVector {
		return nil, wrong("%s: the arguments are a %s, a vector is wanted", op, v.Kind())
	}
	return argumentsOf(op, v), nil
}

func argumentsOf(op string, v data.Value) *arguments { return &arguments{op: op, in: v.Reader()} }

// more tells whether there is another argument.
func (a *arguments) more() bool { return a.in.Len() > 0 }

// any is the next argument.
func (a *arguments) any(name string) data.Value {
	a.n++
	v, ok := a.in.Next()
	if !ok {
		a.fail("%s: argument %d (%s) is missing", a.op, a.n, name)
	}
	return v
}

func (a *arguments) fail(format string, args ...any) {
	if a.err == nil {
		a.err = wrong(format, args...)
	}
}

func (a *arguments) mismatch(name string, v data.Value, want string) {
	a.fail("%s: argument %d (%s) is of kind %s, %s is wanted", a.op, a.n, name, v.Kind(), want)
}

func (a *arguments) string(name string) string {
	v := a.any(name)
	s, ok := v.AsString()
	if !ok {
		a.mismatch(name, v, "a string")
	}
	return s
}

func (a *arguments) boolean(name string) bool {
	v := a.any(name)
	b, ok := v.AsBoolean()
	if !ok {
		a.mismatch(name, v, "a boolean")
	}
	return b
}

// count is a count, or an integer that is not negative.
func (a *arguments) count(name string) uint64 {
	v := a.any(name)
	n, ok := asCount(v)
	if !ok {
		a.mismatch(name, v, "a count")
	}
	return n
}

func asCount(v data.Value) (uint64, bool) {
	if i, ok := v.AsInteger(); ok && i >= 0 {
		return uint64(i), true
	}
	return v.AsCount()
}

func (a *arguments) port(name string) int {
	n := a.count(name)
	if n > math.MaxUint16 {
		a.fail("%s: argument %d (%s) is %d, a port is 0 to 65535", a.op, a.n, name, n)
	}
	return int(n)
}

func (a *arguments) timespan(name string) time.Duration {
	v := a.any(name)
	d, ok := v.AsTimespan()
	if !ok {
		a.mismatch(name, v, "a timespan")
	}
	return d
}

// expiry is a timespan; none, or no argument at all, is 0, which means that the entry stays. An entry whose time is over when it comes
// is one that goes away at once.
func (a *arguments) expiry() time.Duration {
	if !a.more() {
		return 0
	}
	v := a.any("expiry")
	if v.IsNone() {
		return 0
	}
	d, ok := v.AsTimespan()
	if !ok {
		a.mismatch("expiry", v, "a timespan or none")
	}
	if d == 0 {
		d = 1
	}
	return d
}

// vector is an argument that is a vector.
func (a *arguments) vector(name string) data.Value {
	v := a.any(name)
	if v.Kind() != data.KindVector {
		a.mismatch(name, v, "a vector")
	}
	return v
}

// end is the first error, or that there are more arguments than the operation has.
func (a *arguments) end() error {
	if a.err == nil && a.more() {
		a.fail("%s: %d arguments, at most %d are allowed", a.op, a.n+a.in.Len(), a.n)
	}
	return a.err
}

// parseStrings reads a vector of strings in binary form; no bytes are none.
func parseStrings(name string, encoded []byte) ([]string, error) {
	a, err := parseArguments(name, encoded)
	if err != nil {
		return nil, err
	}
	return a.strings()
}

// strings are all arguments that are left.
func (a *arguments) strings() ([]string, error) {
	all := make([]string, 0, a.in.Len())
	for a.more() {
		all = append(all, a.string("topic"))
	}
	return all, a.end()
}
