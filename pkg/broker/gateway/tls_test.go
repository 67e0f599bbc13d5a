// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// authority issues certificates for a test.
func authority(t *testing.T) (a *pki.Authority, issue func(pki.Request) pki.Leaf) {
	t.Helper()
	a, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return a, func(r pki.Request) pki.Leaf {
		t.Helper()
		leaf, err := a.Issue(rand.Reader, time.Now(), r)
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
}

func TestTLS(t *testing.T) {
	a, issue := authority(t)
	_, foreign := authority(t)
	node := issue(pki.Request{CommonName: "node", URI: meshtls.NodeURI("ns", "node"), DNSNames: []string{"gateway"}})
	security := &peering.TLS{CertPEM: node.Cert, KeyPEM: node.Key, CAPEM: a.CertPEM()}
	g := newGateway(t, newEndpoint(t), Options{TLS: security})
	options := func(leaves ...pki.Leaf) *websocket.DialOptions {
		var certs []tls.Certificate
		for _, l := range leaves {
			c, err := l.TLS()
			if err != nil {
				t.Fatal(err)
			}
			certs = append(certs, c)
		}
		return &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: a.Pool(), ServerName: "gateway", Certificates: certs},
		}}}
	}
	url := "wss://" + g.Addr().String() + Path
	c := dialAt(t, url, options(issue(pki.ClientRequest("ns"))))
	c.join(g, "[]")
	for name, certs := range map[string][]pki.Leaf{
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
