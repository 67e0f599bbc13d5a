// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"net"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// applyExternal keeps all that an external node has here: the Secret with its certificate. Whoever runs the endpoint takes it from there.
func (r *brokerNodes) applyExternal(ctx context.Context, node *v1alpha1.BrokerNode, v *view) (out outcome, err error) {
	secret, err := r.certificates(ctx, node, v)
	var missing *caMissingError
	var conflict *conflictError
	if errors.As(err, &conflict) {
		out.facts.Conflict = conflict.message
		return out, nil
	}
	if out.facts.CAMissing = errors.As(err, &missing); err != nil {
		if out.facts.CAMissing {
			err = nil
		}
		return out, err
	}
	out.renewal, out.facts.CertificatePending = secret.renewal, secret.pending
	if secret.settled { // an issuer's
		return out, nil
	}
	var live client.Object
	if secret.live != nil {
		live = secret.live
	}
	applied, err := r.applier.apply(ctx, node, live, manifest.Build(manifest.Input{Node: node, Certificates: secret.want}).Secret)
	if errors.As(err, &conflict) {
		out.facts.Conflict = conflict.message
		return out, nil
	} else if err != nil {
		return out, err
	}
	if s, ok := applied.(*corev1.Secret); ok {
		r.trust.keep(s, secret.authority)
	}
	return out, nil
}

// leafRequest is the certificate that a node should have. Who reaches a node by its Service finds the Service's names in it.
func leafRequest(node *v1alpha1.BrokerNode) pki.Request {
	e := node.Spec.External
	if e == nil {
		r := pki.NodeRequest(node.Namespace, node.Name)
		if node.Spec.Service != nil {
			r.DNSNames = append(r.DNSNames, pki.ServiceNames(node.Namespace, node.Name)...)
		}
		return r
	}
	host, _, _ := net.SplitHostPort(e.Address) // empty without an address
	return pki.ExternalRequest(node.Namespace, node.Name, host)
}
