// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"slices"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// protection finds ports that let in whoever reaches them, and tokens that everybody on the way can read.
func protection(m *mesh) []topology.Finding {
	var out []topology.Finding
	for _, name := range m.names {
		spec := &m.nodes[name].Spec
		mode := v1alpha1.TLSMesh
		if spec.TLS != nil && spec.TLS.Mode != "" {
			mode = spec.TLS.Mode
		}
		if m.opt.Plain || mode == v1alpha1.TLSMesh {
			continue
		}
		out = append(out, node(name, "spec.tls.mode", topology.Info, OpenPort, "%s: whoever reaches the native port is let in", mode))
		if w := spec.WebSocket; w != nil && mode == v1alpha1.TLSDisabled &&
			slices.ContainsFunc(w.Clients, func(c v1alpha1.WebSocketClient) bool { return c.TokenSHA256 != "" }) {
			out = append(out, node(name, "spec.webSocket.clients", topology.Warning, TokenInClear,
				"tokens travel in clear text with tls.mode Disabled: whoever listens on the way can use them; allowed: tls.mode Mesh or Anonymous"))
		}
	}
	return out
}
