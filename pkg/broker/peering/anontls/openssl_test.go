// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// opensslCipher is what OpenSSL calls the one suite, with the security level at which it is allowed.
const opensslCipher = "AECDH-AES256-SHA@SECLEVEL=0"

// noEMS switches the extended master secret off. It is an option of newer versions of the tool; older ones need a configuration file.
const noEMS = "-no_ems"

// tool is a running openssl.
type tool struct {
	in   io.WriteCloser
	out  io.Reader
	kill func()
}

// openssl starts a command of the openssl tool; it is killed when the test ends, if it has not ended by itself.
func openssl(t *testing.T, args ...string) *tool {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("this test needs the openssl tool as the other side: apt-get install openssl")
	}
	ctx, cancel := context.WithCancel(context.Background())
	var env []string
	if i := slices.Index(args, noEMS); i >= 0 {
		args = slices.Delete(args, i, i+1)
		env = append(os.Environ(), "OPENSSL_CONF="+filepath.Join("testdata", "no-ems.cnf"))
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s\n%s", cmd, complaints.String())
		}
	})
	return &tool{in, out, cancel}
}

// variants are what the other side can be told to leave out, and what was then agreed on.
var variants = []struct {
	name     string
	args     []string
	etm, ems bool
}{
	{"all", nil, true, true},
	{"TLS 1.2 only", []string{"-tls1_2"}, true, true},
	{"without encrypt-then-MAC", []string{"-tls1_2", "-no_etm"}, false, true},
	{"without extended master secret", []string{"-tls1_2", noEMS}, true, false},
	{"without either", []string{"-tls1_2", "-no_etm", noEMS}, false, false},
	{"without tickets", []string{"-tls1_2", "-no_ticket"}, true, true},
	{"several groups", []string{"-curves", "X25519:P-256:P-384"}, true, true},
}

func TestOpenSSLServer(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			c := Client(dialOpenSSL(t, v.args...))
			defer c.Close()
			if err := c.HandshakeContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkAgreed(t, c, v.etm, v.ems)
			exchange(t, c, func(sent []byte) []byte { // -rev answers lines backwards
				for i, j := 0, len(sent)-2; i < j; i, j = i+1, j-1 {
					sent[i], sent[j] = sent[j], sent[i]
				}
				return sent
			})
		})
	}
}

// dialOpenSSL starts a server that answers each line backwards, and connects to it.
func dialOpenSSL(t *testing.T, args ...string) net.Conn {
	t.Helper()
	all := append([]string{"s_server", "-nocert", "-cipher", opensslCipher, "-curves", "P-384", "-accept", "127.0.0.1:0", "-rev"}, args...)
	lines := bufio.NewScanner(openssl(t, all...).out)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			return conn
		}
	}
	t.Fatal("openssl s_server doesn't accept connections: ", lines.Err())
	return nil
}

func checkAgreed(t *testing.T, c *Conn, etm, ems bool) {
	t.Helper()
	if got := c.in.reader.open.mac != nil; got != etm || c.out.writer.seal.etm != etm {
		t.Errorf("encrypt-then-MAC is %v, want %v", got, etm)
	}
	if c.extended != ems {
		t.Errorf("extended master secret is %v, want %v", c.extended, ems)
	}
}

// exchange writes lines and reads the answers at the same time.
func exchange(t *testing.T, c io.ReadWriter, answer func([]byte) []byte) {
	t.Helper()
	const count = 200
	random := rand.New(rand.NewPCG(1, 2))
	var want bytes.Buffer
	var lines [][]byte
	for range count {
		line := bytes.Repeat([]byte{byte('a' + random.IntN(26))}, 1+random.IntN(3000))
		line[0] = 'X'
		line = append(line, '\n')
		lines = append(lines, line)
		want.Write(answer(bytes.Clone(line)))
	}
	var writer sync.WaitGroup
	defer writer.Wait()
	writer.Go(func() {
		for _, line := range lines {
			if _, err := c.Write(line); err != nil {
				t.Error(err)
				return
			}
		}
	})
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(c, got); err != nil {
		t.Error(err)
	} else if !bytes.Equal(got, want.Bytes()) {
		t.Error("the answers are wrong")
	}
}

func TestOpenSSLClient(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			c, client := acceptOpenSSL(t, append([]string{"-quiet"}, v.args...)...)
			if err := c.HandshakeContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkAgreed(t, c, v.etm, v.ems)
			transfer(t, c, client)
		})
	}
}

// acceptOpenSSL starts a client and answers its connection.
func acceptOpenSSL(t *testing.T, args ...string) (*Conn, *tool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)); err != nil { // if openssl doesn't start
		t.Fatal(err)
	}
	all := append([]string{"s_client", "-cipher", opensslCipher, "-curves", "P-384", "-connect", l.Addr().String()}, args...)
	client := openssl(t, all...)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := Server(conn)
	t.Cleanup(func() { c.Close() })
	return c, client
}

// transfer moves several MB both ways at once, and then ends the connection.
func transfer(t *testing.T, c *Conn, client *tool) {
	t.Helper()
	const size = 4 << 20
	up, down := randomBytes(3, size), randomBytes(4, size)
	var all sync.WaitGroup
	all.Go(func() { check(t, "write to openssl", copyAll(client.in, up)) })
	all.Go(func() { check(t, "write", copyAll(c, down)) })
	all.Go(func() { check(t, "read", expect(c, up)) })
	all.Go(func() { check(t, "read from openssl", expect(client.out, down)) })
	all.Wait()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(client.out); err != nil || len(rest) > 0 { // close_notify ends openssl
		t.Errorf("after the end: %d bytes, %v", len(rest), err)
	}
}

func copyAll(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

func expect(r io.Reader, want []byte) error {
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the data has changed")
	}
	return nil
}

func check(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func randomBytes(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, seed))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}
