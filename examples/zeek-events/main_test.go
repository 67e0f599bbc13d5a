// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/examples/exampletest"
	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

func TestExample(t *testing.T) {
	for name, o := range map[string]broker.Options{
		"as Zeek does it": {TLS: &peering.TLS{Anonymous: true}, PlainProtocol: true, Forward: broker.ForwardNone},
		"plain":           {PlainProtocol: true, Forward: broker.ForwardNone},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(exampletest.Context(t))
			e, address := exampletest.Endpoint(t, o)
			hub, err := e.NewHub([]string{topic}, broker.QueueLimit{})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				done <- hub.Handle(ctx, func(ctx context.Context, m broker.Message) { pong(t, ctx, hub, m) })
			}()
			var out strings.Builder
			if err := run(ctx, address, broker.Options{TLS: o.TLS}, &out); err != nil {
				t.Error(err)
			}
			cancel()
			<-done
			exampletest.Output(t, out.String())
		})
	}
}

// pong does what the Zeek script does.
func pong(t *testing.T, ctx context.Context, hub *broker.Hub, m broker.Message) {
	event, err := zeek.ParseEvent(m.Value)
	if err != nil || event.Name != "ping" {
		t.Errorf("got %s, %v", m.Value, err)
		return
	}
	event.Name = "pong"
	if err := hub.Publish(ctx, topic, event.Message()); err != nil {
		t.Error(err)
	}
}
