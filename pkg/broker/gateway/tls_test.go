// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"strings"
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

// nodeTLS is the TLS side of a gateway, and the options of a client with certificates.
func nodeTLS(t *testing.T) (security *peering.TLS, options func(leaves ...pki.Leaf) *websocket.DialOptions, issue func(pki.Request) pki.Leaf) {
	t.Helper()
	a, issue := authority(t)
	node := issue(pki.Request{CommonName: "node", URI: meshtls.NodeURI("ns", "node"), DNSNames: []string{"gateway"}})
	security = &peering.TLS{CertPEM: node.Cert, KeyPEM: node.Key, CAPEM: a.CertPEM()}
	return security, func(leaves ...pki.Leaf) *websocket.DialOptions {
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
	}, issue
}

func TestTLS(t *testing.T) {
	security, options, issue := nodeTLS(t)
	g := newGateway(t, newEndpoint(t), Options{TLS: security})
	c := dialAt(t, "wss://"+g.Addr().String()+Path, options(issue(pki.ClientRequest("ns"))))
	c.join(g, "[]")
	if _, _, err := websocket.Dial(c.ctx, "ws://"+g.Addr().String()+Path, nil); err == nil {
		t.Error("a client without TLS was let in")
	}
	if n := g.Clients(); n != 1 {
		t.Errorf("%d clients", n)
	}
	for name, bad := range map[string]*peering.TLS{
		"anonymous":   {Anonymous: true},
		"half of one": {CAPEM: security.CAPEM},
		"no file":     {CertFile: "none", KeyFile: "none", CAFile: "none"},
	} {
		if _, err := New(g.e, Options{TLS: bad}); err == nil || !strings.Contains(err.Error(), "TLS") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Certificates that are optional stand for a token; what they are for is said by their URI.
func TestClientCertificates(t *testing.T) {
	security, options, issue := nodeTLS(t)
	_, foreign := authority(t)
	mine := issue(pki.ClientRequest("ns"))
	access := Access{
		Tokens:      []Token{{"a", HashToken("a")}},
		Permissions: []Permission{{URI: meshtls.ClientURI("ns"), Rights: Rights{Subscribe: []string{"/c"}}}},
		Default:     &Rights{},
	}
	for _, c := range []struct {
		mode                  ClientCerts
		none, good, unrelated int // HTTP status; 0: no handshake
	}{
		{"", 0, 101, 0},
		{CertsRequired, 0, 101, 0},
		{CertsOptional, 401, 101, 0},
		{CertsNone, 401, 401, 401}, // none is looked at
	} {
		g := newGateway(t, newEndpoint(t), Options{TLS: security, ClientCerts: c.mode, Access: access})
		url := "wss://" + g.Addr().String() + Path
		for i, o := range []*websocket.DialOptions{options(), options(mine), options(foreign(pki.ClientRequest("ns")))} {
			want := []int{c.none, c.good, c.unrelated}[i]
			conn, response, err := websocket.Dial(t.Context(), url, o)
			got := 0
			if response != nil {
				got = response.StatusCode
			}
			if got != want {
				t.Errorf("%s, client %d: status %d, %v, want %d", c.mode, i, got, err, want)
			}
			if err == nil {
				conn.CloseNow()
			}
		}
		if c.good != 101 {
			continue
		}
		client := dialAt(t, url, options(mine))
		client.join(g, `["/c"]`)
		sessions := g.Sessions()
		if s := sessions[len(sessions)-1]; s.Identity != meshtls.ClientURI("ns") {
			t.Errorf("session %+v", s)
		}
		client.send(one)
		if got := client.receive(); !strings.HasPrefix(got, `{"type":"error","code":"permission_denied"`) {
			t.Errorf("received %s", got)
		}
	}
}
