// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/examples/exampletest"
	"github.com/brokermesh/brokermesh/pkg/broker"
)

// TestExample has an endpoint that is there, gone, and there again.
func TestExample(t *testing.T) {
	ctx, cancel := context.WithCancel(exampletest.Context(t))
	defer cancel()
	first, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at, err := first.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, at.String(), writer)
		writer.Close()
	}()
	printed := ""
	lines := bufio.NewScanner(reader)
	// Attempts may fail more than once meanwhile: the same line again is passed over.
	until := func(want string) {
		for lines.Scan() {
			line := lines.Text()
			if strings.HasSuffix(printed, "\n"+line+"\n") {
				continue
			}
			printed += line + "\n"
			if strings.HasPrefix(line, want+":") {
				return
			}
		}
		t.Fatalf("there was no %s in\n%s", want, printed)
	}
	until("peer_added")
	if err := first.Close(ctx); err != nil {
		t.Error(err)
	}
	until("endpoint_unreachable")
	until("peer_unavailable")
	second, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close(context.WithoutCancel(ctx))
	if _, err := second.Listen(at.String()); err != nil {
		t.Fatal(err)
	}
	until("peer_added")
	cancel()
	if _, err := io.ReadAll(reader); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	exampletest.Output(t, printed)
}
