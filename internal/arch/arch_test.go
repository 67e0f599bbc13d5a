// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/brokermesh/brokermesh"

// rule says what the packages of one room may import.
type rule struct {
	// allow lists packages of this module, without the module's name; a trailing "/..." takes in what is below.
	allow []string
	// deny lists import paths from outside, as prefixes.
	deny []string
	// stdOnly forbids everything from outside the module and the standard library.
	stdOnly bool
	// why is what somebody who broke the rule should know.
	why string
}

// kubernetes are the libraries that the engine must do without.
var kubernetes = []string{"k8s.io/", "sigs.k8s.io/"}

// impure are the packages that a pure one has no use for. (net stays allowed for its functions on addresses.)
var impure = []string{"net/http", "os", "os/exec", "syscall", "sigs.k8s.io/controller-runtime", "k8s.io/client-go"}

// rules by folder; the longest folder that contains a package counts. Every package under pkg needs one.
var rules = map[string]rule{
	"pkg/broker/data":     {stdOnly: true, why: "data is the vocabulary that everybody imports: it imports the standard library only"},
	"pkg/broker/code":     {stdOnly: true, why: "code is vocabulary: it imports the standard library only"},
	"pkg/broker/topic":    {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code"}, why: "topic knows values and codes only; what needs a connection belongs to broker"},
	"pkg/broker/wire":     {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code", "pkg/broker/topic"}, why: "wire is a codec without state; what acts on messages belongs to peering or broker"},
	"pkg/broker/jsonwire": {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code"}, why: "jsonwire is a codec; sessions belong to gateway"},
	"pkg/broker/zeek":     {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code"}, why: "zeek knows the layout of messages only"},
	"pkg/broker/peering": {deny: kubernetes, allow: []string{"pkg/broker/data", "pkg/broker/code", "pkg/broker/topic", "pkg/broker/wire", "pkg/broker/peering/anontls", "pkg/meshtls"},
		why: "peering is below the endpoint: it never imports the root package broker, nor what stands above it"},
	"pkg/broker/peering/anontls": {stdOnly: true, deny: []string{"crypto/tls", "unsafe"},
		why: "anontls is TLS written here: it shares nothing with crypto/tls and knows nothing of Broker"},
	"pkg/broker/mesh": {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code", "pkg/broker/topic", "pkg/broker/wire"},
		why: "mesh decides where messages go and is pure; what has a connection or a clock belongs to broker"},
	"pkg/broker/credit": {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code"},
		why: "credit is the bookkeeping of flow control and is pure; what sends, waits or has a clock belongs to broker"},
	"pkg/broker/gateway":    {deny: kubernetes, allow: []string{"pkg/broker", "pkg/broker/..."}, why: "the gateway is a client of Endpoint"},
	"pkg/broker/brokertest": {deny: kubernetes, allow: []string{"pkg/broker", "pkg/broker/..."}, why: "brokertest drives endpoints in tests"},
	"pkg/inspect":           {deny: kubernetes, allow: []string{"pkg/broker", "pkg/broker/..."}, why: "inspection is a client of Endpoint: what a node knows besides comes in as Info"},
	"pkg/broker": {deny: kubernetes, allow: []string{"pkg/broker/data", "pkg/broker/code", "pkg/broker/topic", "pkg/broker/wire", "pkg/broker/peering", "pkg/broker/mesh", "pkg/broker/credit"},
		why: "to the endpoint a store command is opaque bytes and a gateway is a client: it imports neither"},
	"pkg/store": {deny: kubernetes, allow: []string{"pkg/broker/data", "pkg/broker/code", "pkg/broker/topic", "pkg/store/..."},
		why: "a store knows an endpoint only by the Bus that it declares"},
	"pkg/store/backend/backendtest": {deny: kubernetes, allow: []string{"internal/seed", "pkg/broker/data", "pkg/broker/code", "pkg/store/backend"},
		why: "backendtest knows backends by their interface alone"},
	"pkg/store/export": {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code", "pkg/broker/jsonwire", "pkg/store/backend"},
		why: "export is a file format: it knows entries and nothing of who has them"},
	"pkg/store/channel":  {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code"}, why: "the channel is a pure state machine"},
	"pkg/store/command":  {stdOnly: true, allow: []string{"pkg/broker/data", "pkg/broker/code"}, why: "command is a codec"},
	"pkg/meshtls":        {stdOnly: true, why: "meshtls is shared by operator and engine: it depends on neither"},
	"pkg/profiling":      {stdOnly: true, why: "profiling looks at the process and knows nothing of what runs in it"},
	"pkg/nodeconfig":     {stdOnly: true, why: "nodeconfig is shared by operator and engine: it depends on neither"},
	"pkg/statusapi":      {stdOnly: true, allow: []string{"pkg/meshtls", "pkg/nodeconfig"}, why: "statusapi is shared by operator and engine: it depends on neither"},
	"pkg/node":           {deny: kubernetes, allow: []string{"pkg/broker", "pkg/broker/...", "pkg/inspect", "pkg/store/...", "pkg/store", "pkg/meshtls", "pkg/nodeconfig", "pkg/statusapi"}, why: "a node knows its config and nothing of Kubernetes"},
	"pkg/topology/graph": {stdOnly: true, why: "graph knows numbers only"},
	"pkg/topology":       {deny: impure, allow: []string{"api/...", "pkg/nodeconfig", "pkg/topology/graph"}, why: "topology is pure: objects in, configs and findings out"},
	"pkg/lint":           {deny: impure, allow: []string{"api/...", "pkg/topology", "pkg/topology/graph"}, why: "lint is pure: objects in, findings out"},
	"pkg/plan":           {deny: impure, allow: []string{"api/...", "pkg/lint", "pkg/topology"}, why: "plan is pure: objects before and after in, what the change does out"},
	"pkg/layout":         {deny: impure, allow: []string{"api/..."}, why: "layout is pure: a BrokerMesh in, its BrokerNodes and Peerings out"},
	"pkg/evidence":       {deny: impure, allow: []string{"api/...", "pkg/layout", "pkg/meshtls", "pkg/nodeconfig", "pkg/statusapi", "pkg/topology"}, why: "evidence is pure: observations in, conditions out"},
	"pkg/ctl/review":     {deny: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go"}, allow: []string{"api/...", "docs", "pkg/..."}, why: "review renders what pure packages say, and quotes docs"},
	"pkg/manifest":       {deny: impure, allow: []string{"api/...", "pkg/nodeconfig", "pkg/topology"}, why: "manifest is pure: a node's plan in, Kubernetes objects out"},
	"pkg/pki":            {deny: kubernetes, allow: []string{"pkg/meshtls"}, why: "pki makes certificates, for clusters and laptops alike; the names in them come from meshtls"},
	"pkg/load":           {deny: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go"}, allow: []string{"api/...", "config/crd", "pkg/layout"}, why: "load reads files; what needs the whole topology is in topology"},
	"pkg/local":          {deny: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go"}, allow: []string{"api/...", "pkg/..."}, why: "local runs a topology without Kubernetes"},
	"pkg/bench":          {deny: kubernetes, allow: []string{"pkg/broker", "pkg/broker/...", "pkg/store", "pkg/store/..."}, why: "benchmarks drive the engine only"},
	"pkg":                {deny: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go"}, allow: []string{"api/...", "pkg/..."}, why: "packages under pkg do without a cluster client"},
	"controllers":        {allow: []string{"api/...", "pkg/layout", "pkg/topology", "pkg/topology/graph", "pkg/evidence", "pkg/manifest", "pkg/nodeconfig", "pkg/statusapi", "pkg/pki", "pkg/meshtls"}, why: "controllers know the engine by nodeconfig and statusapi only"},
	"api":                {allow: []string{"api/..."}, why: "the API types import nothing of ours"},
	"cmd/node":           {deny: kubernetes, allow: []string{"pkg/..."}, why: "node pods hold no Kubernetes credentials, and their program knows nothing of it"},
	"examples":           {deny: kubernetes, allow: []string{"pkg/broker", "pkg/broker/...", "pkg/store", "pkg/store/...", "examples/exampletest"}, why: "examples show what programs outside of this project can do"},
	"cmd/manager":        {allow: []string{"api/...", "controllers", "pkg/..."}},
	"cmd/brokerctl":      {allow: []string{"api/...", "pkg/...", "cmd/brokerctl/..."}},
}

// TestImportArrows reads the imports of every package outside tests and compares them with the rules.
func TestImportArrows(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && skipDir(file, rel) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		folder := path.Dir(rel)
		r, ok := ruleFor(folder)
		if !ok {
			return nil
		}
		seen++
		for _, imp := range importsOf(t, file) {
			if !r.permits(folder, imp) {
				t.Errorf("%s imports %s: %s", rel, imp, r.why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Fatalf("only %d files were checked", seen)
	}
}

func skipDir(file, rel string) bool {
	name := path.Base(rel)
	if rel == "." {
		return false
	}
	if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
		return true // a module of its own
	}
	return name == "testdata" || strings.HasPrefix(name, ".")
}

// ruleFor finds the rule of the longest folder that contains a package.
func ruleFor(folder string) (rule, bool) {
	for ; folder != "."; folder = path.Dir(folder) {
		if r, ok := rules[folder]; ok {
			return r, true
		}
	}
	return rule{}, false
}

func importsOf(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func (r rule) permits(folder, imp string) bool {
	if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
		return r.permitsOurs(folder, ours)
	}
	if slices.ContainsFunc(r.deny, func(d string) bool {
		return imp == d || strings.HasSuffix(d, "/") && strings.HasPrefix(imp, d) || strings.HasPrefix(imp, d+"/") && strings.Contains(d, ".")
	}) {
		return false
	}
	return !r.stdOnly || isStandard(imp)
}

func (r rule) permitsOurs(folder, ours string) bool {
	return slices.ContainsFunc(r.allow, func(a string) bool {
		below, ok := strings.CutSuffix(a, "/...")
		return ours == a || ok && (ours == below || strings.HasPrefix(ours, below+"/"))
	})
}

// isStandard follows the go command: only paths of modules have a dot in their first element.
func isStandard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

// TestRules makes sure that the check can fail.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		folder, imp string
		want        bool
	}{
		{"pkg/broker/data", "strings", true},
		{"pkg/broker/data", module + "/pkg/broker/code", false},
		{"pkg/broker/data", "golang.org/x/sync/errgroup", false},
		{"pkg/broker/peering", module + "/pkg/broker", false},
		{"pkg/broker/peering", module + "/pkg/broker/wire", true},
		{"pkg/broker", module + "/pkg/store", false},
		{"pkg/store", module + "/pkg/broker", false},
		{"pkg/meshtls", module + "/pkg/statusapi", false},
		{"pkg/store/backend/sqlite", module + "/pkg/store/backend", true},
		{"pkg/node", "k8s.io/api/core/v1", false},
		{"pkg/topology", "k8s.io/client-go/kubernetes", false},
		{"pkg/topology", "net/http", false},
		{"pkg/topology", "net/netip", true},
		{"pkg/topology", "k8s.io/apimachinery/pkg/apis/meta/v1", true},
		{"controllers", module + "/pkg/broker", false},
		{"cmd/node", "sigs.k8s.io/yaml", false},
	} {
		r, ok := ruleFor(c.folder)
		if !ok || r.permits(c.folder, c.imp) != c.want {
			t.Errorf("%s importing %s: permitted is not %v", c.folder, c.imp, c.want)
		}
	}
}
