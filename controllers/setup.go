// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// Options are what the controllers need besides a manager.
type Options struct {
	// Image of nodes that name none. Required.
	Image string
	// Logger takes what pollers and meshes have to say; nil discards it.
	Logger *slog.Logger
	// Address is HOST:PORT of a pod's control port, empty as long as it has none. Nil means the pod's IP and the usual port.
	Address func(*corev1.Pod) string
	// Now and Random are for certificates and evidence; nil means the real ones.
	Now    func() time.Time
	Random io.Reader
	// Namespace is where the manager's pods are, for NetworkPolicies that let them in; empty if they are in no cluster.
	Namespace string
	// Lifetimes of certificates.
	Lifetimes Lifetimes
}

func (o *Options) complete() error {
	if o.Image == "" {
		return errors.New("no image for nodes is set")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Address == nil {
		o.Address = controlAddress
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return nil
}

func controlAddress(p *corev1.Pod) string {
	if p.Status.PodIP == "" {
		return ""
	}
	return net.JoinHostPort(p.Status.PodIP, strconv.Itoa(nodeconfig.ControlPort))
}

// NewScheme has the kinds that the operator deals with and no others.
func NewScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(s))
	utilruntime.Must(appsv1.AddToScheme(s))
	utilruntime.Must(coordinationv1.AddToScheme(s))
	utilruntime.Must(policyv1.AddToScheme(s))
	utilruntime.Must(networkingv1.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

// CacheOptions keep the manager's memory small: of the built-in kinds it caches only what carries the operator's labels, of pods
// only their metadata and status, and of Secrets only their metadata. The manager must be made with them: the controllers read around the cache what it can't hold.
// Without namespaces all are watched.
func CacheOptions(namespaces ...string) cache.Options {
	ofNode := cache.ByObject{Label: hasLabel(manifest.NodeLabel)}
	options := cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.StatefulSet{}:           ofNode,
			&corev1.Service{}:               ofNode,
			&corev1.ConfigMap{}:             ofNode,
			&corev1.ServiceAccount{}:        ofNode,
			&policyv1.PodDisruptionBudget{}: ofNode,
			&corev1.Secret{}:                {Label: labels.SelectorFromSet(labels.Set{manifest.ManagedByLabel: manifest.ManagedBy})},
			&corev1.Pod{}:                   {Label: hasLabel(manifest.NodeLabel), Transform: slimPod},
			&networkingv1.NetworkPolicy{}:   ofNode,
		},
		DefaultWatchErrorHandler: watchFailed,
	}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = make(map[string]cache.Config, len(namespaces))
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// watchFailed keeps quiet about kinds that are no more: whoever removes the definitions while the manager runs does so on purpose.
func watchFailed(ctx context.Context, r *toolscache.Reflector, err error) {
	if apierrors.IsNotFound(err) {
		ctrl.Log.V(1).Info("a watched kind is not served", "kind", r.TypeDescription())
		return
	}
	toolscache.DefaultWatchErrorHandler(ctx, r, err)
}

func hasLabel(name string) labels.Selector {
	requirement, err := labels.NewRequirement(name, selection.Exists, nil)
	utilruntime.Must(err) // the names are constants
	return labels.NewSelector().Add(*requirement)
}

// slimPod keeps what the controllers read.
func slimPod(o any) (any, error) {
	if pod, ok := o.(*corev1.Pod); ok {
		pod.ManagedFields = nil
		pod.Annotations = nil
		pod.Spec = corev1.PodSpec{}
	}
	return o, nil
}

// Add registers the controllers of the three kinds, and what they share, with a manager.
func Add(mgr ctrl.Manager, o Options) error {
	if err := o.complete(); err != nil {
		return err
	}
	events := mgr.GetEventRecorder("brokermesh.dev/manager")
	w := &written{}
	t := newTrust(mgr.GetClient(), mgr.GetAPIReader(), events, o)
	all := &meshes{
		client: mgr.GetClient(), uncached: mgr.GetAPIReader(), instance: rand.Text(), cache: mgr.GetCache(), trust: t, written: w, log: o.Logger, now: o.Now, address: o.Address,
		nodes: make(chan event.GenericEvent), peerings: make(chan event.GenericEvent), stores: make(chan event.GenericEvent), layouts: make(chan event.GenericEvent), authorities: make(chan event.GenericEvent),
	}
	if err := mgr.Add(all); err != nil {
		return fmt.Errorf("add meshes: %w", err)
	}
	report := &reporter{client: mgr.GetClient(), events: events, written: w}
	nodes := &brokerNodes{
		client:  mgr.GetClient(),
		applier: &applier{client: mgr.GetClient(), uncached: mgr.GetAPIReader(), events: events, written: w},
		trust:   t, meshes: all, status: report, written: w, image: o.Image, namespace: o.Namespace, now: o.Now,
	}
	peerings := &reports[v1alpha1.Peering, *v1alpha1.Peering]{
		client: mgr.GetClient(), meshes: all, status: report, written: w,
		kind: "Peering", woken: all.peerings, views: func(v *view) map[string]reportView { return v.peerings },
		conditions: func(p *v1alpha1.Peering) []metav1.Condition { return p.Status.Conditions },
	}
	layouts := &brokerMeshes{client: mgr.GetClient(), applier: nodes.applier, meshes: all, trust: t, status: report, written: w}
	stores := &reports[v1alpha1.DataStore, *v1alpha1.DataStore]{
		client: mgr.GetClient(), meshes: all, status: report, written: w,
		kind: "DataStore", woken: all.stores, views: func(v *view) map[string]reportView { return v.stores },
		conditions: func(s *v1alpha1.DataStore) []metav1.Condition { return s.Status.Conditions },
		tend:       (&removals{client: mgr.GetClient(), events: events, written: w, now: o.Now}).tend,
	}
	for kind, setup := range map[string]func(ctrl.Manager) error{
		"BrokerNodes":  nodes.setup,
		"BrokerMeshes": layouts.setup,
		"Peerings":     peerings.setup,
		"DataStores":   stores.setup,
		"authorities":  (&authorities{client: mgr.GetClient(), events: events, trust: t, meshes: all}).setup,
	} {
		if err := setup(mgr); err != nil {
			return fmt.Errorf("add the controller of %s: %w", kind, err)
		}
	}
	return nil
}
