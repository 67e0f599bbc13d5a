// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// lookAgain is when a problem is looked at again that no watch tells about.
const lookAgain = 10 * time.Second

// +kubebuilder:rbac:groups=brokermesh.dev,resources=brokernodes;peerings;datastores,verbs=get;list;watch
// +kubebuilder:rbac:groups=brokermesh.dev,resources=brokernodes/status;peerings/status;datastores/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=configmaps;serviceaccounts,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;update
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;patch
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=get;create;patch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// brokerNodes reconciles BrokerNodes: it keeps their objects, offers configs to their pods, replaces old pods and writes their status.
type brokerNodes struct {
	client  client.Client
	applier *applier
	trust   *trust
	meshes  *meshes
	status  *reporter
	written *written
	// image is the node image that belongs to this operator.
	image string
	// grown are the volumes, by UID of their BrokerNode, that were last seen to be large enough: size and number.
	grown sync.Map
	// namespace is where the manager itself is; empty if it is in no cluster.
	namespace string
	now       func() time.Time
}

func (r *brokerNodes) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.BrokerNode{}).
		Owns(&appsv1.StatefulSet{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&corev1.Secret{}, builder.OnlyMetadata).
		Owns(&corev1.ServiceAccount{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		Owns(&networkingv1.NetworkPolicy{}).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.usersOf)).
		WatchesRawSource(source.Channel(r.meshes.nodes, &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// usersOf maps the Secrets that belong to a whole mesh to all its nodes, and one that an issuer made for a node to that.
func (r *brokerNodes) usersOf(_ context.Context, o client.Object) []reconcile.Request {
	if node := o.GetLabels()[manifest.NodeLabel]; node != "" && o.GetName() == manifest.SecretName(node) {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: node}}}
	}
	if !slices.Contains([]string{CASecret, ClientSecret, ManagerSecret}, o.GetName()) {
		return nil
	}
	v := r.meshes.view(o.GetNamespace())
	if v == nil {
		return nil
	}
	var requests []reconcile.Request
	for name := range v.nodes {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}})
	}
	return requests
}

// Reconcile makes one BrokerNode what its spec and its mesh want. It waits for a view of the mesh that knows this spec; the mesh wakes
// it then.
func (r *brokerNodes) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	node := &v1alpha1.BrokerNode{}
	if err := r.client.Get(ctx, request.NamespacedName, node); err != nil {
		return ctrl.Result{}, r.gone(request.NamespacedName, err)
	}
	if newest, ok := r.written.newest(node).(*v1alpha1.BrokerNode); ok {
		node = newest.DeepCopy()
	}
	v := r.meshes.view(request.Namespace)
	if v == nil || node.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	nv, ok := v.nodes[node.Name]
	if !ok || nv.uid != node.UID || nv.generation < node.Generation {
		return ctrl.Result{}, nil
	}
	out, err := r.bring(ctx, node, v, nv)
	if mesh := r.meshes.mesh(node.Namespace); mesh != nil && (out.facts.Image != "" || err == nil) {
		mesh.learn(node.Name, out.facts)
	}
	if out.facts == nv.facts { // else a view that knows them is on its way
		err = errors.Join(err, r.report(ctx, node, nv))
	}
	if err != nil {
		return r.failed(node, err)
	}
	return ctrl.Result{RequeueAfter: out.again(r.now())}, nil
}

// gone forgets a node that is no more. Its objects go by garbage collection.
func (r *brokerNodes) gone(name types.NamespacedName, err error) error {
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	node := &v1alpha1.BrokerNode{}
	node.Name, node.Namespace = name.Name, name.Namespace
	r.written.forget(node)
	objects := manifest.Build(manifest.Input{Node: node})
	for _, o := range objects.List() {
		r.applier.forget(o)
	}
	for _, o := range objects.Optionals(node) {
		r.applier.forget(o.Object)
	}
	r.applier.forget(manifest.NetworkPolicy(node, topology.Callers{}, ""))
	r.trust.drop(client.ObjectKey{Namespace: name.Namespace, Name: manifest.SecretName(name.Name)})
	return nil
}

// outcome is what an apply came to.
type outcome struct {
	facts evidence.Facts
	// renewal is when the node's certificate is due.
	renewal time.Time
}

// again is when to look at the node without being woken.
func (o outcome) again(now time.Time) time.Duration {
	if o.facts.CAMissing || o.facts.Conflict != "" || o.facts.VolumeGrowing != "" || o.facts.CertificatePending != "" {
		return lookAgain
	}
	if o.renewal.IsZero() {
		return 0
	}
	return max(o.renewal.Sub(now), time.Second)
}

// liveObjects are the node's objects as they are; nil where there is none.
type liveObjects map[manifest.Object]client.Object

// bring applies what the node has in the cluster.
func (r *brokerNodes) bring(ctx context.Context, node *v1alpha1.BrokerNode, v *view, nv nodeView) (outcome, error) {
	if nv.plan.External {
		return r.applyExternal(ctx, node, v)
	}
	return r.apply(ctx, node, v, nv)
}

