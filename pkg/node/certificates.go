// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

// certificates is what the status says of the certificate folder. The observer
// owns it; the files are read again when they have changed.
type certificates struct {
	dir    string // "" for none
	serial string // of the leaf, hexadecimal
	trust  string // hash of the CA bundle
	stamp  [2]time.Time
	err    error
}

// refresh looks whether the files have changed. Its error says what of them
// can't be used; what was known before stays.
func (c *certificates) refresh() error {
	if c.dir == "" {
		return nil
	}
	leaf, ca := filepath.Join(c.dir, meshtls.CertFile), filepath.Join(c.dir, meshtls.CAFile)
	stamp := [2]time.Time{modified(leaf), modified(ca)}
	if stamp == c.stamp && !stamp[0].IsZero() && !stamp[1].IsZero() {
		return c.err
	}
	c.stamp = stamp
	c.err = c.read(leaf, ca)
	return c.err
}

func (c *certificates) read(leaf, ca string) error {
	cert, err := readLeaf(leaf)
	if err != nil {
		return err
	}
	bundle, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("read the CA bundle: %w", err)
	}
	c.serial, c.trust = cert.SerialNumber.Text(16), meshtls.Hash(bundle)
	return nil
}

// modified is when a file was last written; zero if it can't be read.
func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// readLeaf is the first certificate of a file.
func readLeaf(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cert, nil
}
