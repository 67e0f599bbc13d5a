// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// mesh is one namespace with its pollers. Its goroutine, run, makes views; the mutex owns what pollers and controllers leave for it.
type mesh struct {
	*meshes
	namespace string
	log       *slog.Logger
	kicks     chan struct{} // holds at most one token
	newest    atomic.Pointer[view]
	started   time.Time
	pollers   map[types.UID]*running // of run alone
	wardens   map[string]*warden     // of run alone, by DataStore
	verdict   evidence.Verdict       // of run alone: the last one

	mu struct {
		sync.Mutex
		facts     map[string]evidence.Facts // by node
		answers   map[string]answer         // by pod
		offers    map[string]offer          // by pod
		refused   map[string]string         // by pod: its words about the offer
		asked     map[string]bool           // pods of which an answer is wanted, whatever it is
		wakers    map[string]func()         // by pod
		addresses map[string]string         // of control ports, by pod
		failovers map[string]topology.Failover
		waiting   map[string]string  // what failovers wait for, by DataStore
		unfit     map[string]string  // why objects of a BrokerMesh couldn't be written, by BrokerMesh
		holders   map[string]string  // why a node holds up the rotation of the authority
		flights   map[string]flight  // pods that were replaced and are not back, by name; nil before the first look
		old       map[types.UID]bool // the pods that were old at the last look
		grown     time.Time          // when one became so
		skills    map[string]skills  // by pod
		moves     map[string]move    // masters that somebody else moves, by DataStore, as the last look saw them
		errands   map[string]errand  // masters that are moved for a roll, or back, by DataStore
		seen      map[types.UID]bool // the DataStores of the last look
	}
}

// running is a poller with its end.
type running struct {
	*poller
	cancel context.CancelFunc
	done   chan struct{}
}

func newMesh(all *meshes, namespace string) *mesh {
	m := &mesh{
		meshes: all, namespace: namespace, log: all.log.With("namespace", namespace),
		kicks: make(chan struct{}, 1), started: all.now(), pollers: make(map[types.UID]*running),
	}
	m.mu.facts = make(map[string]evidence.Facts)
	m.mu.answers = make(map[string]answer)
	m.mu.refused = make(map[string]string)
	m.mu.asked = make(map[string]bool)
	m.mu.skills = make(map[string]skills)
	m.mu.offers = make(map[string]offer)
	m.mu.wakers = make(map[string]func())
	m.mu.addresses = make(map[string]string)
	m.mu.failovers = make(map[string]topology.Failover)
	m.mu.waiting = make(map[string]string)
	m.mu.unfit = make(map[string]string)
	m.wardens = make(map[string]*warden)
	return m
}

// kick asks for a new view. It never blocks.
func (m *mesh) kick() {
	select {
	case m.kicks <- struct{}{}:
	default:
	}
}

// run makes a new view at every kick, and when the evidence ages. It ends with the context, or when the namespace has nothing of ours.
func (m *mesh) run(ctx context.Context) {
	defer m.stopPollers(nil)
	defer m.dismissAll()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.kicks:
		case <-timer.C:
		}
		next, err := m.look(ctx)
		if err != nil && ctx.Err() == nil {
			m.log.Error("look at the mesh", "err", err)
			next = 5 * time.Second
		}
		if v := m.newest.Load(); err == nil && v.empty() && m.retire(m) {
			return
		}
		timer.Reset(next)
	}
}

// look gathers, compiles and judges, publishes the view, and wakes the controllers whose objects it changes. It returns how long the
// view is good.
func (m *mesh) look(ctx context.Context) (time.Duration, error) {
	objects, err := m.objects(ctx)
	if err != nil {
		return 0, err
	}
	pods, sets, err := m.workloads(ctx)
	if err != nil {
		return 0, err
	}
	m.adopt(objects)
	errands, written := m.errands(objects)
	objects.Failovers, objects.Errands = m.failovers(), written
	compiled := topology.Compile(objects, topology.Options{Namespace: m.namespace, RequireStorage: true})
	m.withdraw(objects.Nodes)
	m.poll(ctx, compiled, pods)
	m.oversee(ctx, compiled, objects)
	facts := m.facts()
	verdict := m.judge(objects, compiled, pods, facts, errands)
	step := m.roll(objects, compiled, sets, pods, verdict.Links)
	v := newView(objects, compiled, verdict, facts, step)
	skews, again := m.skews(compiled, pods)
	v.setSkews(skews)
	v.revisions = m.revisions(compiled)
	v.trust = m.podTrust(compiled, pods)
	old := m.newest.Swap(v)
	if old == nil || !slices.Equal(old.trust, v.trust) {
		wakeOne(ctx, m.authorities, authorityOf(m.namespace))
	}
	m.wakeAll(ctx, m.namespace, v.changes(old))
	next := time.Hour
	for _, d := range []time.Duration{verdict.NextCheck, step.Again, again} {
		if d > 0 {
			next = min(next, d)
		}
	}
	return next, nil
}

