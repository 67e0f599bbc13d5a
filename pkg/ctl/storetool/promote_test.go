// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"errors"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// TestPromote: of a store that writes already, the master takes a later epoch, but only after a yes and at a node that has one.
func TestPromote(t *testing.T) {
	e, address := newNode(t)
	m := startMaster(t, e, "s")
	must(t, m.Put(t.Context(), data.String("k"), data.Count(1), 0))
	o := newTool(address, "s")
	node := e.ID().String()
	var asked string
	answer := func(yes bool) func(string) (bool, error) {
		return func(question string) (bool, error) {
			asked = question
			return yes, nil
		}
	}
	if err := Promote(t.Context(), o.Options, node, answer(false)); !errors.Is(err, ErrNotConfirmed) {
		t.Errorf("no: %v", err)
	}
	if !strings.Contains(asked, "epoch 1, number 2, 1 entries") || !strings.Contains(asked, "No other master") {
		t.Errorf("asked %q", asked)
	}
	if err := Promote(t.Context(), o.Options, "elsewhere", answer(true)); err == nil || !strings.Contains(err.Error(), node) {
		t.Errorf("elsewhere: %v", err)
	}
	must(t, Promote(t.Context(), o.Options, node, answer(true)))
	if got := o.printed(); !strings.Contains(got, "epoch 2 and writes") || m.Status().Epoch != 2 || m.Status().State != store.StateServing {
		t.Errorf("printed %q, %+v", got, m.Status())
	}
}
