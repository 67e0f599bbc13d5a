// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

func TestMemory(t *testing.T) {
	backendtest.Run(t, backendtest.Kind{Open: func(*testing.T, string) backend.Backend { return New() }})
}

func TestKeepsCopies(t *testing.T) {
	message := data.String("a value").AppendBinary(nil)
	v, err := data.View(message)
	if err != nil {
		t.Fatal(err)
	}
	b := New()
	if err := b.Put(backend.Entry{Key: v, Value: v, Deadline: backend.Never}); err != nil {
		t.Fatal(err)
	}
	clear(message)
	e, ok, _ := b.Get(data.String("a value"))
	if got, _ := e.Value.AsString(); !ok || got != "a value" {
		t.Fatalf("found %v: %q", ok, got)
	}
}
