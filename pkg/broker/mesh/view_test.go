// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

var start = time.Unix(1_700_000_000, 0)

// id makes the ID of a node or leaf with a name of one letter.
func id(name byte) ID { return ID{name} }

func ids(names string) []ID {
	var out []ID
	for _, n := range []byte(names) {
		out = append(out, id(n))
	}
	return out
}

func name(id ID) string {
	if id.IsZero() {
		return "-"
	}
	return string(id[:1])
}

// world is what all nodes of a mesh say. It is written as lines "a: bc /want x=/leaf-want x!/foreign-want": node a with neighbours b
// and c, its own wants, client or foreign leaves.
func world(t testing.TB, text string) map[ID]*wire.LinkState {
	t.Helper()
	out := make(map[ID]*wire.LinkState)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		ls := &wire.LinkState{Node: id(fields[0][0]), Version: 1}
		for _, f := range fields[1:] {
			switch {
			case f[0] == '/':
				ls.Wants = append(ls.Wants, f)
			case len(f) > 1 && f[1] == '=':
				ls.Leaves = append(ls.Leaves, wire.Leaf{ID: id(f[0]), Class: wire.LeafClient, Filter: []string{f[2:]}})
			case len(f) > 1 && f[1] == '!':
				ls.Leaves = append(ls.Leaves, wire.Leaf{ID: id(f[0]), Class: wire.LeafForeign, Filter: []string{f[2:]}})
			default:
				ls.Neighbours = append(ls.Neighbours, ids(f)...)
			}
		}
		out[ls.Node] = ls
	}
	return out
}

// viewOf is what a node sees of a world.
func viewOf(w map[ID]*wire.LinkState, self ID) *View {
	d := NewDatabase(self, 1)
	own := nodeOf(w[self])
	for _, n := range own.Neighbours {
		d.Link(n, nil)
	}
	d.Own(own.Wants, own.Leaves, false)
	for _, ls := range w {
		if ls.Node != self {
			d.Apply(ls.Node, ls, ls.Append(nil))
		}
	}
	return d.View(start)
}

func TestTrees(t *testing.T) {
	ring := "a: bd\n b: ac\n c: bd\n d: ac"
	for _, c := range []struct {
		world, self, root string
		parent, children  string
		depth             int
	}{
		{ring, "a", "a", "-", "bd", 0},
		{ring, "c", "a", "b", "", 2}, // over b, which is smaller than d
		{ring, "b", "a", "a", "c", 1},
		{ring, "d", "a", "a", "", 1},
		{"a: b\n b: ac\n c: bd\n d: c", "b", "a", "a", "c", 1},
		{"a: b\n b: ac\n c: bd\n d: c", "b", "d", "c", "a", 2},
		{"a: b\n b: acd\n c: b\n d: \n e: d", "a", "b", "b", "", 1},
		{"a: b\n b: acd\n c: b\n d: \n e: d", "c", "a", "b", "", 2}, // d doesn't know of b
	} {
		v := viewOf(world(t, c.world), id(c.self[0]))
		tree := v.Tree(id(c.root[0]))
		children := ""
		for _, id := range tree.Children {
			children += name(id)
		}
		if name(tree.Parent) != c.parent || children != c.children || tree.Depth != c.depth {
			t.Errorf("%s in the tree of %s: parent %s, children %q, depth %d", c.self, c.root, name(tree.Parent), children, tree.Depth)
		}
	}
}

