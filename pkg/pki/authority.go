// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"
)

// AuthorityLifetime is how long an authority is valid.
const AuthorityLifetime = 10 * 365 * 24 * time.Hour

const (
	// backdate forgives clocks that are a little behind; certificates of short lives forgive less.
	backdate = 5 * time.Minute

	certType = "CERTIFICATE"
	keyType  = "PRIVATE KEY"
)

// ErrNotAuthority says that a certificate and key can't sign for a mesh: not a CA, or not a pair.
var ErrNotAuthority = errors.New("not a certificate authority with its key")

// Authority is the certificate authority of one mesh. It is immutable and may be used by many goroutines.
type Authority struct {
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	certPEM []byte
}

// NewAuthority makes an authority that is valid for AuthorityLifetime from now. The name is for people.
func NewAuthority(random io.Reader, now time.Time, name string) (*Authority, error) {
	return NewAuthorityFor(random, now, name, AuthorityLifetime)
}

// NewAuthorityFor makes an authority that is valid for the given time from now.
func NewAuthorityFor(random io.Reader, now time.Time, name string, life time.Duration) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("generate the authority's key: %w", err)
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name, Organization: []string{"brokermesh"}},
		NotBefore:             begin(now, life),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(random, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back the authority: %w", err)
	}
	return &Authority{cert: cert, key: key, certPEM: encode(certType, der)}, nil
}

// ParseAuthority reads an authority from PEM: the first certificate of certPEM and the key that belongs to it (PKCS #8 or SEC 1).
// All of certPEM is kept as the bundle that leaves are handed out with. The error is ErrNotAuthority when the two can't sign.
func ParseAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	cert, err := parseCert(certPEM)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read the authority's key: %w", err)
	}
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !cert.IsCA || !public.Equal(key.Public()) {
		return nil, ErrNotAuthority
	}
	return &Authority{cert: cert, key: key, certPEM: certPEM}, nil
}

// Trusting is the same authority with other certificates added to the bundle that a verifier trusts. What it signs is the same.
func (a *Authority) Trusting(others ...[]byte) *Authority {
	all := *a
	all.certPEM = slices.Clone(a.certPEM)
	for _, other := range others {
		if n := len(all.certPEM); n > 0 && len(other) > 0 && all.certPEM[n-1] != '\n' {
			all.certPEM = append(all.certPEM, '\n')
		}
		all.certPEM = append(all.certPEM, other...)
	}
	return &all
}

// Validity is from when until when the authority's own certificate is valid.
func (a *Authority) Validity() (from, until time.Time) { return a.cert.NotBefore, a.cert.NotAfter }

// RotateAt is when two thirds of the authority's life are over and its successor should be made.
func (a *Authority) RotateAt() time.Time { return renewAt(a.cert) }

// CertPEM is the bundle that a verifier trusts. The caller must not change it.
func (a *Authority) CertPEM() []byte { return a.certPEM }

// KeyPEM is the signing key.
func (a *Authority) KeyPEM() ([]byte, error) { return encodeKey(a.key) }

// Pool is the authority as a set of roots.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.certPEM)
	return pool
}

func begin(now time.Time, life time.Duration) time.Time { return now.Add(-min(backdate, life/20)) }

func newSerial(random io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40 // positive, and always 16 bytes long
	return new(big.Int).SetBytes(b[:]), nil
}

func parseCert(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != certType {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

func parseKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("no PEM key")
	}
	if block.Type == "EC PRIVATE KEY" {
		return x509.ParseECPrivateKey(block.Bytes)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key of type %T, want ECDSA", key)
	}
	return ec, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return encode(keyType, der), nil
}
