// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/layout"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// +kubebuilder:rbac:groups=brokermesh.dev,resources=brokermeshes,verbs=get;list;watch
// +kubebuilder:rbac:groups=brokermesh.dev,resources=brokermeshes/status,verbs=patch
// +kubebuilder:rbac:groups=brokermesh.dev,resources=brokernodes;peerings,verbs=create;patch;delete

// brokerMeshes reconciles BrokerMeshes: it keeps the BrokerNodes and Peerings that they are made of, and writes their status.
type brokerMeshes struct {
	client  client.Client
	applier *applier
	meshes  *meshes
	trust   *trust
	status  *reporter
	written *written
}

func (r *brokerMeshes) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.BrokerMesh{}).
		Owns(&v1alpha1.BrokerNode{}).
		Owns(&v1alpha1.Peering{}).
		WatchesRawSource(source.Channel(r.meshes.layouts, &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// Reconcile makes the objects of one BrokerMesh what its spec wants. It waits for a view that knows this spec; the mesh wakes it then.
func (r *brokerMeshes) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := &v1alpha1.BrokerMesh{}
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		object.Name, object.Namespace = request.Name, request.Namespace
		r.written.forget(object)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if newest, ok := r.written.newest(object).(*v1alpha1.BrokerMesh); ok {
		object = newest
	}
	v := r.meshes.view(request.Namespace)
	if v == nil || object.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	rv, ok := v.layouts[object.Name]
	if !ok || rv.uid != object.UID || rv.generation < object.Generation {
		return ctrl.Result{}, nil
	}
	words, err := r.apply(ctx, object, v)
	if mesh := r.meshes.mesh(object.Namespace); mesh != nil && err == nil {
		mesh.unfit(object.Name, words)
	}
	err = errors.Join(err, r.status.write(ctx, statusChange{
		object: object, kind: "BrokerMesh", status: rv.status, before: object.Status.Conditions, after: rv.conditions,
	}))
	if err != nil {
		return quiet(err)
	}
	if words != "" {
		return ctrl.Result{RequeueAfter: lookAgain}, nil
	}
	return ctrl.Result{}, nil
}

// apply writes what the mesh is made of and removes what it was made of before. One object that can't be written doesn't keep the
// others from it: words are about the first.
func (r *brokerMeshes) apply(ctx context.Context, object *v1alpha1.BrokerMesh, v *view) (words string, err error) {
	if words, err := r.issuer(ctx, object); words != "" || err != nil {
		return words, err // nodes would get an authority of their own
	}
	nodes, peerings := layout.Objects(object)
	desired := make(map[string]bool)
	var all []manifest.Object
	for i := range nodes {
		all = append(all, &nodes[i])
	}
	for i := range peerings {
		all = append(all, &peerings[i])
	}
	for _, o := range all {
		desired[o.GetObjectKind().GroupVersionKind().Kind+"/"+o.GetName()] = true
		live, err := r.applier.live(ctx, o)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", o.GetName(), err)
		}
		_, err = r.applier.apply(ctx, object, live, o)
		var conflict *conflictError
		switch {
		case errors.As(err, &conflict) && words == "":
			words = conflict.message
		case err != nil && conflict == nil:
			return words, err
		}
	}
	return words, r.remove(ctx, object, v, desired)
}

// issuer has the issuer that the mesh names stand in the Secret of its authority, where nodes look for who signs. What is there already
// stays: words say so if it is something else.
func (r *brokerMeshes) issuer(ctx context.Context, object *v1alpha1.BrokerMesh) (words string, err error) {
	ref := object.Spec.IssuerRef
	if ref == nil {
		return "", nil
	}
	_, known, err := r.trust.keyring(ctx, object.Namespace)
	if apierrors.IsNotFound(err) {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: CASecret, Labels: meshLabels()},
			Data:       map[string][]byte{issuerName: []byte(ref.Name), issuerKind: []byte(ref.Kind), issuerGroup: []byte(ref.Group)},
		}
		if err := r.client.Create(ctx, secret, client.FieldOwner(FieldManager)); !apierrors.IsAlreadyExists(err) {
			return "", err
		}
		_, known, err = r.trust.keyring(ctx, object.Namespace)
	}
	var unsigned *caMissingError
	switch {
	case errors.As(err, &unsigned):
		return unsigned.message, nil
	case err != nil:
		return "", err
	case known.issuer == nil:
		return fmt.Sprintf("Secret %s holds an authority, and the mesh shall have an issuer; remove one of the two", CASecret), nil
	case known.issuer.Name != ref.Name || known.issuer.Kind != ref.Kind || known.issuer.Group != ref.Group:
		return fmt.Sprintf("Secret %s names %s %q as the issuer, and the mesh %s %q", CASecret, known.issuer.Kind, known.issuer.Name, ref.Kind, ref.Name), nil
	}
	return "", nil
}

// remove deletes the mesh's objects that it isn't made of any more: those of a role that is gone.
func (r *brokerMeshes) remove(ctx context.Context, object *v1alpha1.BrokerMesh, v *view, desired map[string]bool) error {
	var gone []client.Object
	for i := range v.objects.Nodes {
		if n := &v.objects.Nodes[i]; layout.Owned(n, object) && !desired["BrokerNode/"+n.Name] {
			gone = append(gone, n.DeepCopy())
		}
	}
	for i := range v.objects.Peerings {
		if p := &v.objects.Peerings[i]; layout.Owned(p, object) && !desired["Peering/"+p.Name] {
			gone = append(gone, p.DeepCopy())
		}
	}
	for _, o := range slices.Backward(gone) { // peerings before their nodes
		uid := o.GetUID()
		if err := r.client.Delete(ctx, o, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete %s: %w", o.GetName(), err)
		}
		r.applier.forget(o)
	}
	return nil
}
