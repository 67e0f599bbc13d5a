// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

// ServerTLS is the TLS side of a node's control port: it accepts nobody but the manager of the namespace. The
// certificate folder is read once now, so that bad files show at start, and anew at each handshake.
func ServerTLS(dir, namespace string) (*tls.Config, error) {
	load := func(*tls.ClientHelloInfo) (*tls.Config, error) { return loadServer(dir, namespace) }
	if _, err := load(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: load}, nil
}

func loadServer(dir, namespace string) (*tls.Config, error) {
	cert, roots, err := meshtls.ReadFolder(dir)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{cert},
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              roots,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true, // each handshake looks at the files of today
		VerifyConnection: func(s tls.ConnectionState) error {
			return checkURI(s, meshtls.ManagerURI(namespace))
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
			if roots == nil { // would mean the system's
				return errors.New("no CA to check the node with")
			}
			if err := meshtls.VerifyServer(s, roots); err != nil {
				return err
			}
			return checkURI(s, meshtls.NodeURI(namespace, node))
		},
	}
}

// checkURI wants the leaf to have exactly this one URI.
func checkURI(s tls.ConnectionState, want string) error {
	if uris := meshtls.URIs(s); len(uris) != 1 || uris[0] != want {
		return fmt.Errorf("the certificate names %q, allowed: %s", uris, want)
	}
	return nil
}
