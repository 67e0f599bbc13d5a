// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

// LeafLifetime is how long a leaf is valid; it is renewed when a third of that is left.
const LeafLifetime = 90 * 24 * time.Hour

// Request says whom a leaf is for. Every leaf serves as server and as client certificate.
type Request struct {
	CommonName string
	// URI is the name that verifiers look at.
	URI      string
	DNSNames []string
	IPs      []net.IP
}

// NodeRequest is the leaf of a BrokerNode, one for all its pods.
func NodeRequest(namespace, node string) Request {
	return Request{
		CommonName: node, URI: meshtls.NodeURI(namespace, node),
		DNSNames: []string{"*." + node + "-pods." + namespace + ".svc"},
	}
}

// ManagerRequest is the manager's leaf in a mesh.
func ManagerRequest(namespace string) Request {
	return Request{CommonName: "manager", URI: meshtls.ManagerURI(namespace)}
}

// ClientRequest is the leaf for people's tools.
func ClientRequest(namespace string) Request {
	return Request{CommonName: "client", URI: meshtls.ClientURI(namespace)}
}

// Leaf is a certificate with its key, both PEM.
type Leaf struct{ Cert, Key []byte }

// TLS is the leaf as crypto/tls wants it.
func (l Leaf) TLS() (tls.Certificate, error) { return tls.X509KeyPair(l.Cert, l.Key) }

// Issue signs a new leaf with a new key, valid from now for LeafLifetime.
func (a *Authority) Issue(random io.Reader, now time.Time, r Request) (Leaf, error) {
	uri, err := url.Parse(r.URI)
	if err != nil {
		return Leaf{}, fmt.Errorf("issue for %q: %w", r.CommonName, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return Leaf{}, fmt.Errorf("generate the key of %s: %w", r.URI, err)
	}
	serial, err := newSerial(random)
	if err != nil {
		return Leaf{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: r.CommonName},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(LeafLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:         []*url.URL{uri},
		DNSNames:     r.DNSNames,
		IPAddresses:  r.IPs,
	}
	der, err := x509.CreateCertificate(random, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Leaf{}, fmt.Errorf("sign %s: %w", r.URI, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Leaf{}, err
	}
	return Leaf{Cert: encode(certType, der), Key: keyPEM}, nil
}

// Check says why a leaf should be replaced by a new one: unreadable, not signed by this authority, other names than requested, or
// less than a third of its lifetime left. It returns nil for a leaf that is good.
func (a *Authority) Check(l Leaf, now time.Time, r Request) error {
	cert, err := parseCert(l.Cert)
	if err != nil {
		return err
	}
	key, err := parseKey(l.Key)
	if err != nil {
		return err
	}
	if public, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return errors.New("certificate and key are no pair")
	}
	if _, err := cert.Verify(x509.VerifyOptions{
		Roots: a.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}); err != nil {
		return err
	}
	if len(cert.URIs) != 1 || cert.URIs[0].String() != r.URI || !slices.Equal(cert.DNSNames, r.DNSNames) ||
		!slices.EqualFunc(cert.IPAddresses, r.IPs, net.IP.Equal) {
		return errors.New("issued for other names")
	}
	if !now.Before(renewAt(cert)) {
		return errors.New("due for renewal")
	}
	return nil
}

// RenewAt is when the leaf should be replaced; the zero time if it can't be read.
func (l Leaf) RenewAt() time.Time {
	cert, err := parseCert(l.Cert)
	if err != nil {
		return time.Time{}
	}
	return renewAt(cert)
}

func renewAt(cert *x509.Certificate) time.Time {
	return cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore) / 3)
}
