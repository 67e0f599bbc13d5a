// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// draw is a source of random meshes.
type draw struct{ *rand.Rand }

func pickOf[T any](d draw, list ...T) T { return list[d.IntN(len(list))] }

func (d draw) selector() *v1alpha1.NodeSelector {
	s := &v1alpha1.NodeSelector{}
	if d.IntN(2) == 0 {
		s.MatchLabels = map[string]v1alpha1.LabelValue{"role": pickOf[v1alpha1.LabelValue](d, "a", "b", "nobody")}
	}
	for range d.IntN(3) {
		r := v1alpha1.NodeSelectorRequirement{Key: pickOf(d, "role", "site"), Operator: pickOf(d, v1alpha1.SelectorIn, v1alpha1.SelectorNotIn, v1alpha1.SelectorExists, v1alpha1.SelectorDoesNotExist)}
		if r.Operator == v1alpha1.SelectorIn || r.Operator == v1alpha1.SelectorNotIn {
			r.Values = []v1alpha1.LabelValue{"a", pickOf[v1alpha1.LabelValue](d, "b", "1", "2")}
		}
		s.MatchExpressions = append(s.MatchExpressions, r)
	}
	return s
}

func (d draw) name() string { return fmt.Sprint("n", d.IntN(8)) }

func (d draw) peering(i int) v1alpha1.Peering {
	p := v1alpha1.Peering{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("p", i)}}
	if d.IntN(2) == 0 {
		p.Spec.From.Selector = d.selector()
	} else {
		p.Spec.From.Node = d.name()
	}
	switch d.IntN(5) {
	case 0:
		p.Spec.To.Node = d.name()
	case 1:
		p.Spec.To.Address = pickOf(d, "x.example.org:1", "n1-0.n1-pods.default.svc:9999", "n2-1.n2-pods.default.svc:9999")
	case 2:
		p.Spec.To.Selector, p.Spec.To.Count = d.selector(), int32(1+d.IntN(4))
	default:
		p.Spec.To.Selector = d.selector()
	}
	return p
}

func (d draw) objects() Objects {
	var o Objects
	for i := range 7 {
		n := v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("n", i), Labels: map[string]string{"role": pickOf(d, "a", "b")}}}
		if d.IntN(2) == 0 {
			n.Labels["site"] = pickOf(d, "1", "2")
		}
		n.Spec.Replicas = pickOf(d, nil, nil, new(int32(d.IntN(4))))
		n.Spec.Forward = pickOf(d, "", "", v1alpha1.ForwardNone, v1alpha1.ForwardAll)
		n.Spec.TLS = &v1alpha1.TLSSpec{Mode: pickOf(d, "", "", "", v1alpha1.TLSDisabled)}
		if d.IntN(5) == 0 {
			n.Spec = v1alpha1.BrokerNodeSpec{External: &v1alpha1.ExternalSpec{Address: pickOf(d, "", "x.example.org:1", "X.example.org:1", "y.example.org:1", "n2-0.n2-pods.default.svc:9999")}}
		}
		o.Nodes = append(o.Nodes, n)
	}
	for i := range 1 + d.IntN(6) {
		o.Peerings = append(o.Peerings, d.peering(i))
	}
	for i := range 2 {
		s := v1alpha1.DataStore{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("s", i)}}
		s.Spec.Master.Node = d.name()
		if d.IntN(2) == 0 {
			s.Status.Master = &v1alpha1.MasterStatus{Node: d.name(), Epoch: 2, SpecNode: pickOf(d, s.Spec.Master.Node, d.name())}
		}
		s.Spec.Clones = []v1alpha1.CloneSpec{{Selector: d.selector()}, {Node: "n3"}, {Selector: d.selector()}}
		o.Stores = append(o.Stores, s)
	}
	return o
}

// TestRandomMeshes compiles random meshes: any order gives the same, configs are sound, and every pair of pods is joined once at most.
func TestRandomMeshes(t *testing.T) {
	for _, s := range seed.Several(t, 400) {
		d := draw{rand.New(rand.NewPCG(s, 1))}
		o := d.objects()
		want := Compile(o, Options{})
		d.Shuffle(len(o.Nodes), func(i, j int) { o.Nodes[i], o.Nodes[j] = o.Nodes[j], o.Nodes[i] })
		d.Shuffle(len(o.Peerings), func(i, j int) { o.Peerings[i], o.Peerings[j] = o.Peerings[j], o.Peerings[i] })
		if got := Compile(o, Options{}); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: another order gives\n%s\nnot\n%s", s, render(got), render(want))
		}
		checkPairs(t, s, want)
		checkStores(t, s, o, want)
		for _, n := range want.Nodes {
			for _, p := range n.Pods {
				if _, err := nodeconfig.Parse(p.Config.Canonical()); err != nil {
					t.Errorf("seed %d: %s: %v", s, p.Pod, err)
				}
			}
		}
	}
}

