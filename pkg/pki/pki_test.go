// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T, name string) *Authority {
	t.Helper()
	a, err := NewAuthority(rand.Reader, start, name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, r Request) Leaf {
	t.Helper()
	l, err := a.Issue(rand.Reader, start, r)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAuthorityRoundTrip(t *testing.T) {
	a := newAuthority(t, "demo")
	key, err := a.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseAuthority(a.CertPEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	// What the one signs, the other accepts.
	r := NodeRequest("demo", "worker-1")
	if err := a.Check(issue(t, b, r), start, r); err != nil {
		t.Errorf("leaf of the parsed authority: %v", err)
	}
	if a.cert.MaxPathLen != 0 || !a.cert.IsCA {
		t.Errorf("authority: IsCA %v, MaxPathLen %d; want a CA that signs leaves only", a.cert.IsCA, a.cert.MaxPathLen)
	}
}

func TestParseAuthorityRefuses(t *testing.T) {
	a, other := newAuthority(t, "a"), newAuthority(t, "b")
	key, _ := a.KeyPEM()
	otherKey, _ := other.KeyPEM()
	leaf := issue(t, a, ManagerRequest("demo"))
	for name, c := range map[string]struct {
		cert, key []byte
		pair      bool // the error is ErrNotAuthority
	}{
		"empty":            {nil, nil, false},
		"no key":           {a.CertPEM(), nil, false},
		"somebody's key":   {a.CertPEM(), otherKey, true},
		"a leaf":           {leaf.Cert, leaf.Key, true},
		"swapped":          {key, a.CertPEM(), false},
		"cut in the block": {a.CertPEM()[:len(a.CertPEM())/2], key, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseAuthority(c.cert, c.key)
			if err == nil || errors.Is(err, ErrNotAuthority) != c.pair {
				t.Errorf("error %v, ErrNotAuthority wanted: %v", err, c.pair)
			}
		})
	}
}

func TestLeafNames(t *testing.T) {
	a := newAuthority(t, "demo")
	cert, err := parseCert(issue(t, a, NodeRequest("demo", "worker-1")).Cert)
	if err != nil {
		t.Fatal(err)
	}
	if got := cert.URIs[0].String(); got != "brokermesh://demo/node/worker-1" {
		t.Errorf("URI %s", got)
	}
	for host, fits := range map[string]bool{
		"worker-1-0.worker-1-pods.demo.svc":  true,
		"worker-1-0.worker-1-pods.other.svc": false,
		"worker-2-0.worker-2-pods.demo.svc":  false,
	} {
		if err := cert.VerifyHostname(host); (err == nil) != fits {
			t.Errorf("%s: %v, fits: %v", host, err, fits)
		}
	}
	if got, want := cert.NotAfter.Sub(start), LeafLifetime; got != want {
		t.Errorf("valid for %v, want %v", got, want)
	}
}

func TestCheck(t *testing.T) {
	a, other := newAuthority(t, "a"), newAuthority(t, "b")
	want := NodeRequest("demo", "n")
	good := issue(t, a, want)
	second := issue(t, a, want)
	for name, c := range map[string]struct {
		leaf Leaf
		at   time.Time
		req  Request
		says string // empty: good
	}{
		"good":              {good, start, want, ""},
		"good at half time": {good, start.Add(LeafLifetime / 2), want, ""},
		"renewal":           {good, start.Add(LeafLifetime*2/3 + time.Hour), want, "due"},
		"expired":           {good, start.Add(LeafLifetime + time.Second), want, "expired"},
		"other node":        {good, start, NodeRequest("demo", "m"), "other names"},
		"other addresses":   {good, start, Request{URI: want.URI, DNSNames: want.DNSNames, IPs: []net.IP{net.IPv4zero}}, "other names"},
		"more names":        {good, start, Request{URI: want.URI, DNSNames: append(ServiceNames("demo", "n"), want.DNSNames...)}, "other names"},
		"other authority":   {issue(t, other, want), start, want, "unknown authority"},
		"mixed pair":        {Leaf{good.Cert, second.Key}, start, want, "no pair"},
		"nothing":           {Leaf{}, start, want, "no PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			err := a.Check(c.leaf, c.at, c.req)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("Check: %v, want %q", err, c.says)
			}
		})
	}
	if at := a.RenewAt(good); a.Check(good, at.Add(-time.Second), want) != nil || a.Check(good, at, want) == nil {
		t.Errorf("RenewAt %v is not the moment in which Check changes its mind", at)
	}
}

// TestHandshake lets crypto/tls say whether both ends accept each other.
func TestHandshake(t *testing.T) {
	a := newAuthority(t, "demo")
	node, err := issue(t, a, NodeRequest("demo", "n")).TLS()
	if err != nil {
		t.Fatal(err)
	}
	manager, err := issue(t, a, ManagerRequest("demo")).TLS()
	if err != nil {
		t.Fatal(err)
	}
	at := func() time.Time { return start.Add(time.Hour) }
	c, s := net.Pipe()
	defer c.Close()
	server := tls.Server(s, &tls.Config{
		Certificates: []tls.Certificate{node}, ClientCAs: a.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, Time: at,
	})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	client := tls.Client(c, &tls.Config{
		Certificates: []tls.Certificate{manager}, RootCAs: a.Pool(), ServerName: "n-0.n-pods.demo.svc", Time: at,
	})
	if err := client.Handshake(); err != nil {
		t.Fatalf("client: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("server: %v", err)
	}
	if got := server.ConnectionState().PeerCertificates[0].URIs[0].String(); got != meshtls.ManagerURI("demo") {
		t.Errorf("the server sees %s", got)
	}
	if client.ConnectionState().PeerCertificates[0].PublicKeyAlgorithm != x509.ECDSA {
		t.Error("the leaf's key is not ECDSA")
	}
}
