// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/recorder"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// Annotations of the Secret of a mesh's authority.
const (
	// RotateAnnotation asks for a new authority; any value that was not there before does. A time is a good one.
	RotateAnnotation = "brokermesh.dev/rotate-ca"
	// RotatedAnnotation is the last value of RotateAnnotation that was heeded.
	RotatedAnnotation = "brokermesh.dev/rotated-ca"
	// RotationAnnotation says, while the authority is being replaced, which step it is in and since when.
	RotationAnnotation = "brokermesh.dev/ca-rotation"
)

const (
	// rotationLook is how often a rotation is looked at that nothing wakes.
	rotationLook = 5 * time.Second
	// rotationPatience is how long nodes may take for a step before their status says so: kubelets need a minute or two for new files.
	rotationPatience = 3 * time.Minute
)

// authorities replaces the authorities of meshes when they get old, or when somebody asks for it. Where a rotation is stands in the
// authority's Secret alone, so that another manager can go on with it at any moment; each step is one update of it.
type authorities struct {
	client client.Client
	events recorder.EventRecorder
	trust  *trust
	meshes *meshes
}

func authorityOf(namespace string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: CASecret}}
}

func (r *authorities) setup(mgr ctrl.Manager) error {
	named := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetName() == CASecret })
	return ctrl.NewControllerManagedBy(mgr).Named("authorities").
		WatchesMetadata(&corev1.Secret{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(named)).
		WatchesRawSource(source.Channel(r.meshes.authorities, &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// Reconcile takes the next step of a rotation if it is time for it. A mesh without an authority, or with one that can't sign, is the
// business of the nodes, whose status says so.
func (r *authorities) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	v, mesh := r.meshes.view(request.Namespace), r.meshes.mesh(request.Namespace)
	if v == nil || mesh == nil {
		return ctrl.Result{}, nil
	}
	secret, known, err := r.trust.keyring(ctx, request.Namespace)
	if missing := (*caMissingError)(nil); errors.As(err, &missing) {
		mesh.holdUp(nil)
		return ctrl.Result{}, nil
	} else if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if known.issuer != nil { // whose business it is
		mesh.holdUp(nil)
		return ctrl.Result{}, nil
	}
	now, ring := r.trust.now(), known.ring
	wanted, look := r.wanted(secret, ring, now)
	in := rotation{
		ring: ring, wanted: wanted, now: now, pods: v.trust, certified: r.trust.certificates(request.Namespace),
		nodes: slices.Collect(maps.Keys(v.nodes)), outside: v.outside(),
	}
	step := in.decide()
	if !step.begin && !step.advance {
		mesh.holdUp(r.overdue(secret, step.waiting, now))
		return ctrl.Result{RequeueAfter: look}, nil
	}
	if err := r.take(ctx, secret, ring, step, now); err != nil {
		return quiet(err)
	}
	mesh.holdUp(nil)
	if secret.GetLabels()[manifest.ManagedByLabel] != manifest.ManagedBy { // no watch sees it
		r.meshes.wakeAll(ctx, request.Namespace, changes{nodes: in.nodes})
	}
	return ctrl.Result{RequeueAfter: rotationLook}, nil
}

// wanted says whether the authority should be replaced, and when to look again. The age of an authority that the operator didn't make
// is its maker's business.
func (r *authorities) wanted(secret metav1.Object, ring pki.Keyring, now time.Time) (wanted bool, look time.Duration) {
	asked := secret.GetAnnotations()[RotateAnnotation]
	ours := secret.GetLabels()[manifest.ManagedByLabel] == manifest.ManagedBy
	switch {
	case ring.Step() != pki.Settled:
		return false, rotationLook
	case asked != "" && asked != secret.GetAnnotations()[RotatedAnnotation]:
		return true, 0
	case !ours:
		return false, time.Minute // no watch tells of its annotations
	}
	left := ring.RotateAt().Sub(now)
	return left <= 0, max(left, time.Second)
}

// overdue are the nodes that have been waited for long enough to say so.
func (r *authorities) overdue(secret metav1.Object, waiting map[string]string, now time.Time) map[string]string {
	_, text, _ := strings.Cut(secret.GetAnnotations()[RotationAnnotation], " since ")
	since, err := time.Parse(time.RFC3339, text)
	patience := min(rotationPatience, cmp.Or(r.trust.lives.Leaf, pki.LeafLifetime)/10)
	if err == nil && now.Sub(since) < patience {
		return nil
	}
	return waiting
}

// take writes the next step into the Secret, if that is still as it was when the step was decided.
func (r *authorities) take(ctx context.Context, seen metav1.Object, ring pki.Keyring, step rotationStep, now time.Time) error {
	next := ring.Advance()
	if step.begin {
		successor, err := r.trust.newAuthority(seen.GetNamespace())
		if err != nil {
			return err
		}
		next = ring.Begin(successor)
	}
	data, err := next.Data()
	if err != nil {
		return err
	}
	secret, err := r.trust.read(ctx, client.ObjectKey{Namespace: seen.GetNamespace(), Name: CASecret})
	if err != nil || secret == nil || versionOf(secret) != versionOf(seen) {
		return err // what it is now wakes us, or has already
	}
	for key, value := range data {
		if value == nil {
			delete(secret.Data, key)
		} else {
			secret.Data[key] = value
		}
	}
	r.annotate(secret, next, step, now)
	if err := r.client.Update(ctx, secret, client.FieldOwner(FieldManager)); err != nil {
		if apierrors.IsConflict(err) {
			return err // somebody else was here: what is to be done is decided anew
		}
		return fmt.Errorf("write Secret %s: %w", CASecret, err)
	}
	r.tell(secret, next, step)
	return nil
}

func (r *authorities) annotate(secret *corev1.Secret, next pki.Keyring, step rotationStep, now time.Time) {
	if secret.Annotations == nil {
		secret.Annotations = make(map[string]string)
	}
	if asked := secret.Annotations[RotateAnnotation]; step.begin && asked != "" {
		secret.Annotations[RotatedAnnotation] = asked
	}
	if next.Step() == pki.Settled {
		delete(secret.Annotations, RotationAnnotation)
	} else {
		secret.Annotations[RotationAnnotation] = fmt.Sprintf("%v since %s", next.Step(), now.UTC().Format(time.RFC3339))
	}
}

func (r *authorities) tell(secret *corev1.Secret, next pki.Keyring, step rotationStep) {
	if step.forced {
		held := slices.Sorted(maps.Keys(step.waiting))
		r.events.Eventf(secret, nil, corev1.EventTypeWarning, "RotationForced", "Rotate",
			"The old authority ends: the rotation goes on without %s", shorten(held))
	}
	notes := map[pki.Step][2]string{
		pki.Spreading: {"RotationBegan", "Step 1 of 3: a new authority is made, and every node is told to trust it beside the old one"},
		pki.Replacing: {"RotationSigns", "Step 2 of 3: the new authority signs, and every node gets a certificate of it"},
		pki.Settled:   {"RotationDone", "Step 3 of 3: the old authority is no longer trusted"},
	}
	note := notes[next.Step()]
	r.events.Eventf(secret, nil, corev1.EventTypeNormal, note[0], "Rotate", "%s", note[1])
}

// holdUp takes which nodes hold a rotation up; their status says so.
func (m *mesh) holdUp(nodes map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if maps.Equal(m.mu.holders, nodes) {
		return
	}
	m.mu.holders = nodes
	m.kick()
}