// TestAddedAndRemoved adds objects to random meshes and removes them again, in another order: the result is the old one, and no step changes
// the objects that it is given.
func TestAddedAndRemoved(t *testing.T) {
	for _, s := range seed.Several(t, 100) {
		d := draw{rand.New(rand.NewPCG(s, 4))}
		o := d.objects()
		want := Compile(o, Options{})
		o = deepCopy(o)
		more := d.objects()
		var added []func()
		for i := range more.Nodes {
			n := more.Nodes[i]
			n.Name = fmt.Sprint("extra", i)
			o.Nodes = append(o.Nodes, n)
			added = append(added, func() {
				o.Nodes = slices.DeleteFunc(o.Nodes, func(x v1alpha1.BrokerNode) bool { return x.Name == n.Name })
			})
		}
		for i := range more.Peerings {
			p := more.Peerings[i]
			p.Name = fmt.Sprint("extra", i)
			o.Peerings = append(o.Peerings, p)
			added = append(added, func() {
				o.Peerings = slices.DeleteFunc(o.Peerings, func(x v1alpha1.Peering) bool { return x.Name == p.Name })
			})
		}
		for i := range more.Stores {
			x := more.Stores[i]
			x.Name = fmt.Sprint("extra", i)
			o.Stores = append(o.Stores, x)
			added = append(added, func() {
				o.Stores = slices.DeleteFunc(o.Stores, func(y v1alpha1.DataStore) bool { return y.Name == x.Name })
			})
		}
		for _, i := range d.Perm(len(added)) {
			before := deepCopy(o)
			Compile(o, Options{})
			if !reflect.DeepEqual(o, before) {
				t.Fatalf("seed %d: the objects have changed", s)
			}
			added[i]()
		}
		if got := Compile(o, Options{}); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: without what was added the result is\n%s\nnot\n%s", s, render(got), render(want))
		}
	}
}

// checkPairs wants no pod joined with itself, no pair twice, and in the configs what the links say.
func checkPairs(t *testing.T, s uint64, r Result) {
	t.Helper()
	dialed := make(map[string]bool)
	for _, n := range r.Nodes {
		for _, p := range n.Pods {
			for _, peer := range p.Config.Peers {
				dialed[peer.Name+" "+p.Pod+" "+peer.Address] = true
			}
		}
	}
	joined := make(map[[2]string]string)
	for _, p := range r.Peerings {
		for _, l := range p.Links {
			if l.Fault != nil {
				continue // what stays in dialed then is of none
			}
			from, to := l.Source(), cmp.Or(l.To+l.BehindPod, l.Outside, l.Address)
			pair := [2]string{min(from, to), max(from, to)}
			if from == to || joined[pair] != "" {
				t.Errorf("seed %d: %s joins %v, joined by %q", s, p.Name, pair, joined[pair])
			}
			joined[pair] = p.Name
			key := p.Name + " " + l.From + " " + l.Address
			if dialed[key] != (l.From != "") {
				t.Errorf("seed %d: link %s: in the config: %v", s, key, dialed[key])
			}
			delete(dialed, key)
		}
	}
	if len(dialed) > 0 {
		t.Errorf("seed %d: dialed without a link: %v", s, slices.Sorted(maps.Keys(dialed)))
	}
}

// checkStores wants a pod to hold a store once, masters where they are, and clones of every chosen node besides.
func checkStores(t *testing.T, s uint64, o Objects, r Result) {
	t.Helper()
	for _, plan := range r.Stores {
		holders := make(map[string]int)
		for _, n := range r.Nodes {
			for _, p := range n.Pods {
				for _, store := range p.Config.Stores {
					if store.Object == plan.Object {
						holders[p.Pod]++
					}
				}
			}
		}
		for pod, n := range holders {
			if n != 1 {
				t.Errorf("seed %d: %s holds %s %d times", s, pod, plan.Object, n)
			}
		}
		if plan.Fault != nil {
			if len(holders) > 0 {
				t.Errorf("seed %d: %s is at fault and held by %v", s, plan.Object, holders)
			}
			continue
		}
		i := slices.IndexFunc(o.Stores, func(d v1alpha1.DataStore) bool { return d.Name == plan.Object })
		for _, n := range o.Nodes {
			chosen := slices.ContainsFunc(o.Stores[i].Spec.Clones, func(c v1alpha1.CloneSpec) bool {
				return c.Node == n.Name || c.Selector != nil && Matches(c.Selector, n.Labels)
			})
			for _, pod := range Pods(&n) {
				if chosen && n.Name != plan.Master && holders[pod] == 0 {
					t.Errorf("seed %d: %s is chosen and doesn't hold %s", s, pod, plan.Object)
				}
			}
		}
	}
}

