// SPDX-License-Identifier: Apache-2.0

package review

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/ctl"
)

const small = `apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: manager}
spec: {storage: {size: 1Gi}}
---
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: worker}
spec: {replicas: 3}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: up}
spec: {from: {node: worker}, to: {node: manager}}
---
apiVersion: brokermesh.dev/v1alpha1
kind: DataStore
metadata: {name: hosts}
spec: {master: {node: manager}, clones: [{node: worker, staleAfter: 30s}]}
`

func TestPlan(t *testing.T) {
	swap := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(small) }
	for name, test := range map[string]struct {
		change      string
		prune       bool
		code        int
		out, refuse string
	}{
		"nothing": {change: small, out: "nothing to do\n"},
		"restart": {change: swap("size: 1Gi}", "size: 1Gi}, queues: {peerMessages: 5}"), code: ctl.ExitChanges, out: `~ brokernode/manager
    spec.queues.peerMessages: unset -> 5
nodes
  manager: pods restart, one after the other, for queues
connections
  up: worker-0 -> manager-0 and 2 more drops: manager-0 restarts; back when the pod is ready again, at most 10s after that
stores
  hosts: LOSS: the master is in the memory of manager, which restarts: the store begins anew, empty
objects: 0 to add, 1 to change, 0 to remove; nodes: 0 made, 0 removed, 1 restart, 0 connect anew, 0 take it while they run, 1 notice nothing
`},
		"removed": {change: small[:strings.LastIndex(small, "---")], prune: true, code: ctl.ExitChanges, out: `- datastore/hosts
nodes
  manager: takes the change while it runs
  worker: takes the change while it runs
stores
  hosts: LOSS: ends on manager, and with it what is in memory
findings
  gone: info NoFailover: datastore/hosts: spec.failover.policy
objects: 0 to add, 0 to change, 1 to remove; nodes: 0 made, 0 removed, 0 restart, 0 connect anew, 2 take it while they run, 0 notice nothing
`},
		"kept":    {change: small[:strings.LastIndex(small, "---")], out: "nothing to do\n"},
		"scaled":  {change: swap("replicas: 3", "replicas: 4", "staleAfter: 30s", "staleAfter: 40s"), code: ctl.ExitChanges, out: "worker: new: worker-3; the other pods go on\n"},
		"error":   {change: swap("{node: worker}, to", "{node: wrker}, to"), code: ctl.ExitFailure, refuse: "stdin:14: error NodeMissing: peering/up: spec.from.node: no BrokerNode \"wrker\" in this namespace (did you mean \"worker\"?)\n"},
		"frozen":  {change: swap("size: 1Gi", "size: 1Mi"), code: ctl.ExitFailure, refuse: "stdin:4: error Invalid: brokernode/manager: spec.storage.size: 1Mi is less than before (1Gi): a volume can grow, not shrink\n1 error; nothing is planned\n"},
		"invalid": {change: swap("replicas: 3", "replicas: -3"), code: ctl.ExitFailure, refuse: "stdin:9: error Invalid: brokernode/worker: spec.replicas"},
	} {
		var out, notes bytes.Buffer
		err := Plan(read(t, small), read(t, test.change), PlanOptions{Prune: test.prune, ExitCode: true, Out: &out, Notes: &notes})
		if ctl.Code(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(out.String(), test.out) || test.out == "" && out.Len() > 0 || !strings.Contains(notes.String(), test.refuse) || test.refuse == "" && notes.Len() > 0 {
			t.Errorf("%s: got\n%s%s", name, &out, &notes)
		}
	}
}

func TestPlanJSON(t *testing.T) {
	var out bytes.Buffer
	change := strings.Replace(small, "replicas: 3", "replicas: 3, forward: None", 1)
	if err := Plan(read(t, small), read(t, change), PlanOptions{JSON: true, Out: &out}); err != nil {
		t.Fatal(err)
	}
	var d struct {
		Objects []struct{ Kind, Name, Act string }
		Nodes   []struct {
			Node, Act string
			Why       []string
		}
		Links    []struct{ From, To, Act string }
		Stores   []struct{ Store, Message string }
		Findings []Finding
	}
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Objects) != 1 || d.Objects[0].Act != "Changed" || len(d.Nodes) != 1 || d.Nodes[0].Act != "Reconnected" || len(d.Links) != 3 || d.Links[2].Act != "Interrupted" ||
		len(d.Stores) != 1 || d.Findings == nil {
		t.Errorf("got %s", &out)
	}
}
