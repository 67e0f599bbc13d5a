// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Names of the files in a certificate folder.
const (
	CAFile   = "ca.crt"
	CertFile = "tls.crt"
	KeyFile  = "tls.key"
)

// ManagerURI is the name in the manager's certificate for the meshes of a namespace.
func ManagerURI(namespace string) string { return "brokermesh://" + namespace + "/manager" }

// NodeURI is the name in the certificate of a node.
func NodeURI(namespace, node string) string { return "brokermesh://" + namespace + "/node/" + node }

// ServerTLS is the TLS side of a node's control port: it accepts nobody but the manager of the namespace. The folder has
// CAFile, CertFile and KeyFile; they are read once now, so that bad ones show at start, and anew at each handshake.
func ServerTLS(dir, namespace string) (*tls.Config, error) {
	load := func(*tls.ClientHelloInfo) (*tls.Config, error) { return loadServer(dir, namespace) }
	if _, err := load(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: load}, nil
}

func loadServer(dir, namespace string) (*tls.Config, error) {
	bundle, err := os.ReadFile(filepath.Join(dir, CAFile))
	if err != nil {
		return nil, fmt.Errorf("read the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("read the CA: no certificate in %s", CAFile)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{pair},
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              pool,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true, // each handshake looks at the files of today
		VerifyConnection: func(s tls.ConnectionState) error {
			return checkURI(s, ManagerURI(namespace))
		},
	}, nil
}

// ClientTLS is the manager's side: it shows the certificate, and talks to nobody but the node. The server's chain is checked
// against the roots; its name is the URI, not the host that was dialed.
func ClientTLS(cert tls.Certificate, roots *x509.CertPool, namespace, node string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{cert},
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: true, // VerifyConnection does it, with the URI in the host name's place
		VerifyConnection: func(s tls.ConnectionState) error {
			if err := verifyServer(s, roots); err != nil {
				return err
			}
			return checkURI(s, NodeURI(namespace, node))
		},
	}
}

func verifyServer(s tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the node shows no certificate")
	}
	if roots == nil { // would mean the system's
		return errors.New("no CA to check the node with")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// checkURI wants the leaf to have exactly this one URI.
func checkURI(s tls.ConnectionState, want string) error {
	if len(s.PeerCertificates) == 0 {
		return fmt.Errorf("no certificate, allowed: %s", want)
	}
	uris := s.PeerCertificates[0].URIs
	if len(uris) != 1 || uris[0].String() != want {
		return fmt.Errorf("the certificate names %q, allowed: %s", uris, want)
	}
	return nil
}