// apply brings the node's objects into being, in the order in which a pod needs them. The first that can't be written ends it: a pod
// without its config or certificate is of no use.
func (r *brokerNodes) apply(ctx context.Context, node *v1alpha1.BrokerNode, v *view, nv nodeView) (outcome, error) {
	if node.Spec.Paused {
		return outcome{facts: pausedFacts(node, nv.facts)}, nil
	}
	names := manifest.Build(manifest.Input{Node: node})
	live, err := r.gather(ctx, names)
	if err != nil {
		return outcome{}, err
	}
	set, _ := live[names.StatefulSet].(*appsv1.StatefulSet)
	configMap, _ := live[names.ConfigMap].(*corev1.ConfigMap)

	out := outcome{facts: evidence.Facts{Image: nodeImage(node, set, r.image)}}
	in := manifest.Input{Node: node, Image: out.facts.Image, BackupClaims: nv.plan.BackupClaims}
	secret, err := r.certificates(ctx, node, v)
	var missing *caMissingError
	var conflict *conflictError
	if errors.As(err, &conflict) {
		out.facts.Conflict = conflict.message
		return out, nil
	}
	if out.facts.CAMissing = errors.As(err, &missing); err != nil && !out.facts.CAMissing {
		return out, err
	}
	out.facts.CertificatePending = secret.pending
	out.renewal, in.Certificates = secret.renewal, secret.want
	if secret.live != nil {
		live[names.Secret] = secret.live
	}
	if secret.pending != "" || !secret.settled && secret.want.Cert == nil || nv.plan.Fault != nil && configMap == nil {
		return out, nil
	}
	var configs nodeConfigs // stays empty if there is none to hand out: the pods go on with what they have
	if nv.plan.Fault == nil {
		configs = documents(nv, configMap, v.revisions[node.Name])
	}
	in.Revision, in.Configs = configs.revision, configs.documents
	all := application{names: names, desired: manifest.Build(in), live: live, secret: secret, sound: nv.plan.Fault == nil, template: nv.plan.PodFault == nil}
	if err = r.network(ctx, node, nv); err == nil {
		err = r.applyAll(ctx, node, all, func() { r.offer(node.Namespace, configs) })
	}
	if err == nil {
		err = r.applyOptionals(ctx, node, all.desired)
	}
	if err == nil && all.template {
		out.facts.VolumeGrowing, err = r.volumes(ctx, node, all.desired.StatefulSet)
	}
	if errors.As(err, &conflict) {
		out.facts.Conflict = conflict.message
		return out, nil
	} else if err != nil {
		return out, err
	}
	out.facts.RestartNeeded, err = r.roll(ctx, node, nv)
	return out, err
}

// gather reads the node's objects, except for its Secret.
func (r *brokerNodes) gather(ctx context.Context, names manifest.Objects) (liveObjects, error) {
	live := make(liveObjects, 5)
	for _, o := range names.List() {
		if o == manifest.Object(names.Secret) {
			continue
		}
		got, err := r.applier.live(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", o.GetName(), err)
		}
		live[o] = got
	}
	return live, nil
}

// application is what applyAll has to do.
type application struct {
	names, desired manifest.Objects
	live           liveObjects // by the objects of names
	secret         nodeSecret
	sound          bool // there are configs, be it none: the ConfigMap is applied
	template       bool // the pods' template is sound: the StatefulSet is applied, else the one that is there goes on
}

// applyAll applies the desired objects. offered is called once the ConfigMap is what it should be: pods are told after the mount.
func (r *brokerNodes) applyAll(ctx context.Context, node *v1alpha1.BrokerNode, all application, offered func()) error {
	keys := all.names.List()
	for i, o := range all.desired.List() {
		now := all.live[keys[i]]
		if o == manifest.Object(all.desired.ConfigMap) && !all.sound || o == manifest.Object(all.desired.Secret) && all.secret.settled ||
			o == manifest.Object(all.desired.StatefulSet) && !all.template {
			continue
		}
		if set, ok := now.(*appsv1.StatefulSet); ok {
			if going, err := r.applier.recreate(ctx, node, set, all.desired.StatefulSet); going || err != nil {
				return err
			}
		}
		applied, err := r.applier.apply(ctx, node, now, o)
		if err != nil {
			return err
		}
		if secret, ok := applied.(*corev1.Secret); ok {
			r.trust.keep(secret, all.secret.authority)
		} else if o == manifest.Object(all.desired.ConfigMap) {
			offered()
		}
	}
	return nil
}

// certificates gives the node's, and keeps the Secret for people's tools. The error is a *caMissingError if the node keeps what it has.
func (r *brokerNodes) certificates(ctx context.Context, node *v1alpha1.BrokerNode, v *view) (nodeSecret, error) {
	m, err := r.trust.of(ctx, node.Namespace, v.objects.Nodes)
	var missing *caMissingError
	if errors.As(err, &missing) {
		secret, err := r.trust.node(ctx, nil, node)
		return secret, cmp.Or[error](err, missing)
	} else if err != nil {
		return nodeSecret{}, err
	}
	if m.issuer != nil {
		return r.issued(ctx, node, m)
	}
	if err := r.trust.tools(ctx, m.authority, node.Namespace); err != nil {
		return nodeSecret{}, err
	}
	secret, err := r.trust.node(ctx, m.authority, node)
	secret.authority = m.authority
	return secret, err
}
