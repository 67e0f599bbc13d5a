// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"errors"
	"io"
	"testing"
)

// TestOpenSSLClientRefused has clients that are configured to what this package doesn't know.
func TestOpenSSLClientRefused(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want Alert
	}{
		"P-256":         {[]string{"-curves", "P-256"}, AlertHandshakeFailure},
		"X25519":        {[]string{"-tls1_2", "-curves", "X25519"}, AlertHandshakeFailure},
		"other suites":  {[]string{"-cipher", "AECDH-AES128-SHA:ALL:@SECLEVEL=0:!AECDH-AES256-SHA"}, AlertHandshakeFailure},
		"certificates":  {[]string{"-cipher", "DEFAULT"}, AlertHandshakeFailure},
		"only TLS 1.3":  {[]string{"-tls1_3"}, AlertProtocolVersion},
		"until TLS 1.1": {[]string{"-no_tls1_2", "-no_tls1_3"}, AlertProtocolVersion},
	} {
		t.Run(name, func(t *testing.T) {
			server, client := acceptOpenSSL(t, c.args...)
			if err := server.HandshakeContext(t.Context()); !isAlert(err, c.want, false) {
				t.Error(err)
			}
			if _, err := io.ReadAll(client.out); err != nil { // the alert ends openssl
				t.Error(err)
			}
		})
	}
}

// TestOpenSSLServerRefuses has servers that are configured to what this package doesn't know.
func TestOpenSSLServerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want Alert
	}{
		"P-256":        {[]string{"-tls1_2", "-curves", "P-256"}, AlertHandshakeFailure},
		"other suites": {[]string{"-tls1_2", "-cipher", "AECDH-AES128-SHA@SECLEVEL=0"}, AlertHandshakeFailure},
		"only TLS 1.3": {[]string{"-tls1_3"}, AlertProtocolVersion},
	} {
		t.Run(name, func(t *testing.T) {
			client := Client(dialOpenSSL(t, c.args...))
			defer client.Close()
			if err := client.HandshakeContext(t.Context()); !isAlert(err, c.want, true) {
				t.Error(err)
			}
		})
	}
}

// TestOpenSSLRenegotiates has a client that wants another handshake, and gives up when it is refused.
func TestOpenSSLRenegotiates(t *testing.T) {
	server, client := acceptOpenSSL(t, "-tls1_2")
	if err := server.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "write", copyAll(client.in, []byte("hello\n")))
	check(t, "read", expect(server, []byte("hello\n")))
	check(t, "write", copyAll(client.in, []byte("R\n")))
	if _, err := server.Read(make([]byte, 1)); !isAlert(err, AlertHandshakeFailure, true) {
		t.Error(err)
	}
	if _, err := io.ReadAll(client.out); err != nil {
		t.Error(err)
	}
}

// TestOpenSSLKilled has a client that ends without close_notify.
func TestOpenSSLKilled(t *testing.T) {
	server, client := acceptOpenSSL(t)
	check(t, "write", copyAll(client.in, []byte("hello\n")))
	check(t, "read", expect(server, []byte("hello\n")))
	client.kill()
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
