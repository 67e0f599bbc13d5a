// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// masterAt wants the status to say where the master is.
func (w *world) masterAt(name, node string, epoch int64, spec string) error {
	var s v1alpha1.DataStore
	if err := w.get(name, &s); err != nil {
		return err
	}
	if m := s.Status.Master; m == nil || *m != (v1alpha1.MasterStatus{Node: node, Epoch: epoch, SpecNode: spec}) {
		return fmt.Errorf("the master is at %+v", m)
	}
	return nil
}

// holds wants a puppet to run a store in a role, and answers what it was told of it.
func (q *puppet) holds(role string) (nodeconfig.Store, error) {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	for _, s := range q.config.Stores {
		if s.Role == role {
			return s, nil
		}
	}
	return nodeconfig.Store{}, fmt.Errorf("%s has no %s", q.pod, role)
}

// storeWorld is three nodes in a triangle, with a store at a and clones at b and c; c is ahead of b.
func storeWorld(t *testing.T, mod func(*v1alpha1.DataStore)) (w *world, a, b, c *puppet) {
	t.Helper()
	w = newWorld(t)
	w.start()
	s := dataStore("s", "a", "b", "c")
	mod(s)
	w.create(brokerNode("a"), brokerNode("b"), brokerNode("c"), peering("a", "b"), peering("b", "c"), peering("c", "a"), s)
	a, b, c = w.puppets.run("a"), w.puppets.run("b"), w.puppets.run("c")
	for i, q := range []*puppet{a, b, c} {
		q.script(func(q *puppet) { q.epoch, q.sequence = 1, uint64(i) })
	}
	w.eventually("the master is seen", func() error { return w.masterAt("s", "a", 1, "a") })
	return w, a, b, c
}

// TestMove: a change of spec.master.node moves the master; the old node keeps it until the new one serves. A refusal changes nothing.
func TestMove(t *testing.T) {
	t.Parallel()
	w, a, b, c := storeWorld(t, func(*v1alpha1.DataStore) {})
	b.script(func(q *puppet) { q.foreign = true })
	var s v1alpha1.DataStore
	w.change("s", &s, "user", func() {
		s.Spec.Master.Node, s.Spec.Clones = "b", []v1alpha1.CloneSpec{{Node: "a"}, {Node: "c"}}
	})
	w.eventually("the move is refused", func() error { return w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonMoveRefused) })
	told, err := b.holds(nodeconfig.RoleMaster)
	_, errA := a.holds(nodeconfig.RoleMaster)
	if err != nil || told.Epoch != 2 || told.Promote || told.StrandForeignClones || errA != nil || w.masterAt("s", "a", 1, "a") != nil {
		t.Errorf("b was told %+v, %v; a: %v", told, err, errA)
	}
	w.event(string(v1alpha1.ReasonMoveRefused), "foreign clones")

	b.script(func(q *puppet) { q.foreign = false })
	w.eventually("the master has moved", func() error {
		_, atA := a.holds(nodeconfig.RoleClone)
		_, atC := c.holds(nodeconfig.RoleClone)
		return errors.Join(w.masterAt("s", "b", 2, "b"), atA, atC)
	})
	a.script(func(q *puppet) { q.epoch = 2 })
	w.eventually("all is well", func() error { return w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced) })
}

