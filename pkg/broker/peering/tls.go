// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

// TLS makes the configuration of each TLS handshake. Both ends present a certificate and verify the other's chain; names are not
// compared, except for the URI that a dialer may ask for.
type TLS struct {
	// Config answers the certificate of this side (Certificates) and the CAs to trust (RootCAs). It is called at each handshake, so
	// that renewed files are used without a restart. What else it sets is kept, but the verification is this package's.
	Config func() (*tls.Config, error)
}

// LoadTLS reads a certificate folder (see package meshtls), at each handshake anew. It fails if they can't be used now.
func LoadTLS(dir string) (*TLS, error) {
	t := &TLS{Config: func() (*tls.Config, error) { return readTLS(dir) }}
	if _, err := t.Config(); err != nil {
		return nil, err
	}
	return t, nil
}

func readTLS(dir string) (*tls.Config, error) {
	cert, roots, err := meshtls.ReadFolder(dir)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots}, nil
}

// Server is the configuration of an accepting end for one handshake: the caller may change it. It demands a certificate of the
// client and verifies its chain; who the client may be is the caller's business.
func (t *TLS) Server() (*tls.Config, error) {
	c, err := t.base()
	if err != nil {
		return nil, err
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.ClientCAs = c.RootCAs
	return c, nil
}

// client is the configuration of a dialing end. The chain is verified here and not by crypto/tls, which would insist on a host name.
func (t *TLS) client(uri string) (*tls.Config, error) {
	c, err := t.base()
	if err != nil {
		return nil, err
	}
	roots := c.RootCAs
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error { return verifyServer(state, roots, uri) }
	return c, nil
}

func (t *TLS) base() (*tls.Config, error) {
	c, err := t.Config()
	if err != nil {
		return nil, err
	}
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c, nil
}

func verifyServer(state tls.ConnectionState, roots *x509.CertPool, uri string) error {
	if err := meshtls.VerifyServer(state, roots); err != nil {
		return err
	}
	if names := meshtls.URIs(state); uri != "" && !slices.Contains(names, uri) {
		return fmt.Errorf("the certificate is for %q, not for %q", names, uri)
	}
	return nil
}

// verifiedURI is the first URI in the peer's verified certificate.
func verifiedURI(c *tls.Conn) string {
	if names := meshtls.URIs(c.ConnectionState()); len(names) > 0 {
		return names[0]
	}
	return ""
}
