// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/examples/exampletest"
	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
)

func TestExample(t *testing.T) {
	ctx, cancel := context.WithCancel(exampletest.Context(t))
	e, _ := exampletest.Endpoint(t, broker.Options{})
	questions, err := e.NewHub([]string{"/questions/"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- questions.Handle(ctx, func(ctx context.Context, m broker.Message) {
			n, _ := m.Value.AsCount()
			if err := questions.Publish(ctx, "/answers/1", data.Count(n+1)); err != nil {
				t.Error(err)
			}
		})
	}()
	g, err := gateway.Listen(e, "127.0.0.1:0", gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	var out strings.Builder
	if err := run(ctx, "ws://"+g.Addr().String()+gateway.Path, &out); err != nil {
		t.Error(err)
	}
	cancel()
	<-done
	exampletest.Output(t, out.String())
}
