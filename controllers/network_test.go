// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// callersOf are the nodes that a policy lets in at the native port.
func callersOf(p *networkingv1.NetworkPolicy) []string {
	for _, rule := range p.Spec.Ingress {
		if rule.Ports[0].Port.IntValue() == 9999 {
			return rule.From[0].PodSelector.MatchExpressions[0].Values
		}
	}
	return nil
}

// TestNetworkPolicy follows the peerings, goes when it is no longer wanted, and leaves one of somebody else alone.
func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.options.Namespace = "brokermesh-system"
	w.start()
	declared := func(n *v1alpha1.BrokerNode) { n.Spec.NetworkPolicy = v1alpha1.NetworkPolicyDeclared }
	w.create(brokerNode("a", declared), brokerNode("b"), brokerNode("c"), peering("b", "a"))
	lets := func(want ...string) {
		t.Helper()
		w.eventually(fmt.Sprintf("it lets in %q", want), func() error {
			var p networkingv1.NetworkPolicy
			if err := w.get("a", &p); err != nil {
				return err
			}
			if got := callersOf(&p); !slices.Equal(got, want) {
				return fmt.Errorf("it lets in %q", got)
			}
			return nil
		})
	}
	lets("b")
	w.create(peering("c", "a"))
	lets("b", "c")
	w.remove(&v1alpha1.Peering{}, "b-a")
	lets("c")
	var policy networkingv1.NetworkPolicy
	w.change("a", &policy, "somebody", func() { policy.Spec.Ingress = nil })
	lets("c")
	w.event("ChangeUndone", "NetworkPolicy a", "somebody")

	node := w.node("a")
	w.change("a", node, "user", func() { node.Spec.NetworkPolicy = "" })
	w.eventually("it is gone", func() error {
		if err := w.get("a", &policy); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("it is there"))
		}
		return nil
	})
	w.event("Removed", "NetworkPolicy a")

	w.create(&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "d"}}, brokerNode("d", declared))
	w.eventually("the conflict shows", func() error {
		return condition(w.node("d").Status.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionFalse, string(v1alpha1.ReasonConflict))
	})
	node = w.node("d")
	w.change("d", node, "user", func() { node.Spec.NetworkPolicy = v1alpha1.NetworkPolicyNone })
	w.appears("d", &appsv1.StatefulSet{})
	w.mustGet("d", &policy)
	if len(policy.Labels) > 0 || policy.DeletionTimestamp != nil {
		t.Errorf("somebody's policy: %+v", policy)
	}
}
