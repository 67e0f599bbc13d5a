// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// NoEffect is the code of findings about fields that do nothing where the mesh runs.
const NoEffect v1alpha1.Reason = "NoEffect"

// nodeNoEffect finds fields of a node that are about pods and Services where there is no cluster.
func (c *compiler) nodeNoEffect(n *v1alpha1.BrokerNode) {
	if !c.opt.NoPods {
		return
	}
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"networkPolicy", n.Spec.NetworkPolicy == v1alpha1.NetworkPolicyDeclared}, {"paused", n.Spec.Paused},
		{"podTemplate", n.Spec.PodTemplate != nil}, {"service", n.Spec.Service != nil},
	} {
		if field.set {
			c.find(Finding{Kind: KindBrokerNode, Name: n.Name, Field: "spec." + field.name, Reason: NoEffect, Severity: Warning,
				Message: "is for clusters, and of no effect here"})
		}
	}
}

// meshNoEffect finds issuers where there is no cluster that could have them.
func (c *compiler) meshNoEffect(meshes []v1alpha1.BrokerMesh) {
	for i := range meshes {
		if ref := meshes[i].Spec.IssuerRef; c.opt.NoPods && ref != nil {
			c.find(Finding{Kind: KindBrokerMesh, Name: meshes[i].Name, Field: "spec.issuerRef", Reason: NoEffect, Severity: Warning,
				Message: fmt.Sprintf("issuer %q is for clusters, and of no effect here: an authority of the mesh's own signs its certificates", ref.Name)})
		}
	}
}
