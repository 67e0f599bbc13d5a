// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

func master(name, backend string) nodeconfig.Store {
	return nodeconfig.Store{Object: "s", StoreName: name, Role: nodeconfig.RoleMaster, Backend: backend}
}

func peered(s statusapi.Status) bool {
	for _, p := range s.Peers {
		if p.State != statusapi.PeerPeered {
			return false
		}
	}
	return len(s.Peers) == 1
}

func alone(s statusapi.Status) bool { return len(s.Peers) == 0 }

func TestPeersChangeLive(t *testing.T) {
	a, b := newNode(t, ""), newNode(t, "")
	ca := config("a")
	apply(t, a, ca)
	apply(t, b, config("b"))

	ca.Peers = []nodeconfig.Peer{{Name: "a-b", Address: port(t, b, "broker"), Node: "b", Pod: "b-0"}}
	apply(t, a, ca)
	sa, sb := await(t, a, "a peered", peered), await(t, b, "b peered", peered)
	if p := sa.Peers[0]; p.Peering != "a-b" || !p.Dialed || p.EndpointID != sb.EndpointID || p.DropPolicy == "" {
		t.Errorf("at a: %+v", p)
	}
	if p := sb.Peers[0]; p.Peering != "" || p.Dialed || p.EndpointID != sa.EndpointID {
		t.Errorf("at b: %+v", p)
	}

	// Another name for the same link: the connection stays.
	ca.Peers[0].Name = "renamed"
	apply(t, a, ca)
	if p := a.Status().Peers[0]; p.Peering != "renamed" || !p.Since.Equal(sa.Peers[0].Since) || p.State != statusapi.PeerPeered {
		t.Errorf("renamed: %+v, before %+v", p, sa.Peers[0])
	}

	ca.Peers = nil
	apply(t, a, ca)
	await(t, a, "a alone", alone)
	await(t, b, "b alone", alone)
}

func TestTrafficIsNoNews(t *testing.T) {
	a, b := newNode(t, ""), newNode(t, "")
	cb := config("b")
	cb.Subscriptions = []string{"/t"}
	apply(t, b, cb)
	ca := config("a")
	ca.Peers = []nodeconfig.Peer{{Name: "a-b", Address: port(t, b, "broker")}}
	apply(t, a, ca)
	await(t, a, "peered", peered)
	before := await(t, b, "peered", peered)

	for range 100 {
		if err := a.mu.engine.endpoint.Publish("/t/x", data.Count(1)); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(patience)
	for b.Status().Peers[0].Received < 100 {
		select {
		case <-deadline:
			t.Fatalf("b received %d messages", b.Status().Peers[0].Received)
		case <-time.After(time.Millisecond):
		}
	}
	if s := b.Status(); s.Generation != before.Generation {
		t.Errorf("generation %d after traffic, %d before", s.Generation, before.Generation)
	}
}

func TestStoresChangeLive(t *testing.T) {
	a, b := newNode(t, ""), newNode(t, "")
	cb := config("b")
	cb.Stores = []nodeconfig.Store{master("zeek/known", nodeconfig.BackendMemory)}
	apply(t, b, cb)
	ca := config("a")
	ca.Peers = []nodeconfig.Peer{{Name: "a-b", Address: port(t, b, "broker")}}
	ca.Stores = []nodeconfig.Store{{Object: "s", StoreName: "zeek/known", Role: nodeconfig.RoleClone, StaleAfterSeconds: 30}}
	apply(t, a, ca)

	is := func(state string) func(statusapi.Status) bool {
		return func(s statusapi.Status) bool { return len(s.Stores) == 1 && s.Stores[0].State == state }
	}
	s := await(t, b, "serving", is(statusapi.StoreServing)).Stores[0]
	if s.Object != "s" || s.Name != "zeek/known" || s.Role != statusapi.RoleMaster || s.Backend != nodeconfig.BackendMemory || s.Since.IsZero() {
		t.Errorf("master: %+v", s)
	}
	s = await(t, a, "synced", is(statusapi.StoreSynced)).Stores[0]
	if s.Role != statusapi.RoleClone || s.SyncedAt == nil {
		t.Errorf("clone: %+v", s)
	}

	ca.Stores = nil
	apply(t, a, ca)
	if s := a.Status(); len(s.Stores) != 0 {
		t.Errorf("the clone is still there: %+v", s.Stores)
	}
	// Another backend is another store.
	cb.Stores = []nodeconfig.Store{master("other", nodeconfig.BackendMemory)}
	apply(t, b, cb)
	s = await(t, b, "serving the other", is(statusapi.StoreServing)).Stores[0]
	if s.Name != "other" {
		t.Errorf("store %+v", s)
	}
}

func TestStoreThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	blocker := filepath.Join(dir, "stores")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, dir)
	c := config("a")
	c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendSQLite)}
	apply(t, n, c)
	s := await(t, n, "failed", func(s statusapi.Status) bool {
		return len(s.Stores) == 1 && s.Stores[0].State == statusapi.StoreFailed
	})
	if s.Stores[0].Error == "" || n.Ready() != nil {
		t.Errorf("store %+v, readiness %v", s.Stores[0], n.Ready())
	}
	if err := os.Remove(blocker); err != nil {
		t.Fatal(err)
	}
	await(t, n, "serving after all", func(s statusapi.Status) bool {
		return s.Stores[0].State == statusapi.StoreServing && s.Stores[0].Error == ""
	})
}

