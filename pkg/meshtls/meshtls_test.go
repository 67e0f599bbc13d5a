// SPDX-License-Identifier: Apache-2.0

package meshtls_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

func newAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// folder is a certificate folder, with the content of one file replaced.
func folder(t *testing.T, a *pki.Authority, r pki.Request, replace, by string) string {
	t.Helper()
	leaf, err := a.Issue(rand.Reader, time.Now(), r)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string][]byte{"ca.crt": a.CertPEM(), "tls.crt": leaf.Cert, "tls.key": leaf.Key}
	if replace != "" {
		files[replace] = []byte(by)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestURIs(t *testing.T) {
	for got, want := range map[string]string{
		meshtls.NodeURI("demo", "worker-1"): "brokermesh://demo/node/worker-1",
		meshtls.ManagerURI("demo"):          "brokermesh://demo/manager",
		meshtls.ClientURI("demo"):           "brokermesh://demo/client",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestReadFolder(t *testing.T) {
	a := newAuthority(t)
	node := pki.NodeRequest("demo", "worker-1")
	cert, roots, err := meshtls.ReadFolder(folder(t, a, node, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	if s := state(t, cert); meshtls.VerifyServer(s, roots) != nil || !slices.Equal(meshtls.URIs(s), []string{node.URI}) {
		t.Errorf("certificate for %q, chain: %v", meshtls.URIs(s), meshtls.VerifyServer(s, roots))
	}
	for _, name := range []string{meshtls.CAFile, meshtls.CertFile, meshtls.KeyFile} {
		dir := folder(t, a, node, name, "nothing")
		if _, _, err := meshtls.ReadFolder(dir); err == nil {
			t.Errorf("%s without content: no error", name)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := meshtls.ReadFolder(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("missing %s: %v", name, err)
		}
	}
}

// state is a connection to a server with this certificate.
func state(t *testing.T, cert tls.Certificate) tls.ConnectionState {
	t.Helper()
	var s tls.ConnectionState
	for _, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		s.PeerCertificates = append(s.PeerCertificates, c)
	}
	return s
}

func TestVerifyServer(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	issue := func(now time.Time) tls.ConnectionState {
		leaf, err := a.Issue(rand.Reader, now, pki.NodeRequest("demo", "worker-1"))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := leaf.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return state(t, cert)
	}
	for name, c := range map[string]struct {
		state tls.ConnectionState
		roots *x509.CertPool
		says  string // empty: verified
	}{
		"good":           {issue(time.Now()), a.Pool(), ""},
		"other CA":       {issue(time.Now()), other.Pool(), "unknown authority"},
		"the system's":   {issue(time.Now()), nil, "unknown authority"},
		"expired":        {issue(time.Now().Add(-2 * pki.LeafLifetime)), a.Pool(), "expired"},
		"no certificate": {tls.ConnectionState{}, a.Pool(), "no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			err := meshtls.VerifyServer(c.state, c.roots)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	if got := meshtls.URIs(tls.ConnectionState{}); got != nil {
		t.Errorf("URIs of no certificate: %q", got)
	}
}
