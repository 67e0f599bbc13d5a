// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// text is the binary form of a literal.
func encoded(t *testing.T, literal string) []byte {
	t.Helper()
	v, err := data.ParseText(literal)
	if err != nil {
		t.Fatal(err)
	}
	return v.AppendBinary(nil)
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		name, args string
		read       func(a *arguments) any
		want       any
		err        string
	}{
		{"string", `("x")`, func(a *arguments) any { return a.string("s") }, "x", ""},
		{"no string", `(1)`, func(a *arguments) any { return a.string("s") }, "", "op: argument 1 (s) is of kind count, a string is wanted"},
		{"missing", `()`, func(a *arguments) any { return a.string("s") }, "", "op: argument 1 (s) is missing"},
		{"count", `(7)`, func(a *arguments) any { return a.count("n") }, uint64(7), ""},
		{"integer", `(+7)`, func(a *arguments) any { return a.count("n") }, uint64(7), ""},
		{"negative", `(-7)`, func(a *arguments) any { return a.count("n") }, nil, "(n) is of kind integer"},
		{"port", `(65535)`, func(a *arguments) any { return a.port("p") }, 65535, ""},
		{"no port", `(65536)`, func(a *arguments) any { return a.port("p") }, nil, "is 65536, a port is 0 to 65535"},
		{"timespan", `(5s)`, func(a *arguments) any { return a.timespan("t") }, 5 * time.Second, ""},
		{"no timespan", `(5)`, func(a *arguments) any { return a.timespan("t") }, nil, "a timespan is wanted"},
		{"boolean", `(T)`, func(a *arguments) any { return a.boolean("b") }, true, ""},
		{"no boolean", `(nil)`, func(a *arguments) any { return a.boolean("b") }, nil, "a boolean is wanted"},
		{"expiry", `(-3s)`, func(a *arguments) any { return a.expiry() }, -3 * time.Second, ""},
		{"no expiry", `(nil)`, func(a *arguments) any { return a.expiry() }, time.Duration(0), ""},
		{"expiry left out", `()`, func(a *arguments) any { return a.expiry() }, time.Duration(0), ""},
		{"expiry at once", `(0s)`, func(a *arguments) any { return a.expiry() }, time.Duration(1), ""},
		{"wrong expiry", `(1)`, func(a *arguments) any { return a.expiry() }, nil, "a timespan or none is wanted"},
		{"retry", `(2700ms)`, func(a *arguments) any { return a.retry() }, 2 * time.Second, ""},
		{"no retry", `(900ms)`, func(a *arguments) any { return a.retry() }, time.Duration(0), ""},
		{"negative retry", `(-9s)`, func(a *arguments) any { return a.retry() }, time.Duration(0), ""},
		{"address", `("::1", 80)`, func(a *arguments) any { return a.address() }, "[::1]:80", ""},
		{"too many", `("x", 1, 2)`, func(a *arguments) any { return a.string("s") }, "x", "op: 3 arguments, at most 1 are allowed"},
		{"no vector", `{1}`, func(a *arguments) any { return nil }, nil, "op: the arguments are a set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := parseArguments("op", encoded(t, c.args))
			var got any
			if err == nil {
				got = c.read(a)
				err = a.end()
			}
			if c.err == "" && (err != nil || got != c.want) {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || Result(err) != BadArg) {
				t.Errorf("got %v; want %q", err, c.err)
			}
		})
	}
}

func TestWrites(t *testing.T) {
	for _, c := range []struct{ op, args, err string }{
		{"put", `(1, 2)`, ""}, {"put", `(1, 2, 3s)`, ""}, {"put", `(1)`, "value"}, {"erase", `(1)`, ""}, {"erase", `(1, nil)`, "at most 1"},
		{"clear", `()`, ""}, {"increment", `(1, 2, nil)`, ""}, {"decrement", `(1)`, "operand"}, {"append", `(1, "x")`, ""},
		{"insert_into", `(1, 2)`, ""}, {"insert_into_table", `(1, 2)`, "value"}, {"insert_into_table", `(1, 2, 3, 4s)`, ""},
		{"remove_from", `(1, 2)`, ""}, {"push", `(1, 2)`, ""}, {"pop", `(1)`, ""}, {"pop", `(1, 2s)`, ""}, {"burn", `()`, `"burn" is unknown`},
	} {
		a, err := parseArguments(c.op, encoded(t, c.args))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = a.write(); err == nil {
			err = a.end()
		}
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s%s: got %v, want %q", c.op, c.args, err, c.err)
		}
	}
}

// FuzzArguments reads any bytes as the arguments of every operation, and as options.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{`("127.0.0.1", 80, 3s)`, `(1, 2, nil)`, `((("k", T, 1)), (("put", 1, 2)))`, `{"backend" -> "sqlite", "path" -> "x"}`, `{"disable_ssl" -> T}`} {
		v, err := data.ParseText(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(v.AppendBinary(nil))
	}
	f.Add([]byte{14, 200})
	ops := []string{"put", "erase", "clear", "increment", "append", "insert_into_table", "pop"}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, op := range ops {
			if a, err := parseArguments(op, b); err == nil {
				_, _ = a.write()
				_ = a.end()
			}
		}
		if a, err := parseArguments("batch", b); err == nil {
			if _, err := a.batch(); err == nil && a.end() == nil {
				_ = a.more()
			}
		}
		_, _ = parseStrings("topics", b)
		if s, err := parseSettings(b); err == nil && s.TLS == nil && !s.plain {
			t.Error("neither TLS nor plain TCP")
		}
		_, _ = parseStoreOptions(b)
	})
}
