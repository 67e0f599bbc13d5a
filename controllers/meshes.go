// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// meshes has a mesh for each namespace that holds objects of ours. It runs on the leader only. The mutex owns the map.
type meshes struct {
	client client.Client
	// uncached reads Leases, which nobody watches.
	uncached client.Reader
	// instance is this manager's own name among those that grant leases.
	instance string
	cache    cache.Cache
	trust    *trust
	written  *written
	log      *slog.Logger
	now      func() time.Time
	// address is where a pod's control port is asked; empty as long as the pod has none.
	address func(*corev1.Pod) string

	// The controllers are woken through these.
	nodes, peerings, stores, layouts, authorities chan event.GenericEvent

	mu struct {
		sync.Mutex
		running     context.Context // nil before Start
		byNamespace map[string]*mesh
		waiting     sync.WaitGroup
	}
}

// Start watches the caches until the context ends, and returns when all meshes have ended.
func (m *meshes) Start(ctx context.Context) error {
	m.mu.Lock()
	m.mu.running = ctx
	m.mu.byNamespace = make(map[string]*mesh)
	m.mu.Unlock()
	kinds := []client.Object{&v1alpha1.BrokerNode{}, &v1alpha1.Peering{}, &v1alpha1.DataStore{}, &v1alpha1.BrokerMesh{}, &corev1.Pod{}, &appsv1.StatefulSet{}}
	for _, kind := range kinds {
		informer, err := m.cache.GetInformer(ctx, kind)
		if err != nil {
			return fmt.Errorf("watch %T: %w", kind, err)
		}
		handle, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: m.kickFor, UpdateFunc: func(_, o any) { m.kickFor(o) }, DeleteFunc: m.kickFor,
		})
		if err != nil {
			return fmt.Errorf("watch %T: %w", kind, err)
		}
		defer informer.RemoveEventHandler(handle)
	}
	<-ctx.Done()
	m.mu.Lock()
	m.mu.running = nil // nobody joins the wait any more
	m.mu.Unlock()
	m.mu.waiting.Wait()
	return nil
}

// kickFor asks the object's mesh for a new view.
func (m *meshes) kickFor(o any) {
	if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	if object, ok := o.(metav1.Object); ok {
		m.kick(object.GetNamespace())
	}
}

func (m *meshes) kick(namespace string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.running == nil || m.mu.running.Err() != nil {
		return
	}
	mesh := m.mu.byNamespace[namespace]
	if mesh == nil {
		mesh = newMesh(m, namespace)
		m.mu.byNamespace[namespace] = mesh
		ctx := m.mu.running
		m.mu.waiting.Go(func() { mesh.run(ctx) })
	}
	mesh.kick()
}

// retire forgets a mesh that has nothing left, unless something has come in the meantime.
func (m *meshes) retire(old *mesh) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(old.kicks) > 0 {
		return false
	}
	delete(m.mu.byNamespace, old.namespace)
	m.trust.forget(old.namespace)
	return true
}

// mesh is the running mesh of a namespace; nil if there is none.
func (m *meshes) mesh(namespace string) *mesh {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.byNamespace[namespace]
}

// view is the newest view of a namespace; nil before the first.
func (m *meshes) view(namespace string) *view {
	mesh := m.mesh(namespace)
	if mesh == nil {
		return nil
	}
	return mesh.newest.Load()
}

// objects are the objects of a namespace, as new as we know them. Those on their way out don't count any more, unless there is something
// to be done for that.
func (m *mesh) objects(ctx context.Context) (topology.Objects, error) {
	var nodes v1alpha1.BrokerNodeList
	var peerings v1alpha1.PeeringList
	var stores v1alpha1.DataStoreList
	var layouts v1alpha1.BrokerMeshList
	for _, list := range []client.ObjectList{&nodes, &peerings, &stores, &layouts} {
		if err := m.client.List(ctx, list, client.InNamespace(m.namespace)); err != nil {
			return topology.Objects{}, fmt.Errorf("list %T: %w", list, err)
		}
	}
	return topology.Objects{
		Nodes:    present[v1alpha1.BrokerNode](m.written, nodes.Items),
		Peerings: present[v1alpha1.Peering](m.written, peerings.Items),
		Stores:   present[v1alpha1.DataStore](m.written, stores.Items, keepsData),
		Meshes:   present[v1alpha1.BrokerMesh](m.written, layouts.Items),
	}, nil
}

func present[T any, P interface {
	*T
	client.Object
}](w *written, items []T, counts ...func(P) bool) []T {
	var out []T
	for i := range items {
		newest, ok := w.newest(P(&items[i])).(P)
		if ok && (newest.GetDeletionTimestamp() == nil || slices.ContainsFunc(counts, func(c func(P) bool) bool { return c(newest) })) {
			out = append(out, *newest)
		}
	}
	return out
}

// wakeAll tells the controllers which of their objects to look at.
func (m *meshes) wakeAll(ctx context.Context, namespace string, c changes) {
	for _, name := range c.nodes {
		wakeOne(ctx, m.nodes, &v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	for _, name := range c.peerings {
		wakeOne(ctx, m.peerings, &v1alpha1.Peering{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	for _, name := range c.stores {
		wakeOne(ctx, m.stores, &v1alpha1.DataStore{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	for _, name := range c.layouts {
		wakeOne(ctx, m.layouts, &v1alpha1.BrokerMesh{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
}

func wakeOne(ctx context.Context, queue chan<- event.GenericEvent, o client.Object) {
	select {
	case queue <- event.GenericEvent{Object: o}:
	case <-ctx.Done():
	}
}