func TestRoute(t *testing.T) {
	line := "a: b x=/m\n b: ac /m\n c: bd y!/m\n d: c /m z!/m w=/other"
	two := "a: b x!/m y!/m\n b: ac x!/m\n c: b z!/m y!/m"
	for _, c := range []struct {
		name, world, entering, origin, topic, want string
	}{
		{"from an end", line, "a", "a", "/m/1", "a>x ab+ bc c>y cd+ d>z"},
		{"from the middle", line, "c", "c", "/m/1", "cb+ c>y cd+ ba d>z a>x"},
		{"nobody", line, "a", "a", "/none", ""},
		{"one", line, "a", "a", "/other", "ab bc cd d>w"},
		{"from a leaf", line, "a", "x", "/m", "ab+ bc c>y cd+ d>z"},
		{"from nowhere", line, "q", "q", "/m", ""},
		{"leaf of two nodes", two, "b", "b", "/m", "ba bc c>z a>x a>y"},
		{"foreign leaves that may know each other", two, "a", "y", "/m", "ab bc"},
		{"foreign leaves of different nodes", two, "a", "x", "/m", "ab bc c>z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, self := range "abc" {
				v := viewOf(world(t, c.world), id(byte(self)))
				var got []string
				for _, s := range v.Route(id(c.entering[0]), id(c.origin[0]), c.topic) {
					step := name(s.From) + name(s.To)
					if s.Leaf {
						step = name(s.From) + ">" + name(s.To)
					} else if s.Wants {
						step += "+"
					}
					got = append(got, step)
				}
				want := strings.Fields(c.want)
				if !equalSets(got, want) {
					t.Errorf("as %c sees it: %q, want %q", self, got, want)
				}
			}
		})
	}
}

