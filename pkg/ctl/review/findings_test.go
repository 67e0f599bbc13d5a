// SPDX-License-Identifier: Apache-2.0

package review

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

const broken = `apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: manager}
spec: {tls: {mode: Anonymous}, forward: Some}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: p}
spec:
  from: {node: manager}
  to: {node: manger}
`

func read(t *testing.T, manifest string) meshobjects.Mesh {
	t.Helper()
	m, err := meshobjects.FromFiles([]string{"-"}, strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLintText(t *testing.T) {
	m := read(t, broken)
	for least, want := range map[topology.Severity]string{
		topology.Info: `stdin:4: error Invalid: brokernode/manager: spec.forward: "Some": allowed: None, Mesh, All
stdin:4: info OpenPort: brokernode/manager: spec.tls.mode: Anonymous: whoever reaches the native port is let in
stdin:11: error NodeMissing: peering/p: spec.to.node: no BrokerNode "manger" in this namespace (did you mean "manager"?)
2 errors, 0 warnings, 1 info
`,
		topology.Error: `stdin:4: error Invalid: brokernode/manager: spec.forward: "Some": allowed: None, Mesh, All
stdin:11: error NodeMissing: peering/p: spec.to.node: no BrokerNode "manger" in this namespace (did you mean "manager"?)
2 errors, 0 warnings, 1 info
`,
	} {
		var out bytes.Buffer
		err := Lint(m, LintOptions{Least: least, Out: &out})
		if ctl.Code(err) != ctl.ExitFailure || err.Error() != "" {
			t.Errorf("%v: error %v", least, err)
		}
		if got := out.String(); got != want {
			t.Errorf("%v: got\n%s\nwant\n%s", least, got, want)
		}
	}
}

func TestLintJSON(t *testing.T) {
	var out bytes.Buffer
	if err := Lint(read(t, broken), LintOptions{Least: topology.Info, JSON: true, Out: &out}); ctl.Code(err) != ctl.ExitFailure {
		t.Error(err)
	}
	var d LintDocument
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Errors != 2 || d.Infos != 1 || len(d.Findings) != 3 || d.Findings[2].Code != "NodeMissing" || d.Findings[2].Line != 11 ||
		d.Findings[1].Severity != topology.Info || !strings.Contains(out.String(), `"severity": "Info"`) {
		t.Errorf("got %s", &out)
	}
}

// TestSamples: what the project shows people has no errors.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("../../../config/samples/[^k]*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		m, err := meshobjects.FromFiles([]string{file}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range Findings(m) {
			if f.Severity == topology.Error {
				t.Error(f)
			}
		}
	}
}