func newView(o topology.Objects, compiled topology.Result, verdict evidence.Verdict, facts map[string]evidence.Facts, step rollStep) *view {
	v := &view{
		objects: o, nodes: make(map[string]nodeView, len(o.Nodes)),
		peerings: make(map[string]reportView, len(o.Peerings)), stores: make(map[string]reportView, len(o.Stores)), layouts: make(map[string]reportView, len(o.Meshes)),
	}
	callers := compiled.Callers()
	plans := make(map[string]topology.NodePlan, len(compiled.Nodes))
	for _, plan := range compiled.Nodes {
		plans[plan.Node] = plan
	}
	for i := range o.Nodes {
		n := &o.Nodes[i]
		nv := nodeView{
			identity: identity{n.UID, n.Generation}, plan: plans[n.Name], callers: callers[n.Name], facts: facts[n.Name], status: verdict.Nodes[n.Name],
		}
		nv.waiting, nv.old = step.Waiting[n.Name]
		if step.Delete != nil && step.Delete.Node == n.Name {
			nv.roll, nv.flight, nv.down = step.Delete, step.Flight, downWords(step.Down)
		}
		v.nodes[n.Name] = nv
	}
	for i := range o.Peerings {
		p := &o.Peerings[i]
		status := verdict.Peerings[p.Name]
		v.peerings[p.Name] = reportView{identity: identity{p.UID, p.Generation}, status: status, conditions: status.Conditions}
	}
	for i := range o.Meshes {
		layout := &o.Meshes[i]
		status := verdict.Meshes[layout.Name]
		v.layouts[layout.Name] = reportView{identity: identity{layout.UID, layout.Generation}, status: status, conditions: status.Conditions}
	}
	for i := range o.Stores {
		s := &o.Stores[i]
		status := verdict.Stores[s.Name]
		awaited, removal := verdict.Removals[s.Name]
		v.stores[s.Name] = reportView{
			identity: identity{s.UID, s.Generation}, status: status, conditions: status.Conditions,
			deleting: s.DeletionTimestamp != nil, removal: removal, awaited: awaited,
		}
	}
	return v
}

// workloads are the pods and StatefulSets of the mesh.
func (m *mesh) workloads(ctx context.Context) ([]corev1.Pod, []appsv1.StatefulSet, error) {
	var pods corev1.PodList
	if err := m.client.List(ctx, &pods, client.InNamespace(m.namespace), client.HasLabels{manifest.NodeLabel}); err != nil {
		return nil, nil, fmt.Errorf("list pods: %w", err)
	}
	var sets appsv1.StatefulSetList
	if err := m.client.List(ctx, &sets, client.InNamespace(m.namespace), client.HasLabels{manifest.NodeLabel}); err != nil {
		return nil, nil, fmt.Errorf("list StatefulSets: %w", err)
	}
	for i := range sets.Items {
		if s, ok := m.written.newest(&sets.Items[i]).(*appsv1.StatefulSet); ok {
			sets.Items[i] = *s
		}
	}
	return pods.Items, sets.Items, nil
}

// poll has one poller for each pod that has an address and belongs to a node of the mesh.
func (m *mesh) poll(ctx context.Context, compiled topology.Result, pods []corev1.Pod) {
	nodes := make(map[string]string)
	for _, n := range compiled.Nodes {
		for _, p := range n.Pods {
			nodes[p.Pod] = n.Node
		}
	}
	wanted := make(map[types.UID]bool)
	for i := range pods {
		pod := &pods[i]
		node := nodes[pod.Name]
		address := m.address(pod)
		if node == "" || address == "" || pod.Status.Phase != corev1.PodRunning {
			continue
		}
		if r := m.pollers[pod.UID]; r != nil && r.address != address {
			m.stop(pod.UID)
		}
		wanted[pod.UID] = true
		if m.pollers[pod.UID] == nil {
			m.startPoller(ctx, pod, node, address)
		}
	}
	m.stopPollers(wanted)
	m.mu.Lock()
	defer m.mu.Unlock()
	keep(m.mu.flights, nodes) // what is scaled away, or gone with its node, nobody makes again
	keep(m.mu.answers, nodes)
	keep(m.mu.skills, nodes)
	keep(m.mu.offers, nodes)
	keep(m.mu.refused, nodes)
}

