// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/examples/exampletest"
	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

func TestExample(t *testing.T) {
	ctx := exampletest.Context(t)
	var out strings.Builder
	for _, protect := range []func(node string) (cert, key, ca string){certificates(t), none} {
		o := broker.Options{TLS: protection(protect("server"))}
		_, address := exampletest.Endpoint(t, o)
		if err := run(ctx, address, protection(protect("client")), &out); err != nil {
			t.Fatal(err)
		}
		var refused *broker.PeerError
		if err := run(ctx, address, nil, &out); !errors.As(err, &refused) {
			t.Errorf("without TLS: %v", err)
		}
	}
	exampletest.Output(t, out.String())
}

func none(string) (cert, key, ca string) { return "", "", "" }

// certificates makes the files of a node.
func certificates(t *testing.T) func(node string) (cert, key, ca string) {
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "example")
	if err != nil {
		t.Fatal(err)
	}
	return func(node string) (cert, key, ca string) {
		leaf, err := authority.Issue(rand.Reader, time.Now(), pki.NodeRequest("example", node))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write := func(name string, content []byte) string {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			return file
		}
		return write("tls.crt", leaf.Cert), write("tls.key", leaf.Key), write("ca.crt", authority.CertPEM())
	}
}
