// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/examples/exampletest"
)

func TestExample(t *testing.T) {
	var out strings.Builder
	if err := run(exampletest.Context(t), &out); err != nil {
		t.Fatal(err)
	}
	exampletest.Output(t, out.String())
}