// TestNewWorker adds a node and a replica: configs change only where somebody has to connect to the new pod, or has to let go of another.
func TestNewWorker(t *testing.T) {
	label := func(role string) *v1alpha1.NodeSelector {
		return &v1alpha1.NodeSelector{MatchLabels: map[string]v1alpha1.LabelValue{"role": v1alpha1.LabelValue(role)}}
	}
	var o Objects
	for _, n := range []string{"a", "b", "c", "manager"} {
		node := v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: n, Labels: map[string]string{"role": "worker"}}}
		if n == "manager" {
			node.Labels["role"] = n
		}
		o.Nodes = append(o.Nodes, node)
	}
	o.Peerings = []v1alpha1.Peering{
		{ObjectMeta: metav1.ObjectMeta{Name: "star"}, Spec: v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Selector: label("worker")}, To: v1alpha1.PeeringTo{Node: "manager"}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "mesh"}, Spec: v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Selector: label("worker")}, To: v1alpha1.PeeringTo{Selector: label("worker")}}},
	}
	changed := func(change func(*Objects)) []string {
		before := Compile(o, Options{})
		after := Objects{Nodes: slices.Clone(o.Nodes), Peerings: o.Peerings}
		change(&after)
		was := make(map[string]string)
		for _, n := range before.Nodes {
			was[n.Node] = n.Hash
		}
		var names []string
		for _, n := range Compile(after, Options{}).Nodes {
			if was[n.Node] != n.Hash {
				names = append(names, n.Node)
			}
		}
		if again := Compile(o, Options{}); !reflect.DeepEqual(again, before) {
			t.Error("without what was added the result is another")
		}
		return names
	}
	add := func(name string) func(*Objects) {
		return func(o *Objects) {
			o.Nodes = append(o.Nodes, v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"role": "worker"}}})
		}
	}
	for _, test := range []struct {
		what   string
		change func(*Objects)
		want   []string
	}{
		{"a worker that sorts last", add("d"), []string{"d"}},
		{"a worker between others: the later connect", add("ab"), []string{"ab", "b", "c"}},
		{"another replica of the last", func(o *Objects) { o.Nodes[2].Spec.Replicas = new(int32(2)) }, []string{"c"}},
		{"a node of another role", func(o *Objects) { add("d")(o); o.Nodes[4].Labels = nil }, []string{"d"}},
	} {
		if got := changed(test.change); !slices.Equal(got, test.want) {
			t.Errorf("%s: configs changed of %v, want %v", test.what, got, test.want)
		}
	}
}

// TestRendezvous adds and removes candidates: who chooses keeps what it has, but for what goes and one place for what comes; the choices
// are spread.
func TestRendezvous(t *testing.T) {
	d := draw{rand.New(rand.NewPCG(seed.For(t), 2))}
	for range 50 {
		names := make(map[string]bool)
		for len(names) < 30 {
			names[fmt.Sprintf("proxy-%d", d.IntN(1000))] = true
		}
		all := slices.Sorted(maps.Keys(names))
		n := 1 + d.IntN(5)
		gone := all[d.IntN(len(all))]
		before, after := choices(all, n), choices(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == gone }), n)
		for who, had := range before {
			if who == gone {
				continue
			}
			kept := slices.DeleteFunc(slices.Clone(had), func(s string) bool { return s == gone })
			for _, other := range kept {
				if !slices.Contains(after[who], other) {
					t.Errorf("%s of %d: without %s it lets go of %s: %v, then %v", who, n, gone, other, had, after[who])
				}
			}
			if len(after[who]) != n || slices.Contains(had, who) {
				t.Errorf("%s chooses %v", who, after[who])
			}
		}
	}
	taken := make(map[string]int)
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("w%03d-0", i))
	}
	for _, chosen := range choices(many, 4) {
		for _, m := range chosen {
			taken[m]++
		}
	}
	if most := slices.Max(slices.Collect(maps.Values(taken))); most > 16 || len(taken) < 480 {
		t.Errorf("one of 500 is chosen by %d of 500 that choose 4; %d are chosen at all", most, len(taken))
	}
}

