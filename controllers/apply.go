// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// Field managers.
const (
	// FieldManager owns what the operator sets on the objects of a node.
	FieldManager = "brokermesh"
	// StatusManager owns the status of the three kinds.
	StatusManager = "brokermesh-status"
)

// conflictError says that an object that a node needs is not the operator's to write.
type conflictError struct{ message string }

func (e *conflictError) Error() string { return e.message }

// applier writes the objects of nodes. It compares before it sends.
type applier struct {
	client client.Client
	// uncached reads what the caches, which hold only labelled objects, can't show.
	uncached client.Reader
	events   recorder.EventRecorder
	written  *written

	// settled has the document that each object was last known to agree with: what differs from the same one is a foreign change.
	mu struct {
		sync.Mutex
		settled map[writtenKey][sha256.Size]byte
	}
}

// settle notes that the live object agrees with the document, and says whether it did so before.
func (a *applier) settle(o client.Object, body []byte) (before bool) {
	sum := sha256.Sum256(body)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.settled == nil {
		a.mu.settled = make(map[writtenKey][sha256.Size]byte)
	}
	before = a.mu.settled[keyOf(o)] == sum
	a.mu.settled[keyOf(o)] = sum
	return before
}

// forget drops what is known of an object that is no more.
func (a *applier) forget(o client.Object) {
	a.written.forget(o)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.mu.settled, keyOf(o))
}

// live reads an object of the same kind and name; nil if there is none. The caches hold only what carries the operator's label, so
// their "not found" is checked with the API server.
func (a *applier) live(ctx context.Context, like client.Object) (client.Object, error) {
	key := client.ObjectKeyFromObject(like)
	got, err := fresh(a.client, like)
	if err != nil {
		return nil, err
	}
	switch err := a.client.Get(ctx, key, got); {
	case err == nil:
		return a.written.newest(got), nil
	case !apierrors.IsNotFound(err):
		return nil, err
	}
	a.written.forget(like)
	switch err := a.uncached.Get(ctx, key, got); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return got, nil
}

// fresh makes an empty object of the same kind: decoding into one that isn't empty would mix the two.
func fresh(c client.Client, like client.Object) (client.Object, error) {
	gvk, err := c.GroupVersionKindFor(like)
	if err != nil {
		return nil, err
	}
	if _, ok := like.(*unstructured.Unstructured); ok { // of a kind that nothing here is compiled for
		empty := &unstructured.Unstructured{}
		empty.SetGroupVersionKind(gvk)
		empty.SetNamespace(like.GetNamespace())
		empty.SetName(like.GetName())
		return empty, nil
	}
	o, err := c.Scheme().New(gvk)
	if err != nil {
		return nil, err
	}
	empty, ok := o.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%v is no API object", gvk)
	}
	empty.SetNamespace(like.GetNamespace())
	empty.SetName(like.GetName())
	return empty, nil
}

// apply makes the live object (nil if there is none) what is desired, and returns what it is now. An object that isn't the owner's
// is left alone: the error is then a *conflictError.
func (a *applier) apply(ctx context.Context, owner, live client.Object, desired manifest.Object) (client.Object, error) {
	doc, err := manifest.Document(desired)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode object: %w", err)
	}
	if live == nil {
		return a.send(ctx, owner, desired, body, nil, nil)
	}
	if err := mayWrite(live, desired); err != nil {
		return nil, err
	}
	if live.GetDeletionTimestamp() != nil {
		return live, nil // its end wakes us, and it is made anew then
	}
	diffs, err := compareOwned(live, doc, FieldManager)
	if err != nil {
		return nil, err
	}
	if len(diffs) == 0 {
		a.settle(desired, body)
		return live, nil
	}
	return a.send(ctx, owner, desired, body, live, diffs)
}

// mayWrite says whether an existing object is its owner's, which the desired one names, or was handed over.
func mayWrite(live client.Object, desired manifest.Object) error {
	owner := metav1.GetControllerOf(desired)
	ours := slices.ContainsFunc(live.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner.UID })
	if ours || live.GetAnnotations()[manifest.AdoptAnnotation] == "true" {
		return nil
	}
	kind := desired.GetObjectKind().GroupVersionKind().Kind
	if ref := metav1.GetControllerOf(live); ref != nil && ref.Kind == owner.Kind && ref.Name == owner.Name {
		return &conflictError{fmt.Sprintf("%s %s belongs to an earlier %s of this name and is about to go", kind, live.GetName(), owner.Kind)}
	}
	return &conflictError{fmt.Sprintf("%s %s exists and is not the operator's; annotate it %s=true to hand it over, or remove it",
		kind, live.GetName(), manifest.AdoptAnnotation)}
}

func ownedBy(o client.Object, owner *v1alpha1.BrokerNode) bool {
	return slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner.UID })
}

