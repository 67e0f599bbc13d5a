// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

func reread(t *testing.T, k Keyring) Keyring {
	t.Helper()
	data, err := k.Data()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKeyring(data)
	if err != nil {
		t.Fatal(err)
	}
	if again.Step() != k.Step() || !bytes.Equal(again.Authority().CertPEM(), k.Authority().CertPEM()) {
		t.Errorf("read back: %v, before %v", again.Step(), k.Step())
	}
	return again
}

// shakeHands says whether two leaves, each with the bundle that its owner has, accept each other.
func shakeHands(t *testing.T, client, server Leaf, clientTrusts, serverTrusts *Authority) error {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	show := func(l Leaf) []tls.Certificate {
		c, err := l.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{c}
	}
	at := func() time.Time { return start.Add(time.Hour) }
	s := tls.Server(b, &tls.Config{Certificates: show(server), ClientCAs: serverTrusts.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, Time: at})
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		b.Close()
		done <- err
	}()
	c := tls.Client(a, &tls.Config{Certificates: show(client), RootCAs: clientTrusts.Pool(), ServerName: "n-0.n-pods.demo.svc", Time: at})
	err := c.Handshake()
	_, _ = c.Read(make([]byte, 1)) // until the server has made up its mind
	a.Close()
	return errors.Join(err, <-done)
}

// TestRotation goes through the steps, with a restart in each. Whoever is one step behind gets on with whoever isn't; two steps are
// too far apart, which is why they wait for each other.
func TestRotation(t *testing.T) {
	rings := []Keyring{NewKeyring(newAuthority(t, "old"))}
	rings = append(rings, reread(t, rings[0].Begin(newAuthority(t, "new"))))
	for range 2 {
		rings = append(rings, reread(t, rings[len(rings)-1].Advance()))
	}
	steps := []Step{Settled, Spreading, Replacing, Settled}
	r := NodeRequest("demo", "n")
	var leaves []Leaf
	for i, k := range rings {
		if k.Step() != steps[i] {
			t.Errorf("step %d is %v", i, k.Step())
		}
		leaves = append(leaves, issue(t, k.Authority(), r))
	}
	for i := range rings {
		for j := range rings {
			err := shakeHands(t, leaves[i], leaves[j], rings[i].Authority(), rings[j].Authority())
			if near := i-j <= 1 && j-i <= 1; (err == nil) != near {
				t.Errorf("steps %d and %d: %v", i, j, err)
			}
		}
	}
	// A leaf of the old authority is to be replaced once the new one signs, though it is still trusted.
	if err := rings[1].Authority().Check(leaves[0], start, r); err != nil {
		t.Errorf("spreading: a leaf of the old authority: %v", err)
	}
	if err := rings[2].Authority().Check(leaves[0], start, r); err == nil {
		t.Error("replacing: a leaf of the old authority is good")
	}
}

func TestDeadlines(t *testing.T) {
	life := 20 * time.Minute
	short := func(name string, now time.Time) *Authority {
		a, err := NewAuthorityFor(rand.Reader, now, name, life)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	k := NewKeyring(short("old", start))
	if !k.Deadline().IsZero() {
		t.Errorf("settled: %v", k.Deadline())
	}
	if at := k.RotateAt().Sub(start); at < life/2 || at > life*2/3 {
		t.Errorf("to be replaced after %v", at)
	}
	spreading := k.Begin(short("new", start.Add(life/2)))
	end := start.Add(life)
	if d := end.Sub(spreading.Deadline()); d <= 0 || d > life/10 {
		t.Errorf("spreading ends %v before the old authority", d)
	}
	if replacing := spreading.Advance(); !replacing.Deadline().Equal(end) {
		t.Errorf("replacing ends at %v, want %v", replacing.Deadline(), end)
	}
	// A leaf doesn't outlive who signed it, and isn't due when a new one would end as early.
	r := Request{CommonName: "x", URI: meshtls.NodeURI("demo", "n"), Lifetime: life}
	leaf, err := k.Authority().Issue(rand.Reader, start.Add(life/2), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Authority().Check(leaf, end.Add(-time.Second), r); err != nil || !k.Authority().RenewAt(leaf).IsZero() {
		t.Errorf("a leaf that ends with its authority: %v, to be renewed at %v", err, k.Authority().RenewAt(leaf))
	}
	cert, err := x509.ParseCertificate(mustTLS(t, leaf).Certificate[0])
	if err != nil || !cert.NotAfter.Equal(end) {
		t.Errorf("it ends at %v, the authority at %v (%v)", cert.NotAfter, end, err)
	}
}

func mustTLS(t *testing.T, l Leaf) tls.Certificate {
	t.Helper()
	c, err := l.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseKeyringRefuses(t *testing.T) {
	good, err := NewKeyring(newAuthority(t, "a")).Begin(newAuthority(t, "b")).Data()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string][]byte){
		"no key":        func(d map[string][]byte) { delete(d, caKey) },
		"half a next":   func(d map[string][]byte) { delete(d, nextKey) },
		"mixed pairs":   func(d map[string][]byte) { d[nextKey] = d[caKey] },
		"bad previous":  func(d map[string][]byte) { delete(d, nextKey); delete(d, nextCert); d[previousCert] = []byte("x") },
		"nothing there": func(d map[string][]byte) { clear(d) },
	} {
		d := make(map[string][]byte)
		for k, v := range good {
			d[k] = v
		}
		change(d)
		if _, err := ParseKeyring(d); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzParseKeyring: whatever a Secret holds, it is refused or gives an authority that signs.
func FuzzParseKeyring(f *testing.F) {
	a, err := NewAuthority(rand.Reader, start, "a")
	if err != nil {
		f.Fatal(err)
	}
	key, err := a.KeyPEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.CertPEM(), key, []byte(nil), []byte(nil), []byte(nil))
	f.Add(a.CertPEM(), key, a.CertPEM(), key, []byte(nil))
	f.Add(a.CertPEM(), key, []byte(nil), []byte(nil), a.CertPEM())
	f.Fuzz(func(t *testing.T, cert, key, next, nextPrivate, previous []byte) {
		k, err := ParseKeyring(map[string][]byte{caCert: cert, caKey: key, nextCert: next, nextKey: nextPrivate, previousCert: previous})
		if err != nil {
			return
		}
		if k.Authority() == nil || k.Step() < Settled || k.Step() > Replacing {
			t.Errorf("step %v", k.Step())
		}
		k.Deadline()
		if k.Step() != Settled {
			k.Advance().Authority()
		}
	})
}
