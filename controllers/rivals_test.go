// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// TestRivals runs two managers that don't know of each other, as two installs that both look at a namespace would: they want the same, so
// that neither undoes what the other has done. Once all is well neither writes anything, and what somebody else changes is put back once.
func TestRivals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	pods := w.triangle()
	other := *w
	other.requests = &requests{}
	other.start()
	w.moreAnswers(pods, 6, true) // by then the other has seen all
	quiet := func(when string) {
		t.Helper()
		w.healthy()
		w.moreAnswers(pods, 4, true) // the last events are written by then
		first, second := len(w.requests.writes()), len(other.requests.writes())
		w.moreAnswers(pods, 10, true)
		if got := slices.Concat(w.requests.writes()[first:], other.requests.writes()[second:]); len(got) > 0 {
			t.Errorf("writes %s: %q", when, got)
		}
	}
	quiet("of two managers at rest")

	w.create(peering("a", "c"))
	w.eventually("the new peering", func() error { return w.peeringIs("a-c", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree) })
	quiet("after a change")

	var service corev1.Service
	w.change("a-pods", &service, "somebody", func() { service.Spec.PublishNotReadyAddresses = false })
	w.event("ChangeUndone", "Service a-pods", "spec.publishNotReadyAddresses", `"somebody"`)
	w.eventually("it is put back", func() error {
		if err := w.get("a-pods", &service); err != nil || service.Spec.PublishNotReadyAddresses {
			return err
		}
		return errors.New("it isn't")
	})
	quiet("after somebody's change")
	var undone []string
	for _, f := range service.ManagedFields {
		if f.Manager == "somebody" && f.Operation == metav1.ManagedFieldsOperationUpdate && f.FieldsV1 != nil {
			undone = append(undone, string(f.FieldsV1.GetRawBytes()))
		}
	}
	for _, fields := range undone {
		if hasAll(fields, []string{"publishNotReadyAddresses"}) {
			t.Errorf("somebody still owns it: %s", fields)
		}
	}
}