func (m *mesh) startPoller(ctx context.Context, pod *corev1.Pod, node, address string) {
	ctx, cancel := context.WithCancel(ctx)
	r := &running{
		poller: &poller{
			mesh: m, namespace: m.namespace, node: node, pod: pod.Name, address: address, log: m.log, kick: make(chan struct{}, 1),
		},
		cancel: cancel, done: make(chan struct{}),
	}
	m.pollers[pod.UID] = r
	m.mu.Lock()
	m.mu.wakers[pod.Name], m.mu.addresses[pod.Name] = r.wake, address
	delete(m.mu.answers, pod.Name) // of an earlier pod of this name
	m.mu.Unlock()
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
}

// stopPollers ends all pollers but those of the wanted pods.
func (m *mesh) stopPollers(wanted map[types.UID]bool) {
	for _, uid := range slices.Collect(maps.Keys(m.pollers)) {
		if !wanted[uid] {
			m.stop(uid)
		}
	}
}

func (m *mesh) stop(uid types.UID) {
	r := m.pollers[uid]
	delete(m.pollers, uid)
	r.cancel()
	<-r.done
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.wakers, r.pod)
	delete(m.mu.addresses, r.pod)
}

// roll decides which pod is replaced next.
func (m *mesh) roll(o topology.Objects, compiled topology.Result, sets []appsv1.StatefulSet, pods []corev1.Pod, links []evidence.LinkState) rollStep {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := m.mu.flights == nil
	s := rollState{
		pods: rollPods(o.Nodes, sets, pods), flights: maps.Clone(m.mu.flights), started: m.started, now: m.now(),
		stores: m.rollStores(o, compiled), errands: m.mu.errands,
	}
	if first || len(s.flights) > 0 || slices.ContainsFunc(s.pods, func(p rollPod) bool { return p.Old }) {
		s.links = rollLinks(links)
	}
	if first {
		m.mu.flights = s.resume(podsOf(compiled, sets))
		s.flights = maps.Clone(m.mu.flights)
	}
	old := make(map[types.UID]bool)
	for i := range s.pods {
		p := &s.pods[i]
		_, p.Heard = m.mu.answers[p.Name]
		if p.Old {
			old[p.UID] = true
			if !m.mu.old[p.UID] {
				m.mu.grown = s.now
			}
		}
	}
	m.mu.old, s.grown = old, m.mu.grown
	step := nextRoll(s)
	for _, pod := range step.Back {
		delete(m.mu.flights, pod)
	}
	m.remember(step)
	return step
}

// podsOf are the pods that the StatefulSets of a mesh are to have.
func podsOf(compiled topology.Result, sets []appsv1.StatefulSet) []string {
	there := make(map[string]bool, len(sets))
	for i := range sets {
		there[sets[i].Name] = true
	}
	var out []string
	for _, n := range compiled.Nodes {
		for _, p := range n.Pods {
			if there[n.Node] {
				out = append(out, p.Pod)
			}
		}
	}
	return out
}

// claimRoll says whether the pod is still to be deleted, and that the caller is the one to do it.
func (m *mesh) claimRoll(p *rollPod, f flight) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if was, ok := m.mu.flights[p.Name]; ok && was.uid == p.UID {
		return false
	}
	m.mu.flights[p.Name] = f // not nil: the step is one of a look
	return true
}

// releaseRoll takes the claim back, when the pod wasn't deleted.
func (m *mesh) releaseRoll(p *rollPod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.flights[p.Name].uid == p.UID {
		delete(m.mu.flights, p.Name)
	}
}

// revisions are the highest ones that the pods of each node have reported.
func (m *mesh) revisions(compiled topology.Result) map[string]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	highest := make(map[string]int64, len(compiled.Nodes))
	for _, n := range compiled.Nodes {
		for _, p := range n.Pods {
			if a, ok := m.mu.answers[p.Pod]; ok {
				highest[n.Node] = max(highest[n.Node], a.status.ConfigRevision)
			}
		}
	}
	return highest
}

// keep forgets what is known of pods that no node has any more.
func keep[V any](known map[string]V, pods map[string]string) {
	maps.DeleteFunc(known, func(pod string, _ V) bool { return pods[pod] == "" })
}
