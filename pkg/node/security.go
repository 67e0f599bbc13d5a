// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// anonymous is the TLS of all connections without certificates.
func anonymous() *peering.TLS { return &peering.TLS{Anonymous: true} }

// loadCertificates reads those of the mesh when a config first needs them:
// for a port, or to dial somebody. They stay for as long as the engine lives.
func (e *engine) loadCertificates(c nodeconfig.Config) error {
	needed := c.TLS != nodeconfig.TLSDisabled && (c.TLS != nodeconfig.TLSAnonymous || c.WebSocketPort != 0)
	for _, p := range c.Peers {
		needed = needed || c.Dials(p) == nodeconfig.TLSMesh
	}
	switch {
	case !needed || e.mesh != nil:
		return nil
	case e.o.TLSDir == "":
		return errNoCertificates
	}
	t, err := peering.LoadTLS(e.o.TLSDir)
	if err != nil {
		return fmt.Errorf("certificates in %s: %w", e.o.TLSDir, err)
	}
	e.mesh = t
	return nil
}

// isDoor tells whether the node lets in peers without certificates, and leads
// to a mesh that has some.
func isDoor(c nodeconfig.Config) bool {
	dialsMesh := func(p nodeconfig.Peer) bool { return c.Dials(p) == nodeconfig.TLSMesh }
	return c.TLS != nodeconfig.TLSMesh && slices.ContainsFunc(c.Peers, dialsMesh)
}

// tls is that of a mode; nil for plain TCP.
func (e *engine) tls(mode string) *peering.TLS {
	switch mode {
	case nodeconfig.TLSDisabled:
		return nil
	case nodeconfig.TLSAnonymous:
		return e.anonymous
	default:
		return e.mesh
	}
}

// security is how an address is dialed. It compares equal if nothing differs.
type security struct {
	tls *peering.TLS
	uri string // that the other end must have
}

func (e *engine) securityOf(c nodeconfig.Config, p nodeconfig.Peer) security {
	mode := c.Dials(p)
	s := security{tls: e.tls(mode)}
	if p.Node != "" && mode == nodeconfig.TLSMesh {
		s.uri = meshtls.NodeURI(c.Namespace, p.Node)
	}
	return s
}

func (s security) options() *broker.Security { return &broker.Security{TLS: s.tls} }

// warn logs which connections authenticate nobody. It is called when a config
// has been applied, with the one before.
func (e *engine) warn(before, c nodeconfig.Config) {
	if mode := cmp.Or(c.TLS, nodeconfig.DefaultTLS); mode != nodeconfig.TLSMesh && mode != before.TLS {
		e.log.Warn("whoever reaches the native port is let in: nobody is authenticated", "tls", mode)
	}
	known := make(map[string]string, len(before.Peers))
	for _, p := range before.Peers {
		known[p.Address] = before.Dials(p)
	}
	for _, p := range c.Peers {
		if mode := c.Dials(p); mode != nodeconfig.TLSMesh && known[p.Address] != mode {
			e.log.Warn("a peering authenticates nobody", "peering", p.Name, "address", p.Address, "tls", mode)
		}
	}
}
