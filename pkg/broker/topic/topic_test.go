// SPDX-License-Identifier: Apache-2.0

package topic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
)

func TestJoin(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"a", "b", "a/b"}, {"a", "/b", "a/b"}, {"", "b", "b"}, {"a", "", "a"}, {"a/", "b", "a//b"}, {"a", "b/", "a/b"}, {"", "", ""}, {"a/", "", "a"},
	} {
		if got := Join(c.a, c.b); got != c.want {
			t.Errorf("Join(%q, %q) = %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

func TestStoreTopics(t *testing.T) {
	for got, want := range map[string]string{
		Master("s1"):      "s1/<$>/data/master",
		Clone("a/"):       "a//<$>/data/clone",
		StoreEvents("/x"): "<$>/local/data/store-events/x",
		StoreEvents("x"):  "<$>/local/data/store-events/x",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestReserved(t *testing.T) {
	for topic, want := range map[string]bool{"<$>": true, "<$>/local/x": true, "<$>x": false, "a/<$>/data/clone": false, "": false} {
		if IsReserved(topic) != want {
			t.Errorf("IsReserved(%q) = %v", topic, !want)
		}
	}
	if !IsLocal([]byte("<$>/local/data/errors")) || IsLocal("<$>/loc") {
		t.Error("IsLocal")
	}
}

func TestNewFilter(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"/b", "/a", "/b"}, []string{"/a", "/b"}},
		{[]string{"/gamma/sub", "/fwd", "/gamma"}, []string{"/fwd", "/gamma"}},
		{[]string{"x", "", "y"}, []string{""}},
		{[]string{"ab", "a!", "a", "b"}, []string{"a", "b"}},
	} {
		in := slices.Clone(c.in)
		if got := NewFilter(c.in...); !slices.Equal(got, c.want) {
			t.Errorf("NewFilter(%q) = %q, want %q", c.in, got, c.want)
		}
		if !slices.Equal(in, c.in) {
			t.Errorf("NewFilter changed its argument to %q", c.in)
		}
	}
}

func TestPublic(t *testing.T) {
	f := NewFilter("/a", "<$>/local/data/errors", "zeek/")
	if got := f.Public(); !got.Equal(Filter{"/a", "zeek/"}) {
		t.Errorf("Public() = %q", got)
	}
}

// TestAgainstModel compares filters and tables with the definition: a prefix wants a topic that begins with it.
func TestAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 0))
	text := func() string {
		var b strings.Builder
		for range r.IntN(5) {
			b.WriteByte("ab/"[r.IntN(3)])
		}
		return b.String()
	}
	for range 2000 {
		raw := make([][]string, 1+r.IntN(4))
		var filters []Filter
		var entries []Entry[int]
		for i := range raw {
			for range r.IntN(5) {
				raw[i] = append(raw[i], text())
			}
			filters = append(filters, NewFilter(raw[i]...))
			for _, p := range filters[i] {
				entries = append(entries, Entry[int]{p, i})
			}
		}
		table, union := NewTable(entries), Union(filters...)
		for range 20 {
			topic := text()
			var want []int
			for i, prefixes := range raw {
				if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(topic, p) }) {
					want = append(want, i)
				}
				if filters[i].Matches(topic) != slices.Contains(want, i) {
					t.Fatalf("filter %q (of %q), topic %q: Matches is wrong", filters[i], prefixes, topic)
				}
			}
			got := table.AppendMatches(nil, []byte(topic))
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("table of %q, topic %q: %v, want %v", raw, topic, got, want)
			}
			if union.Matches(topic) != (len(want) > 0) {
				t.Fatalf("union of %q, topic %q", raw, topic)
			}
		}
	}
}

func TestAppendMatchesAllocates(t *testing.T) {
	table := NewTable([]Entry[int]{{"/a", 1}, {"/ab", 2}, {"", 3}})
	buf, name := make([]int, 0, 8), []byte("/abc")
	if n := testing.AllocsPerRun(100, func() { buf = table.AppendMatches(buf[:0], name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if !slices.Equal(buf, []int{3, 1, 2}) {
		t.Errorf("matches %v", buf)
	}
	if table.Empty() || !NewTable[int](nil).Empty() {
		t.Error("Empty")
	}
}

func BenchmarkAppendMatches(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var entries []Entry[int]
			for i := range n {
				entries = append(entries, Entry[int]{fmt.Sprintf("zeek/topic/%d/", i), i})
			}
			table, buf, name := NewTable(entries), make([]int, 0, 8), []byte("zeek/topic/7/x")
			for b.Loop() {
				buf = table.AppendMatches(buf[:0], name)
			}
		})
	}
}
