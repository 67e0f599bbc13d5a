// SPDX-License-Identifier: Apache-2.0

package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

type host struct {
	Name  string
	Ports []uint64
}

func TestMap(t *testing.T) {
	f := new(fabric)
	m := startMaster(t, f.join(), "s")
	r := startRemote(t, f.join(), "s", RemoteOptions{})
	ctx := t.Context()
	for name, frontend := range map[string]MapFrontend{"master": m, "remote": r} {
		t.Run(name, func(t *testing.T) {
			must(t, m.Clear(ctx))
			hosts := NewMap[string, host](frontend)
			must(t, hosts.Put(ctx, "a", host{"alpha", []uint64{80}}, time.Hour))
			if ok, err := hosts.PutUnique(ctx, "a", host{}, 0); err != nil || ok {
				t.Errorf("put unique: %v, %v", ok, err)
			}
			must(t, hosts.Put(ctx, "b", host{Name: "beta"}, 0))
			if v, ok, err := hosts.Get(ctx, "a"); err != nil || !ok || v.Name != "alpha" || !slices.Equal(v.Ports, []uint64{80}) {
				t.Errorf("get: %+v, %v, %v", v, ok, err)
			}
			if v, ok, err := hosts.Get(ctx, "c"); err != nil || ok {
				t.Errorf("get of nothing: %+v, %v, %v", v, ok, err)
			}
			must(t, hosts.Erase(ctx, "b"))
			must(t, m.Put(ctx, data.Count(1), data.Count(2), 0)) // somebody else's
			var names []string
			var problems []string
			for e, err := range hosts.All(ctx) {
				if err != nil {
					problems = append(problems, err.Error())
					continue
				}
				if left := time.Until(e.Expires); left <= 0 || left > time.Hour {
					t.Errorf("%s expires in %v", e.Key, left)
				}
				names = append(names, e.Key+" "+e.Value.Name)
			}
			if !slices.Equal(names, []string{"a alpha"}) || len(problems) != 1 || !strings.Contains(problems[0], "key") {
				t.Errorf("all: %q, %q", names, problems)
			}
			must(t, m.Put(ctx, str("d"), data.Count(2), 0))
			if _, ok, err := hosts.Get(ctx, "d"); err == nil || ok {
				t.Error("a value of another kind has no error")
			}
		})
	}
}
