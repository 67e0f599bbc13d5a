// SPDX-License-Identifier: Apache-2.0

// Package meshtls is what both ends of a TLS connection in a mesh agree on: the files of a certificate folder, how a server's chain
// is verified, and the URIs that say whom a certificate is for. It follows the section Trust of the architecture.
//
// Operator and engine use it alike. Who may talk to whom is decided by the packages above, which own the ports.
package meshtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Names of the files in a certificate folder: the CAs to trust, the own certificate and its key, all PEM.
const (
	CAFile   = "ca.crt"
	CertFile = "tls.crt"
	KeyFile  = "tls.key"
)

// NodeURI is the name in the certificate of a node, one for all its pods.
func NodeURI(namespace, node string) string { return mesh(namespace) + "node/" + node }

// ManagerURI is the name in the manager's certificate for the meshes of a namespace: the only one that control ports accept.
func ManagerURI(namespace string) string { return mesh(namespace) + "manager" }

// ClientURI is the name in the certificate that people's tools use.
func ClientURI(namespace string) string { return mesh(namespace) + "client" }

// IsMeshURI tells whether a name is one of these, of any mesh.
func IsMeshURI(uri string) bool { return strings.HasPrefix(uri, "brokermesh://") }

func mesh(namespace string) string { return "brokermesh://" + namespace + "/" }

// ReadFolder reads a certificate folder: the own certificate with its key, and the CAs to trust. A file that is missing matches
// os.ErrNotExist.
func ReadFolder(dir string) (tls.Certificate, *x509.CertPool, error) {
	path := filepath.Join(dir, CAFile)
	bundle, err := os.ReadFile(path)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read CA certificates: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return tls.Certificate{}, nil, fmt.Errorf("%s holds no certificate", path)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read certificate and key: %w", err)
	}
	return cert, roots, nil
}

// Hash stands for a bundle of CA certificates, as a file or Secret holds it: nodes report it of the one that they trust.
func Hash(bundle []byte) string {
	sum := sha256.Sum256(bundle)
	return hex.EncodeToString(sum[:16])
}

// VerifyServer verifies the chain that a server presented, and no name in it. It is for dialers that know the server by its URI, while
// crypto/tls would insist on a host name. Nil roots mean those of the system.
func VerifyServer(s tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server presented no certificate")
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, c := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(opts)
	return err
}

// URIs are the names in the certificate that the other end presented. They prove nothing until its chain is verified.
func URIs(s tls.ConnectionState) []string {
	if len(s.PeerCertificates) == 0 {
		return nil
	}
	var out []string
	for _, u := range s.PeerCertificates[0].URIs {
		out = append(out, u.String())
	}
	return out
}
