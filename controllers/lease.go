// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// Annotations of a store's Lease.
const (
	historyAnnotation = "brokermesh.dev/history"
	granterAnnotation = "brokermesh.dev/granter"
)

// LeaseName is the name of the Lease of a DataStore.
func LeaseName(store string) string { return "brokermesh-store-" + store }

// leaseSlack is how much longer than it lasts a lease counts, since two clocks never run alike.
const leaseSlack = 1.1

// withSlack is when a lease of a length is certainly over.
func withSlack(d time.Duration) time.Duration { return time.Duration(float64(d) * leaseSlack) }

// ledger is the Lease of a store: it records who may be granted leases, with its epoch as the number of transitions, and which manager
// grants them. It is written when one of these changes, never to renew anything; each write is against the version that was read.
type ledger struct {
	client   client.Client
	uncached client.Reader
	me       string
	now      func() time.Time

	object *coordinationv1.Lease // nil until it was read
}

// errForeignLease says that the Lease of that name is somebody else's.
var errForeignLease = errors.New("the Lease exists and is not the operator's")

// open reads the Lease of a store, makes it if there is none, and has this manager grant from now on. mayLast is how long a lease may last
// that was granted before; 0 if none was.
func (l *ledger) open(ctx context.Context, namespace, store string, uid types.UID) (mayLast time.Duration, err error) {
	var o coordinationv1.Lease
	err = l.uncached.Get(ctx, client.ObjectKey{Namespace: namespace, Name: LeaseName(store)}, &o)
	if apierrors.IsNotFound(err) {
		return 0, l.create(ctx, namespace, store, uid)
	}
	if err != nil {
		return 0, fmt.Errorf("read Lease %s: %w", LeaseName(store), err)
	}
	if len(o.OwnerReferences) != 1 || o.OwnerReferences[0].UID != uid {
		return 0, fmt.Errorf("%w: %s", errForeignLease, o.Name)
	}
	if o.Spec.LeaseDurationSeconds != nil {
		mayLast = time.Duration(*o.Spec.LeaseDurationSeconds) * time.Second
	}
	if o.Annotations[granterAnnotation] == l.me {
		l.object = &o
		return mayLast, nil
	}
	return mayLast, l.update(ctx, &o, func(o *coordinationv1.Lease) { o.Annotations[granterAnnotation] = l.me })
}

func (l *ledger) create(ctx context.Context, namespace, store string, uid types.UID) error {
	o := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: LeaseName(store), Labels: meshLabels(), Annotations: map[string]string{granterAnnotation: l.me},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "DataStore", Name: store, UID: uid}},
	}}
	if err := l.client.Create(ctx, o, client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("create Lease %s: %w", o.Name, err)
	}
	l.object = o
	return nil
}

func (l *ledger) update(ctx context.Context, o *coordinationv1.Lease, change func(*coordinationv1.Lease)) error {
	o = o.DeepCopy()
	if o.Annotations == nil {
		o.Annotations = make(map[string]string)
	}
	change(o)
	l.object = nil // unless it works, it has to be read anew
	if err := l.client.Update(ctx, o, client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("update Lease %s: %w", o.Name, err)
	}
	l.object = o
	return nil
}

// holder is the recorded one.
func (l *ledger) holder() holder {
	if l.object == nil || l.object.Spec.HolderIdentity == nil || l.object.Spec.LeaseTransitions == nil || *l.object.Spec.HolderIdentity == "" {
		return holder{}
	}
	return holder{*l.object.Spec.HolderIdentity, uint64(*l.object.Spec.LeaseTransitions), l.object.Annotations[historyAnnotation]}
}

// record writes down another holder, for leases of a length.
func (l *ledger) record(ctx context.Context, h holder, length time.Duration) error {
	if h.epoch > math.MaxInt32 {
		return fmt.Errorf("epoch %d is more than a Lease can hold", h.epoch)
	}
	return l.update(ctx, l.object, func(o *coordinationv1.Lease) {
		now := metav1.NewMicroTime(l.now())
		o.Spec.HolderIdentity, o.Spec.LeaseTransitions = new(h.pod), new(int32(h.epoch))
		o.Spec.LeaseDurationSeconds = new(int32(math.Ceil(length.Seconds())))
		o.Spec.AcquireTime = &now
		o.Annotations[historyAnnotation] = h.history
	})
}

// release writes down that nobody has leases any more.
func (l *ledger) release(ctx context.Context) error {
	return l.update(ctx, l.object, func(o *coordinationv1.Lease) { o.Spec.HolderIdentity = nil })
}

// still asks the API server whether nothing has changed: whether this manager is still the one that grants, to the holder as it was.
func (l *ledger) still(ctx context.Context) (bool, error) {
	var o coordinationv1.Lease
	if err := l.uncached.Get(ctx, client.ObjectKeyFromObject(l.object), &o); err != nil {
		return false, fmt.Errorf("read Lease %s: %w", l.object.Name, err)
	}
	if o.UID == l.object.UID && o.ResourceVersion == l.object.ResourceVersion {
		return true, nil
	}
	l.object = nil
	return false, nil
}
