// SPDX-License-Identifier: Apache-2.0

package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// files are the names in the folder of a node's stores.
func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(dir, "stores"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Name())
	}
	return names
}

// TestRemoval tells a node to remove a master with its files, again at the next start, and to have one of that name anew.
func TestRemoval(t *testing.T) {
	for _, backend := range []string{nodeconfig.BackendSQLite, nodeconfig.BackendPebble, nodeconfig.BackendMemory} {
		t.Run(backend, func(t *testing.T) {
			dir := t.TempDir()
			n, c := newNode(t, dir), config("a")
			c.Stores = []nodeconfig.Store{master("s", backend), {Object: "t", StoreName: "s.sqlite", Role: nodeconfig.RoleMaster, Backend: nodeconfig.BackendSQLite}}
			apply(t, n, c)
			serves := func(s statusapi.Status) bool {
				return s.Stores[0].State == statusapi.StoreServing && s.Stores[1].State == statusapi.StoreServing
			}
			await(t, n, "the masters serve", serves)
			if backend == nodeconfig.BackendSQLite {
				for _, name := range []string{"s.sqlite.format0", "s.sqlite.format0-wal", "s.sqlite.mine"} {
					if err := os.WriteFile(filepath.Join(dir, "stores", name), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			c.Stores[0].Remove = true
			gone := func(s statusapi.Status) bool {
				return s.Stores[0].State == statusapi.StoreRemoved && s.Stores[1].State == statusapi.StoreServing
			}
			apply(t, n, c)
			await(t, n, "the store is removed", gone)
			other := []string{"s.sqlite.mine", "s.sqlite.sqlite", "s.sqlite.sqlite-mark", "s.sqlite.sqlite-journal"}
			for _, name := range files(t, dir) {
				if !slices.Contains(other, name) {
					t.Errorf("%s is left", name)
				}
			}
			if !slices.Contains(files(t, dir), "s.sqlite.sqlite") {
				t.Error("the file of the other store is gone")
			}
			closeNode(t, n)
			n = newNode(t, dir)
			apply(t, n, c)
			await(t, n, "there is nothing to remove", gone)
			c.Stores[0].Remove = false
			apply(t, n, c)
			await(t, n, "a new master serves", serves)
			if got := n.Status().Stores[0]; got.Entries != 0 || got.Epoch != 1 {
				t.Errorf("the new store isn't new: %+v", got)
			}
		})
	}
}

// TestRemovalWithoutFiles has nothing to do, and says so.
func TestRemovalWithoutFiles(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		n, c := newNode(t, dir), config("a")
		c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendSQLite)}
		c.Stores[0].Remove = true
		apply(t, n, c)
		await(t, n, "nothing is there", func(s statusapi.Status) bool { return s.Stores[0].State == statusapi.StoreRemoved })
	}
}

// TestRemovalFails says that files are there which can't be removed, and removes them when they can.
func TestRemovalFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "stores"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n, c := newNode(t, dir), config("a")
	c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendSQLite)}
	c.Stores[0].Remove = true
	apply(t, n, c)
	s := await(t, n, "it fails", func(s statusapi.Status) bool { return s.Stores[0].State == statusapi.StoreFailed })
	if s.Stores[0].Error == "" {
		t.Error("it doesn't say why")
	}
	if err := os.Remove(filepath.Join(dir, "stores")); err != nil {
		t.Fatal(err)
	}
	await(t, n, "it is tried again", func(s statusapi.Status) bool { return s.Stores[0].State == statusapi.StoreRemoved })
}
