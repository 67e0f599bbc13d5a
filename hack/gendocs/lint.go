// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/lint"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

const lintIntro = `<!-- Made by hack/gendocs from the table in pkg/lint. Don't edit. -->

# Findings

` + "`brokerctl lint`" + ` holds the objects of a mesh against everything that can be known without running it: manifests (` + "`-f`" + `), the mesh of a
namespace (` + "`--cluster`" + `, ` + "`-n`" + `), or one on this machine (` + "`--data-dir`" + `). Every finding has a stable code, a severity, the object and the
field. An **Error** means that something which the objects ask for is left out, and makes the exit code 1; conditions show it with the
same word as their reason ([conditions.md](conditions.md)). A **Warning** will hurt one day. An **Info** is worth knowing, and often fine as it is.

What a single object gets wrong by itself has the code ` + "`Invalid`" + `: the API server refuses it with the same words.
`

// runLint writes the page about findings.
func runLint(out string) error {
	var page bytes.Buffer
	page.WriteString(lintIntro)
	for _, s := range []topology.Severity{topology.Error, topology.Warning, topology.Info} {
		fmt.Fprintf(&page, "\n## %s\n\n| code | meaning | what helps |\n|---|---|---|\n", s)
		for _, c := range lint.Codes() {
			if c.Severity == s {
				fmt.Fprintf(&page, "| `%s` | %s | %s |\n", c.Code, cell(c.Means), cell(c.Do))
			}
		}
	}
	return os.WriteFile(out, page.Bytes(), 0o644)
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
