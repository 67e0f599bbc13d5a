// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// theStore is the one store of a node, running.
func theStore(t *testing.T, n *Node) *runningStore {
	t.Helper()
	stores := n.mu.engine.runningStores()
	if len(stores) != 1 {
		t.Fatalf("%d stores", len(stores))
	}
	return stores[0]
}

// theMaster is the open master of a node.
func theMaster(t *testing.T, n *Node) *store.Master {
	t.Helper()
	r := theStore(t, n)
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.mu.handle.(*store.Master)
	if !ok {
		t.Fatalf("no master is open: %T, %v", r.mu.handle, r.mu.err)
	}
	return m
}

// stands waits for the one store to be in a state, with an epoch or a later one.
func stands(state string, epoch uint64) func(statusapi.Status) bool {
	return func(s statusapi.Status) bool {
		return len(s.Stores) == 1 && s.Stores[0].State == state && s.Stores[0].Epoch >= epoch
	}
}

// pair is two nodes with a peering: a has the master, b a clone.
func pair(t *testing.T, backend, dir string) (a, b *Node, ca, cb nodeconfig.Config) {
	t.Helper()
	a, b = newNode(t, t.TempDir()), newNode(t, dir)
	ca, cb = config("a"), config("b")
	ca.Stores = []nodeconfig.Store{master("s", backend)}
	cb.Stores = []nodeconfig.Store{{Object: "s", StoreName: "s", Role: nodeconfig.RoleClone, StaleAfterSeconds: 30}}
	apply(t, a, ca)
	cb.Peers = []nodeconfig.Peer{{Name: "b-a", Address: port(t, a, "broker")}}
	apply(t, b, cb)
	await(t, b, "synced", stands(statusapi.StoreSynced, 1))
	return a, b, ca, cb
}

func put(t *testing.T, m *store.Master, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := m.Put(t.Context(), data.Count(uint64(i)), data.String(fmt.Sprint(i)), 0); err != nil {
			t.Fatal(err)
		}
	}
}

func size(t *testing.T, m *store.Master) int64 {
	t.Helper()
	n, err := m.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int64(n.Entries)
}

// TestPromotion: the master's node is gone; a node with a clone is told to be the master, and is it with all that the clone had, also
// after another start from the same folder.
func TestPromotion(t *testing.T) {
	for _, backend := range []string{nodeconfig.BackendMemory, nodeconfig.BackendSQLite, nodeconfig.BackendPebble} {
		t.Run(backend, func(t *testing.T) {
			dir := t.TempDir()
			a, b, _, cb := pair(t, backend, dir)
			put(t, theMaster(t, a), 0, 100)
			soon(t, "all entries at the clone", func() bool { return b.Status().Stores[0].Entries == 100 })
			closeNode(t, a)
			s := master("s", backend)
			s.Epoch, s.Promote = 5, true
			cb.Stores = []nodeconfig.Store{s}
			apply(t, b, cb)
			st := await(t, b, "promoted", stands(statusapi.StoreServing, 5)).Stores[0]
			m := theMaster(t, b)
			if st.Role != statusapi.RoleMaster || st.Epoch != 5 || st.Refused != "" || st.Leased || size(t, m) != 100 {
				t.Errorf("%+v", st)
			}
			put(t, m, 100, 110)
			cb.Stores[0].Promote = false
			apply(t, b, cb)
			if now := theMaster(t, b); now != m {
				t.Error("another master after a config that asks for what there is")
			}
			leasesComeAndGo(t, b, cb, m)
			if backend == nodeconfig.BackendMemory {
				return
			}
			closeNode(t, b)
			again := newNode(t, dir)
			cb.Peers = nil
			apply(t, again, cb)
			await(t, again, "serving", stands(statusapi.StoreServing, 5))
			if n := size(t, theMaster(t, again)); n != 110 {
				t.Errorf("%d entries after another start", n)
			}
		})
	}
}

// leasesComeAndGo has a running master without leases get and lose them with its config; it stays the same one.
func leasesComeAndGo(t *testing.T, n *Node, c nodeconfig.Config, m *store.Master) {
	t.Helper()
	write := func() error { return m.Put(t.Context(), data.Count(0), data.String("0"), 0) }
	c.Stores[0].LeaseSeconds = 60
	apply(t, n, c)
	if err := write(); !errors.Is(err, store.ErrNoLease) || theMaster(t, n) != m {
		t.Errorf("leases began: %v", err)
	}
	if err := n.Grant(statusapi.Grant{Store: "s", Epoch: m.Status().Epoch, Seconds: 60, Token: n.LeaseToken().Token}); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("with a lease: %v", err)
	}
	c.Stores[0].LeaseSeconds = 0
	apply(t, n, c)
	if err := write(); err != nil || theMaster(t, n) != m {
		t.Errorf("leases ended: %v", err)
	}
}

