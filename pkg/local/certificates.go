// SPDX-License-Identifier: Apache-2.0

package local

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// ClientDir is the folder with the certificate for people's tools.
func ClientDir(dataDir string) string { return filepath.Join(dataDir, "client") }

// CertificateDir is the folder with the certificate of a node: ca.crt, tls.crt
// and tls.key. That of an external node is for whoever runs it.
func CertificateDir(dataDir, node string) string {
	return filepath.Join(dataDir, "certificates", node)
}

// loopback is where the nodes of this machine are.
var loopback = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}

// writeCertificates makes a new authority for the mesh, and with it a leaf for
// each node and one for clients. The authority's key is written nowhere: after
// the next start everything is signed anew.
func writeCertificates(dataDir, namespace string, nodes []v1alpha1.BrokerNode) error {
	now := time.Now()
	authority, err := pki.NewAuthority(rand.Reader, now, "brokermesh "+namespace)
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	for _, n := range nodes {
		r := pki.NodeRequest(namespace, n.Name)
		if e := n.Spec.External; e != nil {
			host, _, _ := net.SplitHostPort(e.Address) // empty without an address
			r = pki.ExternalRequest(namespace, n.Name, host)
		}
		r.DNSNames, r.IPs = append(r.DNSNames, "localhost"), append(r.IPs, loopback...) // for clients that compare hosts, as of wss
		if err := writeLeaf(authority, CertificateDir(dataDir, n.Name), now, r); err != nil {
			return err
		}
	}
	return writeLeaf(authority, ClientDir(dataDir), now, pki.ClientRequest(namespace))
}

func writeLeaf(authority *pki.Authority, dir string, now time.Time, r pki.Request) error {
	leaf, err := authority.Issue(rand.Reader, now, r)
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write certificates: %w", err)
	}
	for name, content := range map[string][]byte{
		meshtls.CAFile:   authority.CertPEM(),
		meshtls.CertFile: leaf.Cert,
		meshtls.KeyFile:  leaf.Key,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}
