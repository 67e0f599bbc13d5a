// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/brokermesh/brokermesh/pkg/pki"
)

// authority makes certificates for tests.
type authority struct {
	*pki.Authority
	t *testing.T
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return authority{a, t}
}

// deadAuthority has a certificate that expired long ago.
func deadAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(rand.Reader, time.Now().Add(-100*365*24*time.Hour), "dead")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// leaf is a certificate of today for a node and for the host name peer.example.
func (a authority) leaf(node string) pki.Leaf { return a.leafOf(node, time.Now()) }

func (a authority) leafOf(node string, now time.Time) pki.Leaf {
	a.t.Helper()
	r := pki.NodeRequest("test", node)
	r.DNSNames = []string{"peer.example"}
	l, err := a.Issue(rand.Reader, now, r)
	if err != nil {
		a.t.Fatal(err)
	}
	return l
}

// tls is a configuration in memory.
func (a authority) tls(node string) *TLS {
	l := a.leaf(node)
	return &TLS{CertPEM: l.Cert, KeyPEM: l.Key, CAPEM: a.CertPEM()}
}

// put writes files into a new folder, or one that is named by the entry "".
func put(t *testing.T, dir string, files map[string][]byte) string {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// protect gives the forms of a private key, by name.
func protect(t *testing.T, key []byte, passphrase string) map[string][]byte {
	t.Helper()
	block, _ := pem.Decode(key)
	parsed, err := parseKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	opt := *pkcs8.DefaultOpts
	opt.KDFOpts = pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 10, HMACHash: pkcs8.DefaultOpts.KDFOpts.(pkcs8.PBKDF2Opts).HMACHash}
	der, err := pkcs8.MarshalPrivateKey(parsed, []byte(passphrase), &opt)
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 such keys exist
	legacy, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte(passphrase), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"open":          key,
		"PKCS#8":        pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}),
		"DEK-Info":      pem.EncodeToMemory(legacy),
		"other blocks":  append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{1}}), key...),
		"words outside": append([]byte("Bag Attributes\n    friendlyName: x\n"), key...),
	}
}