// TestExpiryComesAndGoes: a running master, also one in memory, takes another expiry with what it has.
func TestExpiryComesAndGoes(t *testing.T) {
	n, c := newNode(t, ""), config("a")
	c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendMemory)}
	apply(t, n, c)
	await(t, n, "serving", stands(statusapi.StoreServing, 1))
	m := theMaster(t, n)
	put(t, m, 0, 3)
	c.Stores[0].ExpirySeconds = 0.05
	apply(t, n, c)
	put(t, m, 2, 4)
	soon(t, "those written since then are gone", func() bool { return size(t, m) == 2 })
	if theMaster(t, n) != m {
		t.Error("another master")
	}
}

// soon waits for what is no news to a status.
func soon(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("%s: it never came to that", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestPromotionNeedsContent: a clone that never had anything is no master, and goes on looking for one; taken back, it is the same clone.
func TestPromotionNeedsContent(t *testing.T) {
	b := newNode(t, "")
	cb := config("b")
	asClone := nodeconfig.Store{Object: "s", StoreName: "s", Role: nodeconfig.RoleClone}
	cb.Stores = []nodeconfig.Store{asClone}
	apply(t, b, cb)
	first := theStore(t, b).handleNow(t)
	s := master("s", nodeconfig.BackendMemory)
	s.Epoch, s.Promote = 2, true
	cb.Stores = []nodeconfig.Store{s}
	apply(t, b, cb)
	st := await(t, b, "taking over", stands(statusapi.StoreTakingOver, 0)).Stores[0]
	if st.Role != statusapi.RoleMaster || st.Error != "" {
		t.Errorf("%+v", st)
	}
	cb.Stores = []nodeconfig.Store{asClone}
	apply(t, b, cb)
	await(t, b, "a clone again", stands(statusapi.StoreAttaching, 0))
	if now := theStore(t, b).handleNow(t); now != first {
		t.Error("another clone")
	}
}

// handleNow waits for the store to be open.
func (r *runningStore) handleNow(t *testing.T) handle {
	t.Helper()
	var h handle
	soon(t, "open", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		h = r.mu.handle
		return h != nil
	})
	return h
}

// TestLeases: a master with leases writes under one only, for its own epoch, for no longer than from the token on; leases come and go
// with the config without a new master.
func TestLeases(t *testing.T) {
	n := newNode(t, "")
	c := config("a")
	s := master("s", nodeconfig.BackendMemory)
	s.LeaseSeconds = 60
	c.Stores = []nodeconfig.Store{s}
	apply(t, n, c)
	st := await(t, n, "serving", stands(statusapi.StoreServing, 1)).Stores[0]
	if !st.Leased || !st.LeaseMissing {
		t.Errorf("without a lease: %+v", st)
	}
	m := theMaster(t, n)
	write := func() error { return m.Put(t.Context(), data.Count(1), data.Count(1), 0) }
	if err := write(); !errors.Is(err, store.ErrNoLease) {
		t.Errorf("without a lease: %v", err)
	}
	token := func() string { return n.LeaseToken().Token }
	past := n.clock()
	old := fmt.Sprintf("%d.%d.%s", past.wall-time.Hour, past.steady, n.instance)
	for what, g := range map[string]statusapi.Grant{
		"another epoch":   {Store: "s", Epoch: 2, Seconds: 60, Token: token()},
		"another store":   {Store: "t", Epoch: 1, Seconds: 60, Token: token()},
		"no time":         {Store: "s", Epoch: 1, Token: token()},
		"a long time":     {Store: "s", Epoch: 1, Seconds: 1e9, Token: token()},
		"no token":        {Store: "s", Epoch: 1, Seconds: 60},
		"another process": {Store: "s", Epoch: 1, Seconds: 60, Token: "1.1.other"},
		"time to come":    {Store: "s", Epoch: 1, Seconds: 60, Token: fmt.Sprintf("%d.%d.%s", past.wall, past.steady+time.Hour, n.instance)},
		"over":            {Store: "s", Epoch: 1, Seconds: 60, Token: old},
	} {
		if err := n.Grant(g); err == nil {
			t.Errorf("%s: granted", what)
		}
	}
	if err := write(); !errors.Is(err, store.ErrNoLease) {
		t.Errorf("with refused leases: %v", err)
	}
	if err := n.Grant(statusapi.Grant{Store: "s", Epoch: 1, Seconds: 60, Token: token()}); err != nil {
		t.Fatal(err)
	}
	await(t, n, "leased", func(s statusapi.Status) bool { return !s.Stores[0].LeaseMissing })
	if err := write(); err != nil {
		t.Errorf("with a lease: %v", err)
	}
	if left := m.Status().LeaseLeft; left <= 0 || left > time.Minute {
		t.Errorf("%v left of a minute", left)
	}
	c.Stores[0].LeaseSeconds = 0
	apply(t, n, c)
	if err := write(); err != nil || m != theMaster(t, n) || n.Status().Stores[0].Leased {
		t.Errorf("a master that needs no lease: %v", err)
	}
	if err := n.Grant(statusapi.Grant{Store: "s", Epoch: 1, Seconds: 60, Token: token()}); err == nil {
		t.Error("granted to a master that needs none")
	}
	c.Stores[0].LeaseSeconds = 60
	apply(t, n, c)
	if err := write(); !errors.Is(err, store.ErrNoLease) || m != theMaster(t, n) {
		t.Errorf("a master that needs one again: %v", err)
	}
}
