// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/examples/exampletest"
	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

func TestExample(t *testing.T) {
	var out strings.Builder
	if err := run(exampletest.Context(t), &out); err != nil {
		t.Fatal(err)
	}
	exampletest.Output(t, out.String())
}

// The same clone with a master of the test.
func TestClone(t *testing.T) {
	ctx := exampletest.Context(t)
	e, address := exampletest.Endpoint(t, broker.Options{})
	master, err := store.NewMaster(e, "stock", memory.New(), store.MasterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := master.Put(ctx, data.String("apples"), data.Count(10), 0); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := shop(ctx, address, &out); err != nil {
		t.Fatal(err)
	}
	exampletest.Output(t, out.String())
	if v, err := master.Get(ctx, data.String("apples")); err != nil || !data.Equal(v, data.Count(6)) {
		t.Errorf("the master has %s, %v", v, err)
	}
}
