// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

// TLS says how connections are protected. There are two modes:
//
//   - Authenticated: both ends show a certificate and verify the other's chain against the CAs that they trust. Names are not compared,
//     because C++ peers have none, unless the dialer asks for a URI or a host name (see Config). Certificate, key and at least one CA
//     are needed, each from a file or from memory.
//   - Anonymous, what Zeek does by default: encrypted, but nobody is authenticated, so that whoever can reach the port or get between
//     the ends is let in. Nothing else may be set.
//
// Files are looked at before each handshake and read again when they have changed. What can't be used then is logged once, and the
// handshake goes on with what was read last; connections that stand are never affected. The fields must not be changed once the
// TLS is in use. It may be shared by endpoints and is safe for concurrent use.
type TLS struct {
	// CertFile and KeyFile are PEM: the own certificate, followed by those of intermediate CAs, and its private key.
	CertFile, KeyFile string
	// CertPEM and KeyPEM stand for the content of these files.
	CertPEM, KeyPEM []byte
	// Passphrase opens a protected private key: encrypted PKCS#8, or the older form with a DEK-Info line.
	Passphrase string
	// CAFile, CADir and CAPEM are the CAs to trust, all taken together: a PEM file, a folder in which every file that holds PEM
	// certificates counts whatever its name (hashed ones included), and the content of such a file.
	CAFile, CADir string
	CAPEM         []byte
	// Anonymous chooses the mode without certificates.
	Anonymous bool

	files  files
	warned sync.Once
}

// LoadTLS uses a certificate folder (see package meshtls). It fails if what is in it can't be used now.
func LoadTLS(dir string) (*TLS, error) {
	t := &TLS{
		CAFile: filepath.Join(dir, meshtls.CAFile), CertFile: filepath.Join(dir, meshtls.CertFile), KeyFile: filepath.Join(dir, meshtls.KeyFile),
	}
	if _, err := t.current(); err != nil {
		return nil, err
	}
	return t, nil
}

// Start checks everything and answers what is wrong, with the file. From then on log gets what is wrong with files that have changed;
// of several calls the last one's log counts. The anonymous mode is worth a warning, once.
func (t *TLS) Start(log *slog.Logger) error {
	if err := t.validate(); err != nil {
		return err
	}
	if t.Anonymous {
		t.warned.Do(func() { log.Warn("TLS is anonymous: connections are encrypted, not authenticated") })
		return nil
	}
	t.files.setLog(log)
	_, err := t.current()
	return err
}

// validate looks at what is set, not at the content.
func (t *TLS) validate() error {
	cert, key, ca := t.CertFile != "" || t.CertPEM != nil, t.KeyFile != "" || t.KeyPEM != nil, t.CAFile != "" || t.CADir != "" || t.CAPEM != nil
	switch {
	case t.Anonymous && (cert || key || ca || t.Passphrase != ""):
		return errors.New("TLS: anonymous and with certificates at once")
	case t.Anonymous:
		return nil
	case !cert:
		return errors.New("TLS: no certificate is configured")
	case !key:
		return errors.New("TLS: no private key is configured")
	case !ca:
		return errors.New("TLS: no CA is configured; without one no peer could be verified")
	case t.CertFile != "" && t.CertPEM != nil:
		return fmt.Errorf("TLS: two certificates are configured, %s and one in memory", t.CertFile)
	case t.KeyFile != "" && t.KeyPEM != nil:
		return fmt.Errorf("TLS: two private keys are configured, %s and one in memory", t.KeyFile)
	}
	return nil
}

// Server is the configuration of an accepting end for one handshake: the caller may change it. It demands a certificate of the
// client and verifies its chain; who the client may be is the caller's business. The anonymous mode has none.
func (t *TLS) Server() (*tls.Config, error) {
	m, err := t.current()
	if err != nil {
		return nil, err
	}
	c := m.base()
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, m.roots
	return c, nil
}

// client is the configuration of a dialing end. The chain is verified here and not by crypto/tls, which would insist on a host name.
func (t *TLS) client(uri, host string) (*tls.Config, error) {
	m, err := t.current()
	if err != nil {
		return nil, err
	}
	c := m.base()
	c.ServerName = host // sent, if it is a name
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error { return verifyServer(state, m.roots, uri, host) }
	return c, nil
}

// base has what both ends need. It is new for each handshake, and nothing of one is resumed in another: the files of now count.
func (m *material) base() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{m.cert}, RootCAs: m.roots, SessionTicketsDisabled: true,
	}
}

func verifyServer(state tls.ConnectionState, roots *x509.CertPool, uri, host string) error {
	if err := meshtls.VerifyServer(state, roots); err != nil {
		return err
	}
	if names := meshtls.URIs(state); uri != "" && !slices.Contains(names, uri) {
		return fmt.Errorf("the certificate is for %q, not for %q", names, uri)
	}
	if host == "" {
		return nil
	}
	return state.PeerCertificates[0].VerifyHostname(host)
}

// String says where the material comes from. There are no secrets in it.
func (t *TLS) String() string {
	if t.Anonymous {
		return "anonymous TLS (encrypted, not authenticated)"
	}
	from := func(file string) string {
		if file == "" {
			return "memory"
		}
		return file
	}
	return fmt.Sprintf("TLS with certificate from %s and key from %s", from(t.CertFile), from(t.KeyFile))
}

// GoString is String, so that %#v shows no key.
func (t *TLS) GoString() string { return t.String() }

// LogValue is String, so that no logger shows a key.
func (t *TLS) LogValue() slog.Value { return slog.StringValue(t.String()) }