func TestPersistentNodesKeepTheirID(t *testing.T) {
	for _, backend := range []string{nodeconfig.BackendSQLite, nodeconfig.BackendPebble} {
		t.Run(backend, func(t *testing.T) {
			dir := t.TempDir()
			c := config("a")
			c.Stores = []nodeconfig.Store{master("s", backend)}
			first := newNode(t, dir)
			apply(t, first, c)
			id := first.Status().EndpointID

			second := newNode(t, dir)
			if err := second.Apply(t.Context(), c); !errors.Is(err, ErrInUse) {
				t.Fatalf("two live nodes with one ID: %v", err)
			}
			closeNode(t, first)
			apply(t, second, c)
			if got := second.Status().EndpointID; got != id {
				t.Errorf("ID %s after a restart, %s before", got, id)
			}
			await(t, second, "serving", func(s statusapi.Status) bool { return s.Stores[0].State == statusapi.StoreServing })
		})
	}
}

func TestStoreAddedLaterKeepsTheRunningID(t *testing.T) {
	dir := t.TempDir()
	c := config("a")
	n := newNode(t, dir)
	apply(t, n, c)
	id := n.Status().EndpointID
	c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendSQLite)}
	apply(t, n, c)
	if got := n.Status().EndpointID; got != id {
		t.Errorf("the running node's ID changed from %s to %s", id, got)
	}
	closeNode(t, n)
	again := newNode(t, dir)
	apply(t, again, c)
	if got := again.Status().EndpointID; got != id {
		t.Errorf("ID %s after a restart, %s before", got, id)
	}
}

func TestNodesWithoutPersistentStoreGetNewIDs(t *testing.T) {
	dir := t.TempDir()
	ids := map[string]bool{}
	for range 2 {
		n := newNode(t, dir)
		apply(t, n, config("a"))
		ids[n.Status().EndpointID] = true
		closeNode(t, n)
	}
	if len(ids) != 2 {
		t.Errorf("IDs %v", ids)
	}
}

func TestDropping(t *testing.T) {
	s, start := make(seen), time.Unix(1000, 0)
	p := statusapi.Peer{Address: "x", State: statusapi.PeerPeered}
	for _, step := range []struct {
		after   time.Duration
		dropped uint64
		err     broker.PeerErrorClass
		want    bool
	}{
		{0, 0, "", false},
		{time.Second, 5, "", true},
		{4 * time.Minute, 5, "", true},
		{6 * time.Minute, 5, "", false},
		{7 * time.Minute, 6, "", true},
		{13 * time.Minute, 6, "", false},
		{14 * time.Minute, 0, broker.PeerOverflow, true}, // let go, and connected again
		{15 * time.Minute, 0, broker.PeerOverflow, true},
		{20 * time.Minute, 0, broker.PeerOverflow, false},
		{21 * time.Minute, 0, broker.PeerLost, false},
		{22 * time.Minute, 0, broker.PeerOverflow, true},
	} {
		p.Dropped, p.Error = step.dropped, string(step.err)
		if got := s.dropping(p, start.Add(step.after)); got != step.want {
			t.Errorf("after %v with %d dropped and %q: dropping %v", step.after, step.dropped, step.err, got)
		}
	}
	s.forget(start.Add(time.Hour))
	if len(s) != 1 {
		t.Error("forgot what may go on")
	}
	p.State = statusapi.PeerDisconnected
	if !s.dropping(p, start.Add(30*time.Minute)) {
		t.Error("the same error again, after a connection in between, is no news")
	}
	p.Error = ""
	s.dropping(p, start.Add(time.Hour))
	if s.forget(start.Add(2 * time.Hour)); len(s) != 0 {
		t.Errorf("remembers %v", s)
	}
}
