// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;create;update

// warden looks after one store that fails over by itself: it grants leases to its master, and when that has gone decides which clone is
// the next. Everything but kick, plan and the mesh's own maps belongs to the goroutine of run.
type warden struct {
	mesh  *mesh
	uid   types.UID
	store string
	log   *slog.Logger
	kick  chan struct{} // holds at most one token: look at once
	stop  context.CancelFunc
	done  chan struct{}

	ledger ledger
	// good, ended and asked are as in situation.
	good, ended, asked time.Time
	granted            time.Time // the last grant that the master took
	clients            map[string]*podClient

	mu struct {
		sync.Mutex
		plan topology.StorePlan
		// handed is as in situation.
		handed string
		// release: the store has leases no more, so that nothing is known of who writes.
		release bool
	}
}

// show tells the warden of the newest plan. A master that is being moved gives the store up by itself; one that is passed over doesn't.
func (w *warden) show(plan topology.StorePlan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.plan = plan
	switch {
	case plan.Promotion:
		w.mu.handed = ""
	case plan.Target != "":
		w.mu.handed = plan.TargetPod
	}
}

// podClient talks to a control port with certificates of a time.
type podClient struct {
	*statusapi.Client
	address string
	trust   *meshTrust
}

// oversee has one warden for each store with leases, and shows each its newest plan.
func (m *mesh) oversee(ctx context.Context, compiled topology.Result, o topology.Objects) {
	uids := make(map[string]types.UID)
	for i := range o.Stores {
		uids[o.Stores[i].Name] = o.Stores[i].UID
	}
	wanted := make(map[string]bool)
	for _, plan := range compiled.Stores {
		if plan.Lease == 0 || plan.Fault != nil {
			continue
		}
		wanted[plan.Object] = true
		w := m.wardens[plan.Object]
		if w != nil && w.uid != uids[plan.Object] {
			m.dismiss(plan.Object)
			w = nil
		}
		if w == nil {
			w = m.newWarden(plan.Object, uids[plan.Object])
			m.wardens[plan.Object] = w
		}
		w.show(plan)
		if w.stop == nil {
			w.start(ctx)
		}
		w.wake()
	}
	for store := range maps.Clone(m.wardens) {
		if !wanted[store] {
			w := m.wardens[store]
			w.mu.Lock()
			w.mu.release = true
			w.mu.Unlock()
			m.dismiss(store)
		}
	}
}

// dismiss ends a store's warden.
func (m *mesh) dismiss(store string) {
	w := m.wardens[store]
	delete(m.wardens, store)
	w.stop()
	<-w.done
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.failovers, store)
	delete(m.mu.waiting, store)
}

func (m *mesh) dismissAll() {
	for store := range maps.Clone(m.wardens) {
		m.dismiss(store)
	}
}

func (m *mesh) newWarden(store string, uid types.UID) *warden {
	return &warden{
		mesh: m, uid: uid, store: store, log: m.log.With("store", store), kick: make(chan struct{}, 1), done: make(chan struct{}),
		ledger:  ledger{client: m.client, uncached: m.uncached, me: m.instance, now: m.now},
		clients: make(map[string]*podClient),
	}
}

func (w *warden) start(ctx context.Context) {
	ctx, w.stop = context.WithCancel(ctx)
	go func() {
		defer close(w.done)
		w.run(ctx)
	}()
}

// wake makes the warden look at once. It never blocks.
func (w *warden) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// run looks after the store until the context ends.
func (w *warden) run(ctx context.Context) {
	w.good = w.mesh.now()
	for ctx.Err() == nil {
		w.mu.Lock()
		plan := w.mu.plan
		w.mu.Unlock()
		w.look(ctx, plan)
		wait(ctx, w.kick, w.pause(plan))
	}
	for _, c := range w.clients {
		c.Close()
	}
	w.mu.Lock()
	release := w.mu.release
	w.mu.Unlock()
	if release && w.ledger.object != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := w.ledger.release(ctx); err != nil {
			w.log.Info("release the Lease", "err", err)
		}
	}
}

// pause is how long to wait without being woken. Renewals are far apart as long as all is well.
func (w *warden) pause(plan topology.StorePlan) time.Duration {
	if left := w.granted.Add(plan.Lease / 3).Sub(w.mesh.now()); left > 0 {
		return left
	}
	return min(time.Second, plan.Lease/10)
}

// look does what is to be done.
func (w *warden) look(ctx context.Context, plan topology.StorePlan) {
	if w.ledger.object == nil {
		if err := w.openLedger(ctx, plan); err != nil {
			w.unread(err)
			return
		}
	}
	d := decide(w.situation(plan))
	var err error
	switch d.deed {
	case deedGrant:
		err = w.grant(ctx, plan, d.holder)
	case deedRecord:
		if err = w.ledger.record(ctx, d.holder, plan.Lease); err == nil {
			w.log.Info("leases go to another master", "pod", d.holder.pod, "epoch", d.holder.epoch)
			w.good = w.mesh.now()
			err = w.grant(ctx, plan, d.holder)
		}
	case deedAsk:
		w.ask(plan)
	case deedPromote:
		if err = w.ledger.record(ctx, d.holder, plan.Lease); err == nil {
			w.log.Warn("the master is gone; a clone takes over", "pod", d.holder.pod, "epoch", d.holder.epoch)
			w.good, w.asked = w.mesh.now(), time.Time{}
			w.appoint(d.holder)
		}
	}
	if err != nil && ctx.Err() == nil {
		w.log.Info("look after the store", "err", err)
	}
	w.say(d.words)
}

