// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var released = flag.Bool("released", false, "write testdata/released.txt anew: what the next release compiles")

// TestReleasedConfigs: a config with another hash is pushed to its node, and one with a feature that the node's program doesn't know is held
// back. So an upgrade of the operator must compile the same, to the byte, of objects that were there before: testdata/released.txt has the
// hashes of what was released.
func TestReleasedConfigs(t *testing.T) {
	var lines []string
	for _, name := range []string{"door", "failover", "moving", "ring", "zeek-cluster"} {
		for _, n := range Compile(readCase(t, "testdata/"+name+".yaml")).Nodes {
			for _, p := range n.Pods {
				lines = append(lines, fmt.Sprintf("%s %s %s\n", name, p.Pod, p.Hash))
			}
		}
	}
	const file = "testdata/released.txt"
	if *released {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if !strings.Contains(string(want), line) {
			t.Errorf("%q is not what was released: an upgrade of the operator would push a config to every such node, or hold it back from older ones. "+
				"Leave out of the document what is at its default; if it has to change, tell people, and run this test with -released", strings.TrimSpace(line))
		}
	}
}
