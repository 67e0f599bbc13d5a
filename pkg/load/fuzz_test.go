// SPDX-License-Identifier: Apache-2.0

package load

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a file holds, load answers: with objects that carry names, with problems that have a place inside the file, or with
// an error.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", samples + "/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(b))
		}
	}
	f.Add("a: &a [*a]")
	f.Add("{<<: {<<: [{a: b}]}}")
	f.Add("apiVersion: brokermesh.dev/v1alpha1\nkind: BrokerNode\nmetadata: {name: [1]}\nspec: {subscriptions: {a: 1}}")
	f.Fuzz(func(t *testing.T, manifest string) {
		l, problems, err := Read([]string{Stdin}, strings.NewReader(manifest))
		if err != nil {
			return
		}
		lines := 1 + strings.Count(manifest, "\n") + strings.Count(manifest, "\r")
		for _, p := range problems {
			if p.File != stdinName || p.Line < 1 || p.Line > lines+1 || p.Message == "" {
				t.Errorf("problem %+v of %d lines", p, lines)
			}
		}
		if len(problems) > 0 {
			return
		}
		for _, n := range l.Nodes {
			if _, line := l.Position("BrokerNode", n.Name, "spec.listen.port"); n.Name == "" || line == 0 || n.Spec.Listen == nil {
				t.Errorf("node without a name, a place or defaults: %+v", n)
			}
		}
	})
}