// unread is about a Lease that can't be read: that says nothing about the master, which then gets no lease, but doesn't lose its place.
func (w *warden) unread(err error) {
	w.good = w.mesh.now()
	w.log.Info("look after the store", "err", err)
}

// openLedger reads the Lease. What another manager granted may last for as long as it recorded.
func (w *warden) openLedger(ctx context.Context, plan topology.StorePlan) error {
	mayLast, err := w.ledger.open(ctx, w.mesh.namespace, w.store, w.uid)
	if err != nil {
		return err
	}
	now := w.mesh.now()
	w.good = now
	if mayLast > 0 {
		w.until(now.Add(withSlack(max(mayLast, plan.Lease))))
	}
	if h := w.ledger.holder(); h.pod != "" && h.epoch > uint64(plan.Epoch) && h.pod != plan.MasterPod && h.pod != plan.TargetPod {
		w.appoint(h) // a failover that had begun
	}
	return nil
}

// until notes when the last lease has certainly ended.
func (w *warden) until(t time.Time) {
	if t.After(w.ended) {
		w.ended = t
	}
}

// situation gathers what a decision rests on.
func (w *warden) situation(plan topology.StorePlan) situation {
	s := situation{plan: plan, holder: w.ledger.holder(), good: w.good, ended: w.ended, asked: w.asked, now: w.mesh.now()}
	w.mu.Lock()
	s.handed = w.mu.handed
	w.mu.Unlock()
	m := w.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	see := func(pod, role string) (sighting, bool) {
		a, ok := m.mu.answers[pod]
		if !ok {
			return sighting{}, false
		}
		for _, t := range a.status.Stores {
			if t.Object == plan.Object && t.Role == role {
				return sighting{pod: pod, store: t, received: a.received}, true
			}
		}
		return sighting{}, false
	}
	for _, pod := range []string{plan.MasterPod, plan.TargetPod} {
		if found, ok := see(pod, statusapi.RoleMaster); ok {
			s.masters = append(s.masters, found)
		}
	}
	for _, pod := range clonePods(plan) {
		found, ok := see(pod, statusapi.RoleClone)
		if ok {
			found.barred = !plan.CanMaster(pod)
			s.clones = append(s.clones, found)
		}
		if m.mu.wakers[pod] != nil && !m.mu.answers[pod].received.After(w.asked) {
			s.silent++
		}
	}
	return s
}

func clonePods(plan topology.StorePlan) []string {
	var pods []string
	for _, c := range plan.Clones {
		pods = append(pods, c.Pods...)
	}
	return pods
}

// ask has the clones say how far they are: that isn't news by itself.
func (w *warden) ask(plan topology.StorePlan) {
	if !w.asked.IsZero() {
		return
	}
	w.asked = w.mesh.now()
	m := w.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pod := range clonePods(plan) {
		m.mu.asked[pod] = true
		if wake := m.mu.wakers[pod]; wake != nil {
			wake()
		}
	}
}

// grant gives the holder a lease, unless it has enough of one.
func (w *warden) grant(ctx context.Context, plan topology.StorePlan, h holder) error {
	if w.mesh.now().Before(w.granted.Add(plan.Lease/3)) && !w.missing(h) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, max(plan.Lease/3, time.Second))
	defer cancel()
	c := w.client(h.pod)
	if c == nil {
		return errors.New("the pod can't be asked yet")
	}
	token, err := c.LeaseToken(ctx)
	if err != nil {
		return err
	}
	begin := w.mesh.now()
	// Only now: who has read this and is held up afterwards holds a token that grows old.
	if still, err := w.ledger.still(ctx); err != nil || !still {
		w.good = w.mesh.now()
		return err
	}
	w.until(begin.Add(withSlack(plan.Lease)))
	g := statusapi.Grant{Store: plan.StoreName, Epoch: h.epoch, Seconds: plan.Lease.Seconds(), Token: token.Token}
	if err := c.Grant(ctx, g); err != nil {
		return err
	}
	w.good, w.granted, w.asked = w.mesh.now(), begin, time.Time{}
	return nil
}

// missing tells whether the holder says that it has no lease.
func (w *warden) missing(h holder) bool {
	m := w.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.mu.answers[h.pod]; ok && a.received.After(w.granted) {
		for _, t := range a.status.Stores {
			if t.Object == w.store && t.LeaseMissing {
				return true
			}
		}
	}
	return false
}

// client talks to a pod that is there; nil if it can't be asked.
func (w *warden) client(pod string) *podClient {
	m := w.mesh
	m.mu.Lock()
	address := m.mu.addresses[pod]
	m.mu.Unlock()
	trust := m.trusted()
	if address == "" || trust == nil {
		return nil
	}
	c := w.clients[pod]
	if c != nil && c.address == address && c.trust == trust {
		return c
	}
	if c != nil {
		c.Close()
	}
	c = &podClient{statusapi.NewClient(address, trust.dial(m.namespace, nodeOf(pod))), address, trust}
	w.clients[pod] = c
	return c
}

// nodeOf is the BrokerNode of a pod.
func nodeOf(pod string) string { return pod[:max(0, strings.LastIndexByte(pod, '-'))] }

// appoint has the topology compiled with the holder as the next master.
func (w *warden) appoint(h holder) {
	m := w.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.failovers[w.store] = topology.Failover{Node: nodeOf(h.pod), Epoch: int64(h.epoch)}
	m.kick()
}

// say tells what a failover waits for that is due.
func (w *warden) say(words string) {
	m := w.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.waiting[w.store] != words {
		m.mu.waiting[w.store] = words
		m.kick()
	}
}
