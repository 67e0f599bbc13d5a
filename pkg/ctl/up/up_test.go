// SPDX-License-Identifier: Apache-2.0

package up

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshview"
	"github.com/brokermesh/brokermesh/pkg/profiling"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

func options(t *testing.T, file string, out io.Writer) Options {
	t.Helper()
	return Options{
		Files:   []string{filepath.Join("..", "..", "..", "config", "samples", file)},
		DataDir: filepath.Join(t.TempDir(), "data"),
		Output:  Table,
		Out:     out,
		Notes:   io.Discard,
	}
}

// watched is an output that ends the run when a text has come twice.
type watched struct {
	text  strings.Builder
	until string
	stop  context.CancelFunc
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.text.Write(b)
	if strings.Count(w.text.String(), w.until) >= 2 {
		w.stop()
	}
	return n, err
}

func TestLiveTable(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := &watched{until: " 1 peering established", stop: cancel}
	o := options(t, "minimal.yaml", out)
	o.Terminal = &Terminal{Width: func() int { return 60 }, Color: true}
	if err := Run(ctx, o); err != nil {
		t.Fatal(err)
	}
	frames := strings.Split(out.text.String(), "\x1b[J")
	last := frames[len(frames)-2]
	// A frame begins by going up as many lines as the one before had.
	for i, frame := range frames[1 : len(frames)-1] {
		lines := strings.Count(frames[i], "\n")
		if up := regexp.MustCompile(`^\x1b\[(\d+)A\r`).FindStringSubmatch(frame); up == nil || up[1] != string(rune('0'+lines)) {
			t.Errorf("frame %q after one of %d lines", frame, lines)
		}
	}
	for line := range strings.Lines(last) {
		text := regexp.MustCompile(`\x1b\[[0-9]*[AKJm]|\r|\n`).ReplaceAllString(line, "")
		if len([]rune(text)) > 60 {
			t.Errorf("a line of %d: %q", len([]rune(text)), text)
		}
	}
	if !strings.Contains(last, "\x1b[32m yes ") {
		t.Errorf("last frame:\n%s", last)
	}
}

func TestDocumentThenSilence(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := &watched{until: `"name":"`, stop: cancel}
	o := options(t, "ring.yaml", out)
	o.Output = JSON
	if err := Run(ctx, o); err != nil {
		t.Fatal(err)
	}
	var d meshview.Document
	if err := json.Unmarshal([]byte(out.text.String()), &d); err != nil || len(d.Nodes) != 4 {
		t.Errorf("%v\n%s", err, out.text.String())
	}
	log, err := os.ReadFile(filepath.Join(o.DataDir, "nodes.log"))
	if err != nil || !strings.Contains(string(log), "node=north-0") {
		t.Errorf("the nodes' log: %v\n%s", err, log)
	}
}

func TestStandardInput(t *testing.T) {
	var out bytes.Buffer
	o := options(t, "", &out)
	o.Files, o.UntilReady, o.Timeout = []string{"-"}, true, patience
	o.Stdin = strings.NewReader("apiVersion: brokermesh.dev/v1alpha1\nkind: BrokerNode\nmetadata: {name: only}\n")
	if err := Run(t.Context(), o); err != nil || !strings.Contains(out.String(), " only ") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestOthersCanRead: what runs is written down for other commands, with how it is.
func TestOthersCanRead(t *testing.T) {
	o := options(t, "minimal.yaml", io.Discard)
	o.UntilReady, o.Timeout = true, patience
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	m, err := meshobjects.FromDataDir(o.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Objects.Nodes) != 2 || len(m.Objects.Peerings) != 1 || !m.Live() || m.Objects.Peerings[0].Status.Links != "1/1" {
		t.Errorf("read %+v", m)
	}
}

// TestOnlyInClusters: what only a cluster can give is said before the mesh starts without it.
func TestOnlyInClusters(t *testing.T) {
	var out, notes bytes.Buffer
	o := options(t, "", &out)
	o.Files, o.Notes, o.UntilReady, o.Timeout = []string{"-"}, &notes, true, patience
	o.Stdin = strings.NewReader(`apiVersion: brokermesh.dev/v1alpha1
kind: BrokerMesh
metadata: {name: zeek}
spec: {issuerRef: {name: site-ca, kind: ClusterIssuer}}
---
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: a}
spec: {service: {}, networkPolicy: Declared}
`)
	if err := Run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, &notes)
	}
	want := `stdin:4: brokermesh/zeek: spec.issuerRef: warning: issuer "site-ca" is for clusters, and of no effect here: an authority of the mesh's own signs its certificates
stdin:9: brokernode/a: spec.networkPolicy: warning: is for clusters, and of no effect here
stdin:9: brokernode/a: spec.service: warning: is for clusters, and of no effect here
`
	if notes.String() != want {
		t.Errorf("got\n%swant\n%s", &notes, want)
	}
}

func TestNothingIsStarted(t *testing.T) {
	for name, manifest := range map[string]string{
		"empty":       "",
		"unknown":     "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n",
		"two faults":  "apiVersion: brokermesh.dev/v1alpha1\nkind: BrokerNode\nmetadata: {name: X}\nspec: {forward: Some}\n",
		"no yaml":     "{",
		"replicas":    "apiVersion: brokermesh.dev/v1alpha1\nkind: BrokerNode\nmetadata: {name: x}\nspec: {replicas: -3}\n",
		"topology":    "apiVersion: brokermesh.dev/v1alpha1\nkind: Peering\nmetadata: {name: p}\nspec: {from: {node: a}, to: {node: b}}\n",
		"double name": strings.Repeat("---\napiVersion: brokermesh.dev/v1alpha1\nkind: BrokerNode\nmetadata: {name: a}\n", 2),
	} {
		var out, notes bytes.Buffer
		o := options(t, "", &out)
		o.Files, o.Stdin, o.Notes = []string{"-"}, strings.NewReader(manifest), &notes
		err := Run(t.Context(), o)
		if ctl.Code(err) != ctl.ExitBadInput || out.Len() > 0 {
			t.Errorf("%s: %v, %q", name, err, &out)
		}
		if err.Error() == "" && !strings.HasSuffix(notes.String(), "; nothing was started\n") {
			t.Errorf("%s: notes %q", name, &notes)
		}
		if _, err := os.Stat(o.DataDir); err == nil {
			t.Errorf("%s: the data folder was made", name)
		}
	}
}

func TestTimeoutSaysWhatIsMissing(t *testing.T) {
	// Nobody listens at the address: a mesh that can get ready may be so at the first look.
	o := options(t, "", io.Discard)
	o.Files, o.Stdin = []string{"-"}, strings.NewReader(`
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: alice}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: away}
spec: {from: {node: alice}, to: {address: "127.0.0.1:1"}}
`)
	o.Timeout = time.Nanosecond
	err := Run(t.Context(), o)
	if ctl.Code(err) != ctl.ExitTimeout || !strings.Contains(err.Error(), "\n  peering/away: Ready is ") {
		t.Errorf("%v", err)
	}
}

func TestProfiles(t *testing.T) {
	var notes bytes.Buffer
	o := options(t, "minimal.yaml", io.Discard)
	o.UntilReady, o.PProf, o.Notes = true, "127.0.0.1:0", &notes
	if err := Run(t.Context(), o); err != nil || !strings.Contains(notes.String(), "profiles at http://127.0.0.1:") {
		t.Errorf("%v, notes %q", err, &notes)
	}
	o.PProf = "0.0.0.0:0"
	if err := Run(t.Context(), o); !errors.Is(err, profiling.ErrNotLoopback) {
		t.Errorf("at every interface: %v", err)
	}
}