// compareOwned finds the fields of desired that the live object doesn't have or that the manager doesn't own, and those that it owns
// but that are no longer desired.
func compareOwned(live runtime.Object, desired map[string]any, manager string) ([]difference, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return nil, fmt.Errorf("convert live object: %w", err)
	}
	meta, ok := live.(metav1.Object)
	if !ok {
		return nil, errors.New("a live object without metadata")
	}
	owned := managedBy(meta.GetManagedFields(), manager, "")
	var c comparison
	c.walkMap(nil, owned, content, withoutIdentity(desired))
	return c.found, nil
}

// withoutIdentity leaves out what every apply names and nobody owns.
func withoutIdentity(doc map[string]any) map[string]any {
	rest := make(map[string]any, len(doc))
	for key, value := range doc {
		if key != "apiVersion" && key != "kind" {
			rest[key] = value
		}
	}
	if meta, ok := doc["metadata"].(map[string]any); ok {
		rest["metadata"] = without(meta, "name", "namespace")
	}
	return rest
}

func without(m map[string]any, keys ...string) map[string]any {
	rest := make(map[string]any, len(m))
	for key, value := range m {
		if !slices.Contains(keys, key) {
			rest[key] = value
		}
	}
	return rest
}

// send applies the document. Force is used only on an object that exists and is ours to write.
func (a *applier) send(ctx context.Context, owner client.Object, desired manifest.Object, body []byte,
	live client.Object, diffs []difference,
) (client.Object, error) {
	answer, err := fresh(a.client, desired)
	if err != nil {
		return nil, err
	}
	options := []client.PatchOption{client.FieldOwner(FieldManager)}
	if live != nil {
		options = append(options, client.ForceOwnership)
	}
	kind := desired.GetObjectKind().GroupVersionKind().Kind
	err = a.client.Patch(ctx, answer, client.RawPatch(types.ApplyPatchType, body), options...)
	switch {
	case apierrors.IsInvalid(err):
		return nil, &conflictError{fmt.Sprintf("%s %s can't become what the node needs: %v", kind, desired.GetName(), reasonOf(err))}
	case err != nil:
		return nil, fmt.Errorf("apply %s %s: %w", kind, desired.GetName(), err)
	}
	if _, secret := answer.(*corev1.Secret); !secret { // nobody reads Secrets from a cache
		a.written.record(answer)
	}
	a.report(owner, kind, live, answer, a.settle(desired, body), diffs)
	return answer, nil
}

func reasonOf(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}

// report tells in Events what an apply did, if it did anything. drifted says that the object was what it is now before, so that
// somebody else changed it.
func (a *applier) report(owner client.Object, kind string, before, after client.Object, drifted bool, diffs []difference) {
	if before == nil {
		a.events.Eventf(owner, after, corev1.EventTypeNormal, "Created", "Apply", "%s %s created", kind, after.GetName())
		return
	}
	if before.GetResourceVersion() == after.GetResourceVersion() {
		return
	}
	var changed []string
	undone := make(map[string][]string) // fields by the manager who changed them
	for _, d := range diffs {
		manager := ""
		if d.foreign {
			manager = otherManager(before.GetManagedFields(), d)
		}
		if manager == "" && drifted {
			manager = lastManager(before.GetManagedFields())
		}
		if manager == "" {
			changed = append(changed, d.name())
		} else {
			undone[manager] = append(undone[manager], d.name())
		}
	}
	for _, manager := range slices.Sorted(maps.Keys(undone)) {
		a.events.Eventf(owner, after, corev1.EventTypeWarning, "ChangeUndone", "Apply", "%s %s: a change of %s by %q was undone",
			kind, after.GetName(), shorten(undone[manager]), manager)
	}
	if len(changed) > 0 {
		a.events.Eventf(owner, after, corev1.EventTypeNormal, "Updated", "Apply", "%s %s: %s", kind, after.GetName(), shorten(changed))
	}
}

// otherManager names the manager that owns the field now, if that isn't the operator.
func otherManager(entries []metav1.ManagedFieldsEntry, d difference) string {
	for _, e := range entries {
		if e.Manager != FieldManager && e.Subresource == "" && decodeFields(e).covers(d.path) {
			return e.Manager
		}
	}
	return ""
}

// lastManager names who wrote the object last, other than the operator: a field that was removed has no owner.
func lastManager(entries []metav1.ManagedFieldsEntry) string {
	name, at := "somebody", time.Time{}
	for _, e := range entries {
		if e.Manager != FieldManager && e.Subresource == "" && e.Time != nil && !e.Time.Time.Before(at) {
			name, at = e.Manager, e.Time.Time
		}
	}
	return name
}

// shorten keeps a list of fields readable.
func shorten(fields []string) string {
	const most = 4
	if len(fields) <= most {
		return strings.Join(fields, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(fields[:most], ", "), len(fields)-most)
}
