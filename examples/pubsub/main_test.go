// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/examples/exampletest"
)

func TestExample(t *testing.T) {
	ctx := exampletest.Context(t)
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- subscribe(ctx, "127.0.0.1:0", writer)
		writer.Close()
	}()
	lines := bufio.NewReader(reader)
	first, err := lines.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(first), "listening at ")
	if err != nil || !ok {
		t.Fatalf("%q, %v", first, err)
	}
	if err := publish(ctx, address); err != nil {
		t.Error(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	exampletest.Output(t, "listening at 127.0.0.1:9999\n"+string(rest))
}
