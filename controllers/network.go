// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// network keeps the node's NetworkPolicy, or sees that it has none.
func (r *brokerNodes) network(ctx context.Context, node *v1alpha1.BrokerNode, nv nodeView) error {
	policy := manifest.NetworkPolicy(node, nv.callers, r.namespace)
	return r.applier.optional(ctx, node, policy, node.Spec.NetworkPolicy == v1alpha1.NetworkPolicyDeclared)
}

// optional applies an object that the owner wants, and deletes one that it doesn't want any more. Somebody else's object of that name
// stays, in either case.
func (a *applier) optional(ctx context.Context, owner *v1alpha1.BrokerNode, desired manifest.Object, wanted bool) error {
	if !wanted {
		return a.remove(ctx, owner, desired)
	}
	live, err := a.live(ctx, desired)
	if err != nil {
		return fmt.Errorf("read %s: %w", desired.GetName(), err)
	}
	_, err = a.apply(ctx, owner, live, desired)
	return err
}
