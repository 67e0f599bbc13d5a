// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// racy is how old a change must be before its time stamp is believed: two changes within one tick of a file system's clock have the
// same.
const racy = 2 * time.Second

// maxPEMFile bounds what is read of one file.
const maxPEMFile = 16 << 20

// material is what handshakes need, immutable.
type material struct {
	cert  tls.Certificate
	roots *x509.CertPool
}

// files keeps what was read last, and how the files looked then.
type files struct {
	mu struct {
		sync.Mutex
		log     *slog.Logger
		now     *material
		stamps  []stamp
		settled bool   // the stamps tell whether something has changed
		wrong   string // the last failure that was logged; empty after a success
	}
}

func (f *files) setLog(log *slog.Logger) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.log = log
}

// stamp is how a file looked.
type stamp struct {
	path string
	info os.FileInfo // nil if it could not be looked at
}

func (s stamp) equal(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.path == o.path && s.info == nil && o.info == nil
	}
	return s.path == o.path && os.SameFile(s.info, o.info) && s.info.Size() == o.info.Size() && s.info.ModTime().Equal(o.info.ModTime())
}

// current answers the material of now. It fails only if there never was any.
func (t *TLS) current() (*material, error) {
	if err := t.validate(); err != nil {
		return nil, err
	}
	if t.Anonymous {
		return nil, errors.New("TLS: the anonymous mode has no certificates")
	}
	t.files.mu.Lock()
	defer t.files.mu.Unlock()
	f := &t.files.mu
	begun, stamps := time.Now(), t.look()
	if f.now != nil && f.settled && slices.EqualFunc(stamps, f.stamps, stamp.equal) {
		return f.now, nil
	}
	fresh, odd, err := t.read(begun)
	f.stamps, f.settled = stamps, !slices.ContainsFunc(stamps, func(s stamp) bool {
		return s.info != nil && s.info.ModTime().After(begun.Add(-racy))
	})
	if err != nil {
		if f.now == nil {
			return nil, err
		}
		t.complainLocked("changed TLS files cannot be used; those read before stay in use", err)
		return f.now, nil
	}
	if f.now = fresh; odd != nil {
		t.complainLocked("files in the CA folder were left out", odd)
	} else {
		f.wrong = ""
	}
	return f.now, nil
}

// complainLocked logs a failure unless it was the last one, too.
func (t *TLS) complainLocked(text string, err error) {
	f := &t.files.mu
	if f.log == nil || f.wrong == err.Error() {
		return
	}
	f.wrong = err.Error()
	f.log.Warn(text, "error", err)
}

// look takes the stamps of all files.
func (t *TLS) look() []stamp {
	paths := []string{t.CertFile, t.KeyFile, t.CAFile}
	if t.CADir != "" {
		entries, _ := os.ReadDir(t.CADir)
		for _, e := range entries {
			paths = append(paths, filepath.Join(t.CADir, e.Name()))
		}
	}
	var out []stamp
	for _, path := range paths {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		out = append(out, stamp{path, info})
	}
	return out
}

// read reads and checks everything. odd is what was left out and why.
func (t *TLS) read(now time.Time) (m *material, odd, err error) {
	m = &material{}
	if m.cert, err = t.readCertificate(now); err != nil {
		return nil, nil, err
	}
	cas, odd, err := t.readCAs()
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(cas, func(c *x509.Certificate) bool { return now.Before(c.NotAfter) }) {
		return nil, nil, fmt.Errorf("TLS: every CA certificate has expired, the last one is %q", cas[len(cas)-1].Subject)
	}
	m.roots = x509.NewCertPool()
	for _, c := range cas {
		m.roots.AddCert(c)
	}
	return m, odd, nil
}

func (t *TLS) readCertificate(now time.Time) (tls.Certificate, error) {
	certName, certPEM, err := content("certificate", t.CertFile, t.CertPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyName, keyPEM, err := content("private key", t.KeyFile, t.KeyPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	chain, err := parseCertificates(certName, certPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := parseKey(keyPEM, t.Passphrase)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("private key %s: %w", keyName, err)
	}
	leaf := chain[0]
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(key.Public()):
		return tls.Certificate{}, fmt.Errorf("private key %s does not belong to certificate %s", keyName, certName)
	case now.After(leaf.NotAfter):
		return tls.Certificate{}, fmt.Errorf("certificate %s expired at %s", certName, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return tls.Certificate{}, fmt.Errorf("certificate %s is not valid before %s", certName, leaf.NotBefore.Format(time.RFC3339))
	}
	out := tls.Certificate{PrivateKey: key, Leaf: leaf}
	for _, c := range chain {
		out.Certificate = append(out.Certificate, c.Raw)
	}
	return out, nil
}

// readCAs gathers the CAs of file, memory and folder.
func (t *TLS) readCAs() (cas []*x509.Certificate, odd, err error) {
	if t.CAPEM != nil {
		if cas, err = parseCertificates("CA bundle in memory", t.CAPEM); err != nil {
			return nil, nil, err
		}
	}
	if t.CAFile != "" {
		_, b, err := content("CA certificates", t.CAFile, nil)
		if err != nil {
			return nil, nil, err
		}
		more, err := parseCertificates(t.CAFile, b)
		if err != nil {
			return nil, nil, err
		}
		cas = append(cas, more...)
	}
	if t.CADir == "" {
		return cas, nil, nil
	}
	found, odd, err := readCADir(t.CADir)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("CA folder %s holds no PEM certificate", t.CADir)
		if odd != nil {
			err = fmt.Errorf("%w that can be used: %w", err, odd)
		}
	}
	return append(cas, found...), odd, err
}

// readCADir reads every file of a folder that holds certificates; odd is about those that say so and don't, and what can't be read.
func readCADir(dir string) (cas []*x509.Certificate, odd, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read CA folder: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		_, b, err := content("CA certificates", path, nil)
		if err != nil {
			odd = errors.Join(odd, err)
			continue
		}
		found, err := parseCertificates(path, b)
		switch {
		case errors.Is(err, errNoCertificate):
		case err != nil:
			odd = errors.Join(odd, err)
		default:
			cas = append(cas, found...)
		}
	}
	return cas, odd, nil
}

// content is a file, or what stands for it in memory, and its name in errors.
func content(what, file string, inMemory []byte) (name string, b []byte, err error) {
	if file == "" {
		return "in memory", inMemory, nil
	}
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxPEMFile {
		return file, nil, fmt.Errorf("read %s: %s has %d bytes, that is no PEM file", what, file, info.Size())
	}
	if b, err = os.ReadFile(file); err != nil {
		return file, nil, fmt.Errorf("read %s: %w", what, err)
	}
	return file, b, nil
}

// errNoCertificate is that there is no CERTIFICATE block.
var errNoCertificate = errors.New("holds no PEM certificate")

// parseCertificates reads the CERTIFICATE blocks of a PEM text; name is for errors.
func parseCertificates(name string, b []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", name, len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s %w", name, errNoCertificate)
	}
	return out, nil
}
