// SPDX-License-Identifier: Apache-2.0

// Package exampletest is what the tests of the examples share: an endpoint for
// the program to talk to, and the comparison of what it prints.
package exampletest

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

var rewrite = flag.Bool("rewrite", false, "write what the examples print to their output.txt")

// Limit is how long a program may take before its test gives up.
const Limit = 30 * time.Second

// Context ends with the test, or after Limit.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	t.Cleanup(cancel)
	return ctx
}

// Endpoint is an endpoint that accepts peers at an address of this machine, and
// is closed with the test.
func Endpoint(t testing.TB, o broker.Options) (e *broker.Endpoint, address string) {
	t.Helper()
	e, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Limit)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Errorf("closing the endpoint: %v", err)
		}
	})
	at, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return e, at.String()
}

// Output compares what a program printed with its output.txt.
func Output(t testing.TB, got string) {
	t.Helper()
	const file = "output.txt"
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it printed\n%s\nbut %s has\n%s", got, file, want)
	}
}
