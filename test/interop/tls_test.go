// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// authority makes certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}, nil)
	return a
}

func (a *authority) issue(tmpl *x509.Certificate, parent *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.n++
	tmpl.SerialNumber = big.NewInt(a.n)
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	issuer, signer := tmpl, key
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, tmpl, issuer, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// folder writes ca.crt, tls.crt and tls.key with a certificate for a URI, if it isn't empty.
func (a *authority) folder(uri string) string {
	a.t.Helper()
	tmpl := &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			a.t.Fatal(err)
		}
		tmpl.URIs = []*url.URL{u}
	}
	cert, key := a.issue(tmpl, a)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	for name, block := range map[string]*pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: a.cert.Raw}, "tls.crt": {Type: "CERTIFICATE", Bytes: cert.Raw}, "tls.key": {Type: "PRIVATE KEY", Bytes: raw},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, dir string) *peering.TLS {
	t.Helper()
	conf, err := peering.LoadTLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func tlsArgs(dir string) []string {
	return []string{"--tls", "cert", "--cert", filepath.Join(dir, "tls.crt"), "--key", filepath.Join(dir, "tls.key"), "--ca", filepath.Join(dir, "ca.crt")}
}

// TestTLS peers over mutual TLS in all combinations of dialer and originator, and exchanges a message.
func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	ours, theirs := ca.folder("brokermesh://test/node/us"), ca.folder("brokermesh://test/node/them")
	for _, dials := range []bool{false, true} {
		for _, id := range []string{smallID, largeID} {
			e := endpoint(t, broker.Options{TLS: load(t, ours)}, ownID)
			p := start(t, append(tlsArgs(theirs), "--id", id)...)
			p.do(command{"do": "subscribe", "topic": "/t"})
			if dials {
				if _, err := e.Peer(within(t), p.listen(nil), broker.PeerOptions{ServerURI: "brokermesh://test/node/them"}); err != nil {
					t.Fatal(err)
				}
			} else {
				p.connect(listening(t, e), nil)
			}
			if got := p.wait("connected"); !strings.HasPrefix(got.str("tls"), "TLSv1.3") {
				t.Errorf("connected: %v", got)
			}
			p.wait("peered")
			if err := e.AwaitPeer(within(t), p.id); err != nil {
				t.Fatal(err)
			}
			if got := e.Peers()[0].URI; got != "brokermesh://test/node/them" {
				t.Errorf("URI %q", got)
			}
			if err := e.Publish("/t", data.Count(1)); err != nil {
				t.Fatal(err)
			}
			p.wait("message")
			if err := e.UnpeerID(within(t), p.id); err != nil {
				t.Fatal(err)
			}
			if got := p.wait("peer_lost"); got.str("reason") != "unpeered by peer" {
				t.Errorf("peer_lost: %v", got)
			}
		}
	}
}

// TestTLSAnonymous peers as Zeek does by default, in all combinations of dialer and originator, and exchanges messages.
func TestTLSAnonymous(t *testing.T) {
	for _, dials := range []bool{false, true} {
		for _, id := range []string{smallID, largeID} {
			e := endpoint(t, broker.Options{TLS: &peering.TLS{Anonymous: true}}, ownID)
			p := start(t, "--tls", "anon", "--id", id)
			p.do(command{"do": "subscribe", "topic": "/t"})
			if dials {
				if _, err := e.Peer(within(t), p.listen(nil), broker.PeerOptions{}); err != nil {
					t.Fatal(err)
				}
			} else {
				p.connect(listening(t, e), nil)
			}
			if got := p.wait("connected"); !strings.HasPrefix(got.str("tls"), "TLSv1.2") {
				t.Errorf("connected: %v", got)
			}
			p.wait("peered")
			sub := subscribe(t, e, "/u")
			if err := e.AwaitPeer(within(t), p.id); err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1, 100_000} {
				if err := e.Publish("/t", data.String(strings.Repeat("x", size))); err != nil {
					t.Fatal(err)
				}
				if got := p.wait("message"); len(got.str("hex")) < 2*size {
					t.Errorf("message of %d: %d digits", size, len(got.str("hex")))
				}
				p.do(command{"do": "publish", "topic": "/u", "value": strings.Repeat("y", size), "force": true})
				if got := get(t, sub); got.Value.String() != strings.Repeat("y", size) {
					t.Errorf("%d bytes, want %d", len(got.Value.String()), size)
				}
			}
			if err := e.UnpeerID(within(t), p.id); err != nil {
				t.Fatal(err)
			}
			if got := p.wait("peer_lost"); got.str("reason") != "unpeered by peer" {
				t.Errorf("peer_lost: %v", got)
			}
		}
	}
}

// TestTLSRefused meets peers with the wrong name, the wrong CA, without certificate, and without TLS.
func TestTLSRefused(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	ours := load(t, ca.folder("brokermesh://test/node/us"))
	e := endpoint(t, broker.Options{TLS: ours}, "")
	address := listening(t, e)
	for name, p := range map[string]*python{
		"other name": start(t, tlsArgs(ca.folder("brokermesh://test/node/other"))...),
		"other CA":   start(t, tlsArgs(stranger.folder("brokermesh://test/node/them"))...),
		"no TLS":     start(t),
	} {
		_, err := e.Peer(within(t), p.listen(nil), broker.PeerOptions{ServerURI: "brokermesh://test/node/them"})
		if err == nil {
			t.Errorf("%s: peered", name)
		}
		if name == "other name" {
			continue // a dialer's name is not checked
		}
		p.connect(address, nil)
		if got := p.wait("connect_failed"); got.str("text") == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
	plain := endpoint(t, broker.Options{}, "")
	p := start(t, tlsArgs(ca.folder(""))...)
	if _, err := plain.Peer(within(t), p.listen(nil), broker.PeerOptions{}); err == nil {
		t.Error("peered with a TLS listener without TLS")
	}
	p.connect(listening(t, plain), nil)
	p.wait("connect_failed")

	// The class of the error shows in Peers.
	if err := e.PeerAsync(start(t).listen(nil), broker.PeerOptions{Retry: time.Minute}); err != nil {
		t.Fatal(err)
	}
	until(t, e, "TLSFailed", func(ps []broker.PeerInfo) bool {
		return len(ps) == 1 && ps[0].LastError == broker.PeerTLSFailed && ps[0].State == broker.Disconnected
	})
	if peers := e.Peers(); len(peers) != 1 {
		t.Errorf("peers: %+v", peers)
	}
}