// choices is what each of the pods chooses of all.
func choices(pods []string, n int) map[string][]string {
	c := &compiler{}
	all := make([]int, len(pods))
	for i, pod := range pods {
		c.members, all[i] = append(c.members, member{pod: pod, weight: weightOf(pod)}), i
	}
	out := make(map[string][]string)
	for i, pod := range pods {
		for _, m := range c.heaviest(i, all, n) {
			out[pod] = append(out[pod], pods[m])
		}
	}
	return out
}

// BenchmarkCompile compiles ten thousand objects: workers by label around a manager and proxies, workers by name, and stores on them.
func BenchmarkCompile(b *testing.B) {
	o := large()
	b.ReportAllocs()
	for b.Loop() {
		if r := Compile(o, Options{}); len(r.Findings) > 0 {
			b.Fatal(r.Findings[0])
		}
	}
}

func large() Objects {
	var o Objects
	node := func(name, role string) {
		o.Nodes = append(o.Nodes, v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"role": role}}})
	}
	node("manager", "manager")
	for i := range 20 {
		node(fmt.Sprintf("proxy-%d", i), "proxy")
	}
	sel := func(role string) *v1alpha1.NodeSelector {
		return &v1alpha1.NodeSelector{MatchLabels: map[string]v1alpha1.LabelValue{"role": v1alpha1.LabelValue(role)}}
	}
	for i := range 4000 {
		name := fmt.Sprintf("worker-%d", i)
		node(name, "worker")
		o.Peerings = append(o.Peerings, v1alpha1.Peering{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PeeringSpec{
			From: v1alpha1.PeeringFrom{Node: name}, To: v1alpha1.PeeringTo{Node: "manager"}}})
	}
	o.Peerings = append(o.Peerings,
		v1alpha1.Peering{ObjectMeta: metav1.ObjectMeta{Name: "proxies"}, Spec: v1alpha1.PeeringSpec{
			From: v1alpha1.PeeringFrom{Selector: sel("proxy")}, To: v1alpha1.PeeringTo{Selector: sel("proxy")}}},
		v1alpha1.Peering{ObjectMeta: metav1.ObjectMeta{Name: "workers-proxies"}, Spec: v1alpha1.PeeringSpec{
			From: v1alpha1.PeeringFrom{Selector: sel("worker")}, To: v1alpha1.PeeringTo{Selector: sel("proxy"), Count: 2}}})
	for i := range 1978 {
		s := v1alpha1.DataStore{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("store-%d", i)}}
		s.Spec.Master.Node = fmt.Sprintf("worker-%d", 2*i)
		s.Spec.Clones = []v1alpha1.CloneSpec{{Node: fmt.Sprintf("proxy-%d", i%20)}, {Node: fmt.Sprintf("worker-%d", 2*i+1)}}
		o.Stores = append(o.Stores, s)
	}
	return o
}

// TestOverNodes compares what is known of the parts of a mesh with a search of every pair, in random meshes.
func TestOverNodes(t *testing.T) {
	for _, s := range seed.Several(t, 200) {
		d := draw{rand.New(rand.NewPCG(s, 3))}
		o := d.objects()
		c := newCompiler(o, Options{})
		c.peerings(o.Peerings)
		for a := range c.members {
			for b := range c.members {
				if a == b {
					continue
				}
				if got, want := c.overNodes(a, b), c.search(a, b); got != want {
					t.Fatalf("seed %d: %s to %s over nodes: %v, a search says %v\n%s", s, c.members[a].pod, c.members[b].pod, got, want, render(Compile(o, Options{})))
				}
				if got, want := c.ways().part[a] == c.ways().part[b], c.reaches(a, b, func(int, int) bool { return true }); got != want {
					t.Fatalf("seed %d: %s and %s in one part: %v, a search says %v", s, c.members[a].pod, c.members[b].pod, got, want)
				}
			}
		}
	}
}

func (c *compiler) search(a, b int) bool {
	all := func(m int) bool { return c.members[m].node.Spec.Forward == v1alpha1.ForwardAll }
	return !all(a) && !all(b) && c.reaches(a, b, func(at, to int) bool { return (c.relays(to) || to == b) && (at != a || to != b) })
}

func (c *compiler) reaches(a, b int, may func(at, to int) bool) bool {
	seen := map[int]bool{a: true}
	for todo := []int{a}; len(todo) > 0; todo = todo[1:] {
		for _, h := range c.hops[todo[0]] {
			if !seen[h.to] && may(todo[0], h.to) {
				seen[h.to] = true
				todo = append(todo, h.to)
			}
		}
	}
	return seen[b]
}
