// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func node(mods ...func(*v1alpha1.BrokerNode)) *v1alpha1.BrokerNode {
	n := &v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: "worker-1", Namespace: "demo", UID: "11111111-2222-3333-4444-555555555555"}}
	for _, mod := range mods {
		mod(n)
	}
	return n
}

func withStorage(size string, class *string) func(*v1alpha1.BrokerNode) {
	return func(n *v1alpha1.BrokerNode) {
		n.Spec.Storage = &v1alpha1.StorageSpec{Size: resource.MustParse(size), Class: class}
	}
}

func everything(n *v1alpha1.BrokerNode) {
	withStorage("1Gi", new("fast"))(n)
	n.Spec.Image = "registry.example/node:v9"
	n.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}, {Name: "other"}, {Name: "pull"}}
	n.Spec.Listen = &v1alpha1.ListenSpec{Port: 4000}
	n.Spec.WebSocket = &v1alpha1.WebSocketSpec{Port: 4001}
	n.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSDisabled}
	n.Spec.Queues = &v1alpha1.QueuesSpec{PeerMessages: 100, PeerSize: new(resource.MustParse("1Mi")), PeerOverflow: v1alpha1.OverflowDisconnect}
	n.Spec.Resources = &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1000m")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("100Mi")},
	}
}

func input(n *v1alpha1.BrokerNode) Input {
	return Input{
		Node: n, Image: "brokermesh-node:v1", Revision: 7,
		Configs:      map[string][]byte{"worker-1-0": []byte(`{"version":1}`)},
		Certificates: Certificates{CA: []byte("ca"), Cert: []byte("cert"), Key: []byte("key")},
	}
}

// TestGolden compares everything that would be applied with the files in testdata; -rewrite writes them anew.
func TestGolden(t *testing.T) {
	for name, n := range map[string]*v1alpha1.BrokerNode{
		"plain":      node(),
		"everything": node(everything),
		"anonymous":  node(func(n *v1alpha1.BrokerNode) { n.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSAnonymous} }),
		"overlaid":   node(overlaidNode),
		"websocket":  node(func(n *v1alpha1.BrokerNode) { n.Spec.WebSocket = &v1alpha1.WebSocketSpec{} }),
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			objects := Build(input(n))
			list := objects.List()
			for _, o := range objects.Optionals(n) {
				if o.Wanted {
					list = append(list, o.Object)
				}
			}
			for _, o := range list {
				doc, err := Document(o)
				if err != nil {
					t.Fatal(err)
				}
				b, err := yaml.Marshal(doc)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(b)
			}
			file := filepath.Join("testdata", name+".yaml")
			if *rewrite {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s; go test -rewrite shows how:\n%s", file, got.Bytes())
			}
		})
	}
}

// TestWhatRollsAPod changes one thing at a time and looks at the pod template.
func TestWhatRollsAPod(t *testing.T) {
	base := Build(input(node()))
	for name, c := range map[string]struct {
		mod  func(*Input)
		roll bool
	}{
		"image":         {func(in *Input) { in.Image = "other" }, true},
		"resources":     {func(in *Input) { in.Node.Spec.Resources = &corev1.ResourceRequirements{} }, true},
		"storage":       {func(in *Input) { withStorage("1Gi", nil)(in.Node) }, true},
		"port":          {func(in *Input) { in.Node.Spec.Listen = &v1alpha1.ListenSpec{Port: 1} }, true},
		"WebSocket":     {func(in *Input) { in.Node.Spec.WebSocket = &v1alpha1.WebSocketSpec{} }, true},
		"TLS mode":      {func(in *Input) { in.Node.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSDisabled} }, true},
		"anonymous TLS": {func(in *Input) { in.Node.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSAnonymous} }, true},
		"TLS default":   {func(in *Input) { in.Node.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSMesh} }, false},
		"config":        {func(in *Input) { in.Configs = map[string][]byte{"worker-1-0": []byte("{}")} }, false},
		"revision":      {func(in *Input) { in.Revision++ }, false},
		"certificate":   {func(in *Input) { in.Certificates.Cert = []byte("renewed") }, false},
		"subscriptions": {func(in *Input) { in.Node.Spec.Subscriptions = []string{"a/"} }, false},
		"forward":       {func(in *Input) { in.Node.Spec.Forward = v1alpha1.ForwardAll }, false},
		"service":       {func(in *Input) { in.Node.Spec.Service = &v1alpha1.ServiceSpec{} }, false},
		"paused":        {func(in *Input) { in.Node.Spec.Paused = true }, false},
		"role":          {func(in *Input) { in.Node.Labels = map[string]string{v1alpha1.RoleLabel: "worker"} }, false},
		"empty overlay": {func(in *Input) {
			in.Node.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: []byte("{}")}}
		}, false},
		"overlay":     {func(in *Input) { overlay(`{"priorityClassName":"high"}`)(in.Node) }, true},
		"bad overlay": {func(in *Input) { overlay(`{"hostNetwork":true}`)(in.Node) }, false},
		"a label": {func(in *Input) {
			in.Node.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Metadata: &v1alpha1.PodTemplateMeta{Labels: map[string]v1alpha1.LabelValue{"a": "b"}}}
		}, true},
		"restart":   {func(in *Input) { in.Node.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "now"} }, true},
		"log level": {func(in *Input) { in.Node.Spec.LogLevel = v1alpha1.LogDebug }, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(node())
			c.mod(&in)
			same := equality.Semantic.DeepEqual(base.StatefulSet.Spec.Template, Build(in).StatefulSet.Spec.Template)
			if same == c.roll {
				t.Errorf("new pod template: %v, want %v", !same, c.roll)
			}
		})
	}
}