func equalSets(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// TestLeaves looks at entries, exits, ways to one endpoint, and what leaves are asked for.
func TestLeaves(t *testing.T) {
	w := world(t, "a: b /a x!/x y!/y p=/p\n b: ac /b x!/x q=/q\n c: b /c y!/y x!/x z!/z p=/p")
	for _, self := range "abc" {
		v := viewOf(w, id(byte(self)))
		for leaf, exit := range map[byte]string{'x': "a", 'y': "a", 'z': "c", 'p': "a", 'q': "b"} {
			if got, ok := v.Exit(id(leaf)); !ok || name(got) != exit {
				t.Errorf("exit of %c is %s", leaf, name(got))
			}
		}
		if _, ok := v.Exit(id('a')); ok {
			t.Error("a node has an exit")
		}
		if !v.Apart(id('x'), id('y')) || !v.Apart(id('y'), id('z')) || v.Apart(id('p'), id('q')) || v.Apart(id('x'), id('p')) {
			t.Error("foreign leaves of one node")
		}
	}
	v := viewOf(w, id('b'))
	for _, c := range []struct{ root, to, hop string }{{"a", "z", "c"}, {"a", "q", "b"}, {"c", "x", "a"}, {"b", "a", "a"}, {"b", "c", "c"}, {"a", "x", "-"}, {"b", "?", "-"}} {
		hop, ok := v.NextHop(v.Tree(id(c.root[0])), id(c.to[0]))
		if ok != (c.hop != "-") || ok && name(hop) != c.hop {
			t.Errorf("from %s to %s over %s, %v", c.root, c.to, name(hop), ok)
		}
	}
	v = viewOf(w, id('a'))
	for _, c := range []struct {
		leaf  byte
		class uint8
		want  string
	}{
		{0, wire.LeafForeign, "/b /c /p /q /x /y /z"},
		{'?', wire.LeafClient, "/b /c /p /q /x /y /z"},
		{'p', wire.LeafClient, "/b /c /q /x /y /z"},
		{'x', wire.LeafForeign, "/b /c /p /q"},
	} {
		leaf := ID{}
		if c.leaf != 0 {
			leaf = id(c.leaf)
		}
		if got := strings.Join(v.RemoteWants(leaf, c.class), " "); got != c.want {
			t.Errorf("leaf %c is asked for %s", c.leaf, got)
		}
	}
}

// TestProvisional: a neighbour that has said nothing yet is taken for one, with the wants of its handshake, until it has.
func TestProvisional(t *testing.T) {
	d := NewDatabase(id('a'), 1)
	d.Link(id('b'), topic.NewFilter("/m"))
	v := d.View(start)
	if got := v.AppendChildren(nil, v.Tree(id('a')), []byte("/m/1")); !slices.Equal(got, ids("b")) {
		t.Errorf("children %v", got)
	}
	if v.Tree(id('b')).Parent != id('b') {
		t.Error("messages of the neighbour are not taken from it")
	}
	ls := &wire.LinkState{Node: id('b'), Version: 5}
	d.Apply(id('b'), ls, ls.Append(nil)) // of the time before the connection
	if !d.View(start).Reaches(id('b')) {
		t.Error("an old advertisement ended the connection")
	}
	for version, neighbours := range []string{"a", "c"} {
		ls = &wire.LinkState{Node: id('b'), Version: 6 + uint64(version), Neighbours: ids(neighbours)}
		d.Apply(id('b'), ls, ls.Append(nil))
		v = d.View(start)
		if got := v.AppendChildren(nil, v.Tree(id('a')), []byte("/m/1")); len(got) != 0 || v.Reaches(id('b')) != (neighbours == "a") {
			t.Errorf("version %d: children %v", ls.Version, got)
		}
	}
}

func TestApply(t *testing.T) {
	d := NewDatabase(id('a'), 100)
	d.Link(id('b'), nil)
	d.Own(nil, nil, false)
	ls := func(node byte, version uint64, neighbours string, leaves ...byte) *wire.LinkState {
		l := &wire.LinkState{Node: id(node), Version: version, Neighbours: ids(neighbours)}
		for _, x := range leaves {
			l.Leaves = append(l.Leaves, wire.Leaf{ID: id(x), Class: wire.LeafClient})
		}
		return l
	}
	for i, c := range []struct {
		ls   *wire.LinkState
		want News
	}{
		{ls('b', 10, "ac", 'x'), Newer},
		{ls('b', 10, "ac", 'x'), Known},
		{ls('b', 9, "a"), Older},
		{ls('b', 11, "acd", 'x'), Newer},
		{ls('b', 12, "acd"), Less}, // without its leaf
		{ls('b', 13, "ac"), Less},
		{ls('b', 14, "ac"), Newer},
		{ls('c', 1, "b"), Newer},
		{ls('a', 3, ""), Older},
		{ls('a', 101, ""), Known},
		{ls('a', 102, ""), Ahead},
	} {
		if got := d.Apply(id('b'), c.ls, c.ls.Append(nil)); got != c.want {
			t.Errorf("%d: %d, want %d", i, got, c.want)
		}
		d.View(start)
	}
	if d.Version() <= 102 {
		t.Errorf("own version %d", d.Version())
	}
	if got := d.All(); !slices.Equal(got, ids("bca")) {
		t.Errorf("%v", got)
	}
	// What is known of nodes out of reach is passed on once, and forgotten after a while.
	d.Unlink(id('b'))
	d.View(start)
	for i, want := range []News{Newer, Known} {
		if got := d.Apply(id('b'), ls('c', 1, "b"), nil); got != want {
			t.Errorf("%d: %d", i, got)
		}
	}
	d.Expire(start.Add(ForgetAfter - 1))
	if len(d.All()) != 3 || d.View(start).Tree(id('c')) == nil {
		t.Error("forgotten too early")
	}
	d.Expire(start.Add(ForgetAfter))
	if v := d.View(start); len(d.All()) != 1 || v.Tree(id('c')) != nil || v.Tree(id('a')) == nil {
		t.Error("not forgotten")
	}
}

// TestOwn makes advertisements that others can read, however much there is to say.
func TestOwn(t *testing.T) {
	d := NewDatabase(id('a'), 1)
	if changed, _ := d.Own(nil, nil, false); changed {
		t.Error("nothing new is an advertisement")
	}
	var many []string
	for i := range 12_000 {
		many = append(many, fmt.Sprintf("/a/long/topic/that/takes/many/bytes/on/the/wire/%05d", i))
	}
	leaves := []Leaf{{id('y'), wire.LeafClient, topic.NewFilter(many[:9000]...)}, {id('x'), wire.LeafForeign, topic.NewFilter(many[:9500]...)},
		{id('z'), wire.LeafForeign, topic.NewFilter("/z")}}
	d.Link(id('b'), nil)
	if changed, loss := d.Own(topic.NewFilter(many...), leaves, true); !changed || loss {
		t.Error("no news")
	}
	ls, err := wire.ParseLinkState(d.Advertisement(id('a')))
	if err != nil {
		t.Fatal(err)
	}
	if ls.Version != 2 || !ls.Times || !slices.Equal(ls.Neighbours, ids("b")) || !reflect.DeepEqual(ls.Wants, []string{""}) || len(ls.Leaves) != 3 ||
		!reflect.DeepEqual(ls.Leaves[2].Filter, []string{"/z"}) || len(ls.Leaves[1].Filter) != 9000 {
		t.Errorf("version %d, %d wants, %d leaves", ls.Version, len(ls.Wants), len(ls.Leaves))
	}
	if changed, loss := d.Own(topic.NewFilter(many...), leaves[:1], true); !changed || !loss {
		t.Error("leaves that have gone are a loss")
	}
	d.Renew()
	if d.Version() != 4 {
		t.Errorf("version %d", d.Version())
	}
}

func TestStream(t *testing.T) {
	var s Stream
	for i, c := range []struct {
		from, parent byte
		lane         Lane
		number       uint64
		want         Verdict
	}{
		{'b', 'a', LaneData, 1, NotParent},
		{'a', 'a', LaneData, 5, Accepted},
		{'a', 'a', LaneData, 5, Duplicate},
		{'a', 'a', LaneData, 4, Duplicate},
		{'a', 'a', LaneCommand, 4, Accepted},
		{'a', 'b', LaneData, 6, Accepted}, // was under way when the parent changed
		{'b', 'b', LaneData, 6, Duplicate},
		{'a', 'b', LaneData, 7, Accepted},
		{'b', 'b', LaneData, 8, Accepted},
		{'a', 'b', LaneData, 9, NotParent},
		{'a', 'b', LaneCommand, 9, Accepted},
	} {
		if got := s.Accept(id(c.from), id(c.parent), c.lane, c.number); got != c.want {
			t.Errorf("%d: %d, want %d", i, got, c.want)
		}
	}
}

// TestGoodbye: a node that ends all its connections has said nothing of it, and its neighbours notice one after the other. Its tree
// stays what it was until it says something else, so that what it has sent before comes through.
func TestGoodbye(t *testing.T) {
	say := func(d *Database, text string, version uint64) {
		for _, ls := range world(t, text) {
			ls.Version = version
			d.Apply(id('c'), ls, ls.Append(nil))
		}
	}
	d := NewDatabase(id('d'), 1)
	d.Link(id('c'), nil)
	d.Link(id('e'), nil)
	d.Own(nil, nil, false)
	// z is linked to a and f, at both ends of a line; from z there are three hops to d over f and four over a.
	say(d, "z: af\n a: bz\n b: ac\n c: bd\n e: df\n f: ez", 1)
	tree := func() string {
		if tr := d.View(start).Tree(id('z')); tr != nil {
			return name(tr.Parent)
		}
		return "none"
	}
	if got := tree(); got != "e" {
		t.Fatalf("parent %s", got)
	}
	for i, news := range []string{"f: e", "a: b"} { // over f there is no way any more, then over a neither
		say(d, news, 2)
		if got := tree(); got != "e" {
			t.Errorf("after %d neighbours have noticed: parent %s", i+1, got)
		}
	}
	if d.View(start).Reaches(id('z')) {
		t.Error("still reachable")
	}
	say(d, "a: bz", 3)
	say(d, "z: a", 2) // it is back, with one connection
	if got := tree(); got != "c" {
		t.Errorf("parent %s", got)
	}
}

// TestOwnLongPrefixes has leaves that want topics as long as they can be: few prefixes, and too many bytes. The shortest stay.
func TestOwnLongPrefixes(t *testing.T) {
	d := NewDatabase(id('a'), 1)
	leaves := []Leaf{{ID: ID{1}, Class: wire.LeafForeign, Wants: topic.NewFilter("/short")}}
	for i := range 40 {
		leaves = append(leaves, Leaf{ID: ID{2, byte(i)}, Class: wire.LeafForeign, Wants: topic.NewFilter(strings.Repeat("x", wire.MaxTopic-i))})
	}
	d.Own(topic.NewFilter("/own"), leaves, false)
	ls, err := wire.ParseLinkState(d.Advertisement(id('a')))
	if err != nil {
		t.Fatal(err)
	}
	long := 0
	for _, l := range ls.Leaves[1:] {
		if len(l.Filter) != 1 || l.Filter[0] != "" && len(l.Filter[0]) < wire.MaxTopic-40 {
			t.Errorf("leaf %v wants %.20q", l.ID, l.Filter)
		}
		long += len(l.Filter[0]) / (wire.MaxTopic - 40)
	}
	if long != 15 || !slices.Equal(ls.Wants, []string{"/own"}) || !slices.Equal(ls.Leaves[0].Filter, []string{"/short"}) {
		t.Errorf("%d long prefixes of leaves, %q and %q", long, ls.Wants, ls.Leaves[0].Filter)
	}
}
