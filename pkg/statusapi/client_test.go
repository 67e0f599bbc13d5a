// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// authority is a CA of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) leaf(t *testing.T, uris ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, s := range uris {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// write puts CA and leaf into a folder as nodes find them.
func (a *authority) write(t *testing.T, dir string, leaf tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		meshtls.CAFile:   {Type: "CERTIFICATE", Bytes: a.cert.Raw},
		meshtls.CertFile: {Type: "CERTIFICATE", Bytes: leaf.Certificate[0]},
		meshtls.KeyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serve runs the control port of node "manager" in namespace "default" on loopback.
func serve(t *testing.T, dir string, h http.Handler) string {
	t.Helper()
	config, err := ServerTLS(dir, "default")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(h, config, nil)
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

func dial(t *testing.T, address string, config *tls.Config) *Client {
	t.Helper()
	c := NewClient(address, config)
	t.Cleanup(c.Close)
	return c
}

func TestStatusAndPush(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	ca.write(t, dir, ca.leaf(t, meshtls.NodeURI("default", "manager")))
	node := newFakeNode()
	client := dial(t, serve(t, dir, Handler(node)), ClientTLS(ca.leaf(t, meshtls.ManagerURI("default")), ca.pool(), "default", "manager"))

	s, err := client.Status(t.Context(), "", 0)
	if err != nil || s.Instance != "one" || s.Generation != 1 {
		t.Fatalf("got %+v, %v", s, err)
	}
	config := nodeconfig.Config{Version: 1, Namespace: "default", Node: "manager", Pod: "manager-0"}
	news := make(chan Status, 1)
	go func() { // waits while the push goes by another connection
		s, _ := client.Status(t.Context(), "one", 1)
		news <- s
	}()
	if s, err = client.Push(t.Context(), config); err != nil || s.ConfigHash != config.Hash() {
		t.Fatalf("got %+v, %v", s, err)
	}
	if s := <-news; s.Generation != 2 {
		t.Errorf("the waiting question heard generation %d", s.Generation)
	}

	config.TLS = "maybe"
	var rejected *RejectedError
	if _, err = client.Push(t.Context(), config); !errors.As(err, &rejected) || rejected.Words != `tls: "maybe": allowed: Mesh, Disabled, Anonymous` {
		t.Errorf("got %v", err)
	}
	node.apply = errBusy
	config.TLS = ""
	if _, err = client.Push(t.Context(), config); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = client.Status(ctx, "one", 2); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestLeases: a grant reaches the node, with the token that the node gave, and a refusal comes back in its words.
func TestLeases(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	ca.write(t, dir, ca.leaf(t, meshtls.NodeURI("default", "manager")))
	node := newFakeNode()
	address := serve(t, dir, Handler(node))
	client := dial(t, address, ClientTLS(ca.leaf(t, meshtls.ManagerURI("default")), ca.pool(), "default", "manager"))
	token, err := client.LeaseToken(t.Context())
	if err != nil || token.Token != "now" {
		t.Fatalf("got %+v, %v", token, err)
	}
	g := Grant{Store: "s", Epoch: 3, Seconds: 7.5, Token: token.Token}
	if err := client.Grant(t.Context(), g); err != nil || len(node.granted) != 1 || node.granted[0] != g {
		t.Errorf("got %v, the node %+v", err, node.granted)
	}
	g.Epoch = 2
	var not *NotGrantedError
	if err := client.Grant(t.Context(), g); !errors.As(err, &not) || not.Words != "epoch 3 here" {
		t.Errorf("got %v", err)
	}
	g.Store = strings.Repeat("x", maxGrant)
	if err := client.Grant(t.Context(), g); err == nil || errors.As(err, &not) {
		t.Errorf("a grant that is too large: %v", err)
	}
}

func TestOnlyTheNamed(t *testing.T) {
	ca, other, dir := newAuthority(t), newAuthority(t), t.TempDir()
	ca.write(t, dir, ca.leaf(t, meshtls.NodeURI("default", "manager")))
	address := serve(t, dir, Handler(newFakeNode()))
	manager := ca.leaf(t, meshtls.ManagerURI("default"))
	tests := map[string]struct {
		config *tls.Config
		want   string // in the error; "": it works
	}{
		"the manager":             {ClientTLS(manager, ca.pool(), "default", "manager"), ""},
		"a node asks":             {ClientTLS(ca.leaf(t, meshtls.NodeURI("default", "worker-1")), ca.pool(), "default", "manager"), "bad certificate"},
		"another namespace asks":  {ClientTLS(ca.leaf(t, meshtls.ManagerURI("other")), ca.pool(), "default", "manager"), "bad certificate"},
		"two names":               {ClientTLS(ca.leaf(t, meshtls.ManagerURI("default"), meshtls.ManagerURI("other")), ca.pool(), "default", "manager"), "bad certificate"},
		"no name":                 {ClientTLS(ca.leaf(t), ca.pool(), "default", "manager"), "bad certificate"},
		"another CA asks":         {ClientTLS(other.leaf(t, meshtls.ManagerURI("default")), ca.pool(), "default", "manager"), "tls: "},
		"no certificate":          {ClientTLS(tls.Certificate{}, ca.pool(), "default", "manager"), "certificate required"},
		"another node meant":      {ClientTLS(manager, ca.pool(), "default", "worker-1"), "allowed: brokermesh://default/node/worker-1"},
		"another namespace meant": {ClientTLS(manager, ca.pool(), "other", "manager"), "allowed: brokermesh://other/node/manager"},
		"another CA trusted":      {ClientTLS(manager, other.pool(), "default", "manager"), "unknown authority"},
		"no CA trusted":           {ClientTLS(manager, nil, "default", "manager"), "no CA to check the node with"},
		"TLS 1.2":                 {old(ClientTLS(manager, ca.pool(), "default", "manager")), "protocol version"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := dial(t, address, test.config).Status(t.Context(), "", 0)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func old(c *tls.Config) *tls.Config {
	c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	return c
}

func TestFilesAreReadAnew(t *testing.T) {
	first, second, dir := newAuthority(t), newAuthority(t), t.TempDir()
	first.write(t, dir, first.leaf(t, meshtls.NodeURI("default", "manager")))
	address := serve(t, dir, Handler(newFakeNode()))
	second.write(t, dir, second.leaf(t, meshtls.NodeURI("default", "manager")))
	client := dial(t, address, ClientTLS(second.leaf(t, meshtls.ManagerURI("default")), second.pool(), "default", "manager"))
	if _, err := client.Status(t.Context(), "", 0); err != nil {
		t.Error(err)
	}
}

func TestServerTLSRefusesBadFiles(t *testing.T) {
	ca := newAuthority(t)
	for _, broken := range []string{meshtls.CAFile, meshtls.CertFile, meshtls.KeyFile} {
		dir := t.TempDir()
		ca.write(t, dir, ca.leaf(t))
		if err := os.WriteFile(filepath.Join(dir, broken), []byte("nothing"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ServerTLS(dir, "default"); err == nil {
			t.Errorf("broken %s: no error", broken)
		}
		if err := os.Remove(filepath.Join(dir, broken)); err != nil {
			t.Fatal(err)
		}
		if _, err := ServerTLS(dir, "default"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("missing %s: %v", broken, err)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	ca.write(t, dir, ca.leaf(t, meshtls.NodeURI("default", "manager")))
	tests := map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"too long": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, MaxAnswer+1))
		}, "more than 8388608 bytes"},
		"no JSON":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }, "read the answer"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "answered 302 Found"},
		"problem":  {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 429, "slowly") }, "answered 429: slowly"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := dial(t, serve(t, dir, test.serve), ClientTLS(ca.leaf(t, meshtls.ManagerURI("default")), ca.pool(), "default", "manager"))
			if _, err := client.Status(t.Context(), "", 0); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