// TestKeyForms reads private keys in every form, from files and from memory.
func TestKeyForms(t *testing.T) {
	a := newAuthority(t)
	l := a.leaf("a")
	for name, key := range protect(t, l.Key, "open sesame") {
		dir := put(t, "", map[string][]byte{"key": key})
		for _, c := range []*TLS{
			{CertPEM: l.Cert, KeyPEM: key, CAPEM: a.CertPEM(), Passphrase: "open sesame"},
			{CertPEM: l.Cert, KeyFile: filepath.Join(dir, "key"), CAPEM: a.CertPEM(), Passphrase: "open sesame"},
		} {
			if err := c.Start(slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if name != "PKCS#8" && name != "DEK-Info" {
			continue
		}
		for _, wrong := range []string{"open sesam", ""} {
			_, err := parseKey(key, wrong)
			if want := map[string]error{"": errNeedsPassphrase, "open sesam": errPassphrase}[wrong]; err != want {
				t.Errorf("%s with passphrase %q: %v", name, wrong, err)
			}
		}
	}
}

// fault is a configuration that can't be used, and what the error says.
type fault struct {
	tls  *TLS
	says []string
}

// TestStartErrors has everything that can be wrong at start: the error names the file and the fault.
func TestStartErrors(t *testing.T) {
	a := newAuthority(t)
	l, other := a.leaf("a"), a.leaf("a")
	old, early := a.leafOf("a", time.Now().Add(-2*pki.LeafLifetime)), a.leafOf("a", time.Now().Add(48*time.Hour))
	locked := protect(t, l.Key, "secret")["PKCS#8"]
	dead := deadAuthority(t)
	dir := put(t, "", map[string][]byte{
		"ca": a.CertPEM(), "cert": l.Cert, "key": l.Key, "other": other.Key, "locked": locked, "junk": []byte("junk"), "old": old.Cert, "oldkey": old.Key,
		"early": early.Cert, "earlykey": early.Key, "dead": dead.CertPEM(),
		"broken": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "rsa": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("x")}),
	})
	empty, spoilt := t.TempDir(), put(t, "", map[string][]byte{"README": []byte("x"), "bad.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"})})
	at := func(name string) string { return filepath.Join(dir, name) }
	good := func(change func(*TLS)) *TLS {
		c := &TLS{CertFile: at("cert"), KeyFile: at("key"), CAFile: at("ca")}
		change(c)
		return c
	}
	for name, c := range map[string]fault{
		"nothing":              {&TLS{}, []string{"no certificate is configured"}},
		"no key":               {good(func(c *TLS) { c.KeyFile = "" }), []string{"no private key is configured"}},
		"no CA":                {good(func(c *TLS) { c.CAFile = "" }), []string{"no CA is configured"}},
		"two certificates":     {good(func(c *TLS) { c.CertPEM = l.Cert }), []string{"two certificates"}},
		"two keys":             {good(func(c *TLS) { c.KeyPEM = l.Key }), []string{"two private keys"}},
		"anonymous and more":   {good(func(c *TLS) { c.Anonymous = true }), []string{"anonymous and with certificates"}},
		"certificate missing":  {good(func(c *TLS) { c.CertFile = at("none") }), []string{at("none"), "no such file"}},
		"key missing":          {good(func(c *TLS) { c.KeyFile = at("none") }), []string{at("none"), "no such file"}},
		"CA missing":           {good(func(c *TLS) { c.CAFile = at("none") }), []string{at("none"), "no such file"}},
		"CA folder missing":    {good(func(c *TLS) { c.CADir = at("none") }), []string{at("none"), "no such file"}},
		"certificate a folder": {good(func(c *TLS) { c.CertFile = dir }), []string{dir, "is a directory"}},
		"certificate no PEM":   {good(func(c *TLS) { c.CertFile = at("junk") }), []string{at("junk"), "holds no PEM certificate"}},
		"certificate broken":   {good(func(c *TLS) { c.CertFile = at("broken") }), []string{at("broken"), "certificate 1"}},
		"key no PEM":           {good(func(c *TLS) { c.KeyFile = at("junk") }), []string{at("junk"), "no PEM private key"}},
		"key broken":           {good(func(c *TLS) { c.KeyFile = at("rsa") }), []string{at("rsa")}},
		"CA no PEM":            {good(func(c *TLS) { c.CAFile = at("junk") }), []string{at("junk"), "holds no PEM certificate"}},
		"CA expired":           {good(func(c *TLS) { c.CAFile = at("dead") }), []string{"every CA certificate has expired", "dead"}},
		"other key":            {good(func(c *TLS) { c.KeyFile = at("other") }), []string{at("other"), at("cert"), "does not belong"}},
		"expired":              {good(func(c *TLS) { c.CertFile, c.KeyFile = at("old"), at("oldkey") }), []string{at("old"), "expired at"}},
		"not valid yet":        {good(func(c *TLS) { c.CertFile, c.KeyFile = at("early"), at("earlykey") }), []string{at("early"), "not valid before"}},
		"no passphrase":        {good(func(c *TLS) { c.KeyFile = at("locked") }), []string{at("locked"), "no passphrase"}},
		"wrong passphrase":     {good(func(c *TLS) { c.KeyFile, c.Passphrase = at("locked"), "wrong" }), []string{at("locked"), "wrong passphrase"}},
		"CA folder empty":      {good(func(c *TLS) { c.CAFile, c.CADir = "", empty }), []string{empty, "holds no PEM certificate"}},
		"CA folder spoilt":     {good(func(c *TLS) { c.CAFile, c.CADir = "", spoilt }), []string{spoilt, "bad.pem"}},
		"in memory":            {&TLS{CertPEM: l.Cert, KeyPEM: other.Key, CAPEM: a.CertPEM()}, []string{"private key in memory does not belong to certificate in memory"}},
		"CA in memory":         {&TLS{CertPEM: l.Cert, KeyPEM: l.Key, CAPEM: []byte("x")}, []string{"CA bundle in memory", "holds no PEM certificate"}},
	} {
		err := c.tls.Start(slog.New(slog.DiscardHandler))
		for _, part := range c.says {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v; want %q in it", name, err, part)
			}
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "PRIVATE")) {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	if _, err := LoadTLS(empty); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("LoadTLS of an empty folder: %v", err)
	}
}

