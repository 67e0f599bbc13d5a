// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// authority issues certificates for a test.
func authority(t *testing.T) (roots *x509.CertPool, issue func(pki.Request) tls.Certificate) {
	t.Helper()
	a, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return a.Pool(), func(r pki.Request) tls.Certificate {
		t.Helper()
		leaf, err := a.Issue(rand.Reader, time.Now(), r)
		if err != nil {
			t.Fatal(err)
		}
		c, err := leaf.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func TestTLS(t *testing.T) {
	roots, issue := authority(t)
	_, foreign := authority(t)
	node := issue(pki.Request{CommonName: "node", URI: meshtls.NodeURI("ns", "node"), DNSNames: []string{"gateway"}})
	security := &peering.TLS{Config: func() (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{node}, RootCAs: roots}, nil
	}}
	g := newGateway(t, newEndpoint(t), Options{TLS: security})
	options := func(certs ...tls.Certificate) *websocket.DialOptions {
		return &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "gateway", Certificates: certs},
		}}}
	}
	url := "wss://" + g.Addr().String() + Path
	c := dialAt(t, url, options(issue(pki.ClientRequest("ns"))))
	c.join(g, "[]")
	for name, certs := range map[string][]tls.Certificate{
		"no certificate":                nil,
		"a certificate of another mesh": {foreign(pki.ClientRequest("ns"))},
	} {
		if _, _, err := websocket.Dial(c.ctx, url, options(certs...)); err == nil {
			t.Errorf("a client with %s was let in", name)
		}
	}
	if _, _, err := websocket.Dial(c.ctx, "ws://"+g.Addr().String()+Path, nil); err == nil {
		t.Error("a client without TLS was let in")
	}
	if n := g.Clients(); n != 1 {
		t.Errorf("%d clients", n)
	}
}