// TestFailover: a leased master goes away; when its last lease has ended the clone that is furthest ahead is promoted, and only then. While
// all is well, leases cost the API server no write.
func TestFailover(t *testing.T) {
	t.Parallel()
	w, a, b, c := storeWorld(t, func(s *v1alpha1.DataStore) {
		s.Spec.Failover = &v1alpha1.FailoverSpec{Policy: v1alpha1.FailoverAutomatic, After: &metav1.Duration{Duration: 5 * time.Second}}
	})
	grants := func(q *puppet, n int) func() error {
		return func() error {
			if got := len(q.granted()); got < n {
				return fmt.Errorf("%d leases", got)
			}
			return nil
		}
	}
	w.eventually("the master is leased", grants(a, 2))
	w.eventually("all is well", func() error { return w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced) })
	lease := &coordinationv1.Lease{}
	w.mustGet(LeaseName("s"), lease)
	before, version := len(w.requests.writes()), lease.ResourceVersion
	w.eventually("more leases", grants(a, len(a.granted())+3))
	w.mustGet(LeaseName("s"), lease)
	if got := w.requests.writes()[before:]; len(got) > 0 || lease.ResourceVersion != version || len(lease.OwnerReferences) != 1 {
		t.Errorf("writes while leases are renewed: %q; %+v", got, lease.ObjectMeta)
	}
	w.heldBy("a-0", 1)

	a.halt()
	w.eventually("c has the store", func() error { return w.masterAt("s", "c", 2, "a") })
	w.eventually("c is told that it has arrived", func() error {
		if told, err := c.holds(nodeconfig.RoleMaster); err != nil || told.Promote {
			return fmt.Errorf("%+v, %v", told, err)
		}
		return nil
	})
	last := a.granted()[len(a.granted())-1]
	w.puppets.mu.Lock()
	first := firstWith(c, func(s nodeconfig.Store) bool { return s.Promote })
	w.puppets.mu.Unlock()
	if first.Epoch != 2 || first.LeaseSeconds != 5 {
		t.Errorf("c was told %+v", first)
	}
	w.heldBy("c-0", 2)
	w.eventually("c is leased", grants(c, 1))
	for _, g := range c.granted() {
		if g.Epoch != 2 || g.at.Before(last.at.Add(time.Duration(last.Seconds*float64(time.Second)))) {
			t.Errorf("%+v, while a has %+v", g, last)
		}
	}
	if len(b.granted()) > 0 {
		t.Errorf("b has leases: %+v", b.granted())
	}
	w.eventually("it is said", func() error {
		var s v1alpha1.DataStore
		w.mustGet("s", &s)
		return condition(s.Status.Conditions, v1alpha1.ConditionMasterAvailable, metav1.ConditionTrue, string(v1alpha1.ReasonFailedOver))
	})

	a.serve() // it comes back, as what it was, and is a clone from then on
	w.t.Cleanup(func() { a.halt() })
	w.eventually("a is a clone", func() error { _, err := a.holds(nodeconfig.RoleClone); return err })
	if n := len(a.granted()); a.granted()[n-1] != last {
		t.Errorf("a got another lease: %+v", a.granted()[n-1])
	}
}

// firstWith is the first that a puppet was told of a store that has something. The mutex is held.
func firstWith(q *puppet, has func(nodeconfig.Store) bool) nodeconfig.Store {
	for _, c := range q.applied {
		for _, s := range c.Stores {
			if has(s) {
				return s
			}
		}
	}
	return nodeconfig.Store{}
}

// heldBy waits for the Lease to record a holder.
func (w *world) heldBy(pod string, epoch int32) {
	w.t.Helper()
	w.eventually("the Lease is "+pod+"'s", func() error {
		var l coordinationv1.Lease
		if err := w.get(LeaseName("s"), &l); err != nil {
			return err
		}
		if s := l.Spec; s.HolderIdentity == nil || *s.HolderIdentity != pod || s.LeaseTransitions == nil || *s.LeaseTransitions != epoch {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// TestCutOff: a master that lives, and that the operator doesn't reach any more, refuses writes before another one can write.
func TestCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := &engines{world: w, at: make(map[string]string), servers: make(map[string]func())}
	w.options.Address = e.address
	w.start()
	s := dataStore("s", "a", "b")
	s.Spec.Failover = &v1alpha1.FailoverSpec{Policy: v1alpha1.FailoverAutomatic, After: &metav1.Duration{Duration: 5 * time.Second}}
	w.create(brokerNode("a"), brokerNode("b"), s)
	a, b := e.run("a"), e.run("b")
	link := peering("b", "a")
	w.eventually("a listens", func() error {
		if len(a.Status().Listeners) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	link.Spec.To = v1alpha1.PeeringTo{Address: brokerPort(t, a)}
	w.create(link)
	entry := func(s statusapi.Status) statusapi.Store {
		if len(s.Stores) == 0 {
			return statusapi.Store{}
		}
		return s.Stores[0]
	}
	mayWrite := func(s statusapi.Status) bool {
		m := entry(s)
		return m.Role == statusapi.RoleMaster && m.State == statusapi.StoreServing && (!m.Leased || !m.LeaseMissing)
	}
	w.eventually("b has all that a has, and a writes", func() error {
		if sa, sb := a.Status(), b.Status(); !mayWrite(sa) || entry(sb).State != statusapi.StoreSynced {
			return fmt.Errorf("a %+v, b %+v", entry(sa), entry(sb))
		}
		return w.masterAt("s", "a", 1, "a")
	})
	e.cut("a-0")
	w.eventually("b writes", func() error {
		sb := b.Status()
		if !mayWrite(sb) {
			return fmt.Errorf("b %+v, a %+v", entry(sb), entry(a.Status()))
		}
		if sa := a.Status(); mayWrite(sa) { // asked after b
			t.Fatalf("two write: a %+v, b %+v", entry(sa), entry(sb))
		}
		return nil
	})
	if m := entry(a.Status()); m.Role != statusapi.RoleMaster || entry(b.Status()).Epoch != 2 {
		t.Errorf("a %+v, b %+v", m, entry(b.Status()))
	}
}