// TestCAFolder takes every file with certificates whatever its name, also through the links that Kubernetes and c_rehash make.
func TestCAFolder(t *testing.T) {
	a, b, c := newAuthority(t), newAuthority(t), newAuthority(t)
	real := put(t, "", map[string][]byte{"c": c.CertPEM()})
	dir := put(t, "", map[string][]byte{
		"one.pem": a.CertPEM(), "5ed36f99.0": b.CertPEM(), "README": []byte("words"), "own.key": a.leaf("a").Key,
		"crl.r0": pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte{1}}), "spoilt.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}),
	})
	if err := os.Mkdir(filepath.Join(dir, "..data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"ca.crt": filepath.Join(real, "c"), "gone.0": filepath.Join(real, "none")} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	l := a.leaf("a")
	conf := &TLS{CertPEM: l.Cert, KeyPEM: l.Key, CADir: dir}
	if err := conf.Start(slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "spoilt.crt") {
		t.Errorf("log: %s", got)
	}
	m, err := conf.current()
	if err != nil {
		t.Fatal(err)
	}
	for i, ca := range []authority{a, b, c} {
		leaf, err := parseCertificates("leaf", ca.leaf("x").Cert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf[0].Verify(x509.VerifyOptions{Roots: m.roots}); err != nil {
			t.Errorf("CA %d: %v", i, err)
		}
	}
	// A file that is added counts from the next handshake on, one that is gone does not.
	os.Remove(filepath.Join(dir, "one.pem"))
	if again, err := conf.current(); err != nil || again == m {
		t.Errorf("the folder was not read again: %v", err)
	}
}

// settle makes files old enough for their time stamps to be believed.
func settle(t *testing.T, dir string, age time.Duration) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-age)
	for _, e := range entries {
		if err := os.Chtimes(filepath.Join(dir, e.Name()), then, then); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReload reads files only when they have changed, and goes on with the last good ones when they can't be used.
func TestReload(t *testing.T) {
	a := newAuthority(t)
	write := func(dir string, l pki.Leaf) string {
		return put(t, dir, map[string][]byte{"ca.crt": a.CertPEM(), "tls.crt": l.Cert, "tls.key": l.Key})
	}
	first, second := a.leaf("a"), a.leaf("a")
	dir := write("", first)
	settle(t, dir, time.Hour)
	conf, err := LoadTLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := conf.Start(slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	now := func() *material {
		t.Helper()
		m, err := conf.current()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	was := now()
	if now() != was {
		t.Error("files that have not changed were read again")
	}
	// A certificate without its key: the renewal is half done.
	put(t, dir, map[string][]byte{"tls.crt": second.Cert})
	for range 3 {
		if now() != was {
			t.Error("a certificate that does not fit the key was taken")
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "does not belong") {
		t.Errorf("log: %q", got)
	}
	put(t, dir, map[string][]byte{"tls.key": second.Key})
	renewed := now()
	if renewed == was || bytes.Equal(renewed.cert.Certificate[0], was.cert.Certificate[0]) {
		t.Error("the renewed certificate is not used")
	}
	// A file that vanishes, and comes back as it was.
	os.Rename(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "away"))
	if now() != renewed {
		t.Error("without CA file the last good one is not used")
	}
	os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, "ca.crt"))
	settle(t, dir, time.Minute)
	steady := now()
	if now() != steady {
		t.Error("read again without need")
	}
	if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "ca.crt") {
		t.Errorf("log: %q", got)
	}
}

// TestReloadAtOnce changes files several times within a tick of the file system's clock, to others of the same size or nearly so.
func TestReloadAtOnce(t *testing.T) {
	a := newAuthority(t)
	var conf *TLS
	dir := t.TempDir()
	for i := range 10 {
		l := a.leaf("a")
		put(t, dir, map[string][]byte{"ca.crt": a.CertPEM(), "tls.crt": l.Cert, "tls.key": l.Key})
		if conf == nil {
			var err error
			if conf, err = LoadTLS(dir); err != nil {
				t.Fatal(err)
			}
		}
		block, _ := pem.Decode(l.Cert)
		if m, err := conf.current(); err != nil || !bytes.Equal(m.cert.Certificate[0], block.Bytes) {
			t.Errorf("change %d was not noticed: %v", i, err)
		}
	}
}

// TestSecretsStayHidden prints a configuration in the ways of logs.
func TestSecretsStayHidden(t *testing.T) {
	c := &TLS{CertFile: "c.pem", KeyPEM: []byte("key-bytes"), CAPEM: []byte("x"), Passphrase: "sesame"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "tls", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "tls", c)
	all := fmt.Sprintf("%v %+v %#v %s", c, c, c, c) + log.String()
	if strings.Contains(all, "sesame") || strings.Contains(all, "key-bytes") || strings.Contains(all, fmt.Sprint([]byte("key-bytes"))) {
		t.Errorf("a secret shows: %s", all)
	}
	if !strings.Contains(all, "c.pem") {
		t.Errorf("%s", all)
	}
}

// TestAnonymousIsMarked has one warning at start and no configuration for other servers.
func TestAnonymousIsMarked(t *testing.T) {
	c := &TLS{Anonymous: true}
	var log bytes.Buffer
	if err := c.Start(slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "encrypted, not authenticated") {
		t.Errorf("log: %q", got)
	}
	if _, err := c.Server(); err == nil {
		t.Error("an anonymous server configuration of crypto/tls")
	}
}

// FuzzTLSFiles reads arbitrary PEM texts as certificate, key and CA.
func FuzzTLSFiles(f *testing.F) {
	for _, seed := range []string{"", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n", "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n",
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END RSA PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if certs, err := parseCertificates("x", in); (err == nil) != (len(certs) > 0) {
			t.Fatalf("%d certificates, %v", len(certs), err)
		}
		if block, _ := pem.Decode(in); block != nil && block.Type == "ENCRYPTED PRIVATE KEY" {
			return // as many rounds as the file asks for: TestMalformedPKCS8 has these
		}
		if key, err := parseKey(in, "x"); (err == nil) != (key != nil) {
			t.Fatalf("%v, %v", key, err)
		}
	})
}

// TestMalformedPKCS8 has sizes at which the library panics: they are errors here.
func TestMalformedPKCS8(t *testing.T) {
	good, _ := pem.Decode(protect(t, newAuthority(t).leaf("a").Key, "x")["PKCS#8"])
	for n := range good.Bytes {
		if _, err := decryptPKCS8(good.Bytes[:n], "x"); err == nil {
			t.Fatalf("%d bytes of %d are a key", n, len(good.Bytes))
		}
	}
	// An initial vector of 15 bytes, and its neighbour one longer.
	iv := bytes.LastIndex(good.Bytes, []byte{4, 16})
	bent := bytes.Clone(good.Bytes)
	bent[iv+1]--
	if _, err := decryptPKCS8(bent, "x"); err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("%v", err)
	}
}
