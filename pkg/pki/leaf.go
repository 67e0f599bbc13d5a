// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"cmp"
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
	"strings"
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
	// Lifetime of the leaf; 0 means LeafLifetime. It never outlives its authority.
	Lifetime time.Duration
}

// NodeRequest is the leaf of a BrokerNode, one for all its pods.
func NodeRequest(namespace, node string) Request {
	return Request{
		CommonName: node, URI: meshtls.NodeURI(namespace, node),
		DNSNames: []string{"*." + node + "-pods." + namespace + ".svc"},
	}
}

// ServiceNames are the names by which the Service of a node is found from within a cluster, the full one if the cluster's domain is the
// usual one: clients of the WebSocket port compare them with the certificate.
func ServiceNames(namespace, service string) []string {
	in := service + "." + namespace
	return []string{service, in, in + ".svc", in + ".svc.cluster.local"}
}

// ExternalRequest is the leaf of a BrokerNode that runs elsewhere. host is a name or an IP address of it; empty if none is known.
func ExternalRequest(namespace, node, host string) Request {
	r := Request{CommonName: node, URI: meshtls.NodeURI(namespace, node)}
	if ip := net.ParseIP(host); ip != nil {
		r.IPs = []net.IP{ip}
	} else if host != "" {
		r.DNSNames = []string{strings.ToLower(strings.TrimSuffix(host, "."))}
	}
	return r
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

// Serial is the leaf's serial number, as nodes report it; empty if the leaf can't be read.
func (l Leaf) Serial() string {
	cert, err := parseCert(l.Cert)
	if err != nil {
		return ""
	}
	return cert.SerialNumber.Text(16)
}

// Issue signs a new leaf with a new key, valid from now for the requested lifetime, or until the authority's end if that is sooner.
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
	life := cmp.Or(r.Lifetime, LeafLifetime)
	end := now.Add(life)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: r.CommonName},
		NotBefore:    begin(now, life),
		NotAfter:     end,
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

// Names is the request's URI, DNS names and addresses in one line, to compare it with Leaf.Names.
func (r Request) Names() string { return allNames([]string{r.URI}, r.DNSNames, r.IPs) }

// Names are those that the leaf was issued for, as Request.Names gives them; empty if it can't be read.
func (l Leaf) Names() string {
	cert, err := parseCert(l.Cert)
	if err != nil {
		return ""
	}
	var uris []string
	for _, u := range cert.URIs {
		uris = append(uris, u.String())
	}
	return allNames(uris, cert.DNSNames, cert.IPAddresses)
}

func allNames(uris, names []string, ips []net.IP) string {
	var addresses []string
	for _, ip := range ips {
		addresses = append(addresses, ip.String())
	}
	return strings.Join(uris, " ") + "; " + strings.Join(names, " ") + "; " + strings.Join(addresses, " ")
}

// Check says why a leaf should be replaced by a new one: unreadable, not signed by this authority (the rest of the bundle doesn't
// count), other names than requested, or less than a third of its lifetime left and a new one would last longer. It returns nil for a
// leaf that is good.
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
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	if _, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}); err != nil {
		return err
	}
	if l.Names() != r.Names() {
		return errors.New("issued for other names")
	}
	if cert.NotAfter.Before(a.cert.NotAfter) && !now.Before(renewAt(cert)) {
		return errors.New("due for renewal")
	}
	return nil
}

// RenewAt is when Check will find the leaf due; the zero time if it can't be read, or lasts as long as the authority.
func (a *Authority) RenewAt(l Leaf) time.Time {
	cert, err := parseCert(l.Cert)
	if err != nil || !cert.NotAfter.Before(a.cert.NotAfter) {
		return time.Time{}
	}
	return renewAt(cert)
}

func renewAt(cert *x509.Certificate) time.Time {
	return cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore) / 3)
}