func TestStorageGrowthKeepsTheTemplate(t *testing.T) {
	small, large := Build(input(node(withStorage("1Gi", nil)))), Build(input(node(withStorage("2Gi", nil))))
	if !equality.Semantic.DeepEqual(small.StatefulSet.Spec.Template, large.StatefulSet.Spec.Template) {
		t.Error("a larger volume makes a new pod template")
	}
}

// TestQueuesOfTemplate: other queues make a new pod template, the same in other words don't, nor do the defaults written out.
func TestQueuesOfTemplate(t *testing.T) {
	with := func(q *v1alpha1.QueuesSpec) any {
		return Build(input(node(func(n *v1alpha1.BrokerNode) { n.Spec.Queues = q }))).StatefulSet.Spec.Template
	}
	size := func(text string) *resource.Quantity { return new(resource.MustParse(text)) }
	for name, c := range map[string]struct {
		a, b *v1alpha1.QueuesSpec
		same bool
	}{
		"none":           {nil, &v1alpha1.QueuesSpec{}, true},
		"the defaults":   {nil, &v1alpha1.QueuesSpec{PeerMessages: 8192, MemoryLimit: size("256Mi"), FlowControl: v1alpha1.FlowControlHonor}, true},
		"in other words": {&v1alpha1.QueuesSpec{PeerSize: size("1Mi")}, &v1alpha1.QueuesSpec{PeerSize: size("1024Ki")}, true},
		"another size":   {&v1alpha1.QueuesSpec{PeerSize: size("1Mi")}, &v1alpha1.QueuesSpec{PeerSize: size("2Mi")}, false},
		"flow control":   {nil, &v1alpha1.QueuesSpec{FlowControl: v1alpha1.FlowControlIgnore}, false},
	} {
		if got := equality.Semantic.DeepEqual(with(c.a), with(c.b)); got != c.same {
			t.Errorf("%s: the same template: %v", name, got)
		}
	}
}

func TestImmutable(t *testing.T) {
	for name, c := range map[string]struct {
		live, desired *v1alpha1.BrokerNode
		field         string
		problem       string
	}{
		"same":                     {node(), node(), "", ""},
		"other image":              {node(), node(everything), "spec.volumeClaimTemplates", ""},
		"storage added":            {node(), node(withStorage("1Gi", nil)), "spec.volumeClaimTemplates", ""},
		"same size in other words": {node(withStorage("1Gi", nil)), node(withStorage("1024Mi", nil)), "", ""},
		"grown":                    {node(withStorage("1Gi", nil)), node(withStorage("2Gi", nil)), "spec.volumeClaimTemplates", ""},
		"shrunk":                   {node(withStorage("2Gi", nil)), node(withStorage("1Gi", nil)), "spec.volumeClaimTemplates", "spec.storage.size: can't shrink from 2Gi to 1Gi"},
		"removed":                  {node(withStorage("1Gi", nil)), node(), "spec.volumeClaimTemplates", "spec.storage: can't be removed"},
		"class":                    {node(withStorage("1Gi", new("a"))), node(withStorage("1Gi", new("b"))), "spec.volumeClaimTemplates", "spec.storage.class: can't change"},
		"default class":            {node(withStorage("1Gi", new("standard"))), node(withStorage("1Gi", nil)), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			live, desired := Build(input(c.live)).StatefulSet, Build(input(c.desired)).StatefulSet
			if got := Immutable(live, desired); got != c.field {
				t.Errorf("Immutable: %q, want %q", got, c.field)
			}
			if got := StorageProblem(live, desired); got != c.problem {
				t.Errorf("StorageProblem: %q, want %q", got, c.problem)
			}
		})
	}
	other := Build(input(node())).StatefulSet
	other.Spec.Selector.MatchLabels["more"] = "x"
	if got := Immutable(other, Build(input(node())).StatefulSet); got != "spec.selector" {
		t.Errorf("a foreign selector: %q", got)
	}
}
