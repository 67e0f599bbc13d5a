// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"testing"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// TestSeat: where the master is follows evidence only.
func TestSeat(t *testing.T) {
	epoch := func(n uint64) func(*mesh) { return masterStore(func(s *statusapi.Store) { s.Epoch = n }) }
	at := func(node string, epoch int64, spec string) *v1alpha1.MasterStatus {
		return &v1alpha1.MasterStatus{Node: node, Epoch: epoch, SpecNode: spec}
	}
	worker := func(state string, epoch uint64) func(*mesh) {
		return func(m *mesh) {
			s := &m.status("worker-1-0").Stores[0]
			s.Role, s.State, s.Epoch = "Master", state, epoch
		}
	}
	for name, test := range map[string]struct {
		changes []func(*mesh)
		want    *v1alpha1.MasterStatus
	}{
		"not yet seen":               {nil, nil},
		"seen":                       {[]func(*mesh){epoch(1)}, at("manager", 1, "manager")},
		"not serving":                {[]func(*mesh){epoch(1), master("Loading")}, nil},
		"long ago":                   {[]func(*mesh){epoch(1), silent("manager-0")}, nil},
		"the epoch rises":            {[]func(*mesh){seated("manager", "manager", nil), epoch(4)}, at("manager", 4, "manager")},
		"the epoch doesn't fall":     {[]func(*mesh){seated("manager", "manager", nil), epoch(0)}, at("manager", 1, "manager")},
		"silence":                    {[]func(*mesh){seated("manager", "manager", nil), silent("manager-0")}, at("manager", 1, "manager")},
		"on its way":                 {[]func(*mesh){moving(nil)}, at("manager", 1, "manager")},
		"arrived":                    {[]func(*mesh){moving(nil), worker("Serving", 2)}, at("worker-1", 2, "worker-1")},
		"arrived and silent":         {[]func(*mesh){moving(nil), worker("Serving", 2), silent("worker-1-0")}, at("manager", 1, "manager")},
		"no later epoch":             {[]func(*mesh){moving(nil), worker("Serving", 1)}, at("manager", 1, "manager")},
		"promoted":                   {[]func(*mesh){promotion("Serving", ""), worker("Serving", 3)}, at("worker-1", 3, "manager")},
		"promoted, with too little":  {[]func(*mesh){promotion("Serving", ""), worker("Serving", 2)}, at("manager", 1, "manager")},
		"being promoted":             {[]func(*mesh){promotion("TakingOver", "")}, at("manager", 1, "manager")},
		"the spec agrees afterwards": {[]func(*mesh){seated("manager", "worker-1", nil)}, at("manager", 1, "manager")},
		"the spec doesn't": {[]func(*mesh){seated("manager", "worker-1", func(o *topology.Objects) {
			o.Stores[0].Spec.Master.Node = "worker-1"
		})}, at("manager", 1, "worker-1")},
		"to be moved":    {[]func(*mesh){seated("manager", "manager", nil), errand("worker-1")}, &v1alpha1.MasterStatus{Node: "manager", Epoch: 1, SpecNode: "manager", MovingTo: "worker-1"}},
		"moved already":  {[]func(*mesh){seated("manager", "manager", nil), errand("manager")}, at("manager", 1, "manager")},
		"never seen yet": {[]func(*mesh){errand("worker-1")}, nil},
		"at fault": {[]func(*mesh){seated("manager", "manager", func(o *topology.Objects) {
			o.Stores = append(o.Stores, v1alpha1.DataStore{ObjectMeta: meta("another"), Spec: o.Stores[0].Spec})
		})}, at("manager", 1, "manager")},
	} {
		m := newMesh()
		for _, change := range test.changes {
			change(m)
		}
		got := Judge(m.Input).Stores[store].Master
		if (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func errand(node string) func(*mesh) {
	return func(m *mesh) { m.Errands = map[string]string{store: node} }
}
