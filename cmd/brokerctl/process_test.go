// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshview"
)

// asProgram in the environment makes this test binary be brokerctl.
const asProgram = "BROKERCTL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running brokerctl.
type process struct {
	*exec.Cmd
	out    *bufio.Reader
	errors *bytes.Buffer
}

func begin(t *testing.T, args ...string) process {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	p := process{Cmd: exec.CommandContext(ctx, path, args...), errors: new(bytes.Buffer)}
	p.Env = append(os.Environ(), asProgram+"=1")
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out, p.Stderr = bufio.NewReader(out), p.errors
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	return p
}

// end waits for the process and answers its exit code and the rest of what it
// printed.
func (p process) end(t *testing.T) (int, string) {
	t.Helper()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil && p.ProcessState.ExitCode() < 0 {
		t.Fatalf("%v\n%s", err, p.errors)
	}
	return p.ProcessState.ExitCode(), string(rest)
}

// TestMeshAndClients runs a mesh and looks into it as people do.
func TestMeshAndClients(t *testing.T) {
	dir := t.TempDir()
	mesh := begin(t, "up", "-f", filepath.Join(samples, "stores.yaml"), "-o", "json", "--data-dir", dir)
	line, err := mesh.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, mesh.errors)
	}
	var d meshview.Document
	if err := json.Unmarshal([]byte(line), &d); err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{}
	for _, n := range d.Nodes {
		addresses[n.Name] = n.Address
	}
	certificates := filepath.Join(d.DataDir, "client")
	at := func(node string, args ...string) []string {
		return append(args, "--peer", addresses[node], "--tls-dir", certificates, "--text")
	}

	sub := begin(t, at("vault", "sub", "/news/", "--count", "2")...)
	sub2 := begin(t, at("reader", "sub", "/news/")...)
	// There is no other sign that a subscription stands than a message.
	first, second := make(chan string, 1), make(chan string, 1)
	for p, heard := range map[*process]chan string{&sub: first, &sub2: second} {
		go func() {
			line, _ := p.out.ReadString('\n')
			heard <- line
		}()
	}
	for waiting := 2; waiting > 0; {
		if got := call(t, "", at("vault", "pub", "/news/today", "hello")...); got.code != ctl.ExitOK {
			t.Fatalf("pub: %+v", got)
		}
		for more := true; more; {
			select {
			case line := <-first:
				waiting--
				if line != "/news/today hello\n" {
					t.Fatalf("sub: %q\n%s", line, sub.errors)
				}
			case line := <-second:
				waiting--
				if line != "/news/today hello\n" {
					t.Fatalf("sub: %q\n%s", line, sub2.errors)
				}
			default:
				more = false
			}
		}
	}
	if err := sub2.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code, _ := sub2.end(t); code != ctl.ExitOK {
		t.Errorf("sub, interrupted: %d\n%s", code, sub2.errors)
	}
	if got := call(t, "", at("vault", "pub", "/news/today", "again")...); got.code != ctl.ExitOK {
		t.Fatalf("pub: %+v", got)
	}
	if code, _ := sub.end(t); code != ctl.ExitOK {
		t.Errorf("sub --count: %d\n%s", code, sub.errors)
	}

	for _, s := range d.Stores {
		if got := call(t, "", at("vault", "store", "put", s.StoreName, "(1, x)", "80/tcp")...); got.code != ctl.ExitOK {
			t.Errorf("put into %s: %+v", s.StoreName, got)
		}
		if got := call(t, "", at("vault", "store", "get", s.StoreName, "(1, x)")...); got.code != ctl.ExitOK || got.out != "80/tcp\n" {
			t.Errorf("get from %s: %+v", s.StoreName, got)
		}
		if got := call(t, "", at("vault", "store", "keys", s.StoreName)...); got.code != ctl.ExitOK || got.out != "(1, x)\n" {
			t.Errorf("keys of %s: %+v", s.StoreName, got)
		}
	}
	if got := call(t, "", at("vault", "store", "get", d.Stores[0].StoreName, "absent")...); got.code != ctl.ExitFailure || !strings.Contains(got.errors, "no_such_key") {
		t.Errorf("get what isn't there: %+v", got)
	}

	if err := mesh.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code, rest := mesh.end(t); code != ctl.ExitOK || rest != "" {
		t.Errorf("up, interrupted: %d, %q\n%s", code, rest, mesh.errors)
	}
}

// TestUpTable makes sure that plain lines end with the table, and that SIGTERM
// ends the mesh as well.
func TestUpTable(t *testing.T) {
	p := begin(t, "up", filepath.Join(samples, "minimal.yaml"), "--data-dir", t.TempDir(), "-f", filepath.Join(samples, "ring.yaml"))
	var seen strings.Builder
	for !strings.Contains(seen.String(), "Ctrl-C stops") {
		line, err := p.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after\n%s%s", err, &seen, p.errors)
		}
		seen.WriteString(line)
	}
	for _, want := range []string{"brokernode/alice: Ready is True", " alice  yes    127.0.0.1:", "6 peerings established · 0 stores ready"} {
		if !strings.Contains(seen.String(), want) {
			t.Errorf("no %q in\n%s", want, &seen)
		}
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, _ := p.end(t); code != ctl.ExitOK {
		t.Errorf("terminated: %d\n%s", code, p.errors)
	}
}

func TestExitCodesOfTheProcess(t *testing.T) {
	// A mesh that can get ready may be so at the first look.
	never := filepath.Join(t.TempDir(), "away.yaml")
	err := os.WriteFile(never, []byte(`
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: alice}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: away}
spec: {from: {node: alice}, to: {address: "127.0.0.1:1"}}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		code int
		args []string
	}{
		{ctl.ExitOK, []string{"version"}},
		{ctl.ExitFailure, []string{"pub", "/t", "1", "--text", "--plain", "--peer", "127.0.0.1:1"}},
		{ctl.ExitBadInput, []string{"pub", "/t"}},
		{ctl.ExitTimeout, []string{"up", "-f", never, "--until-ready", "--timeout", "1ns", "--data-dir", t.TempDir()}},
	} {
		p := begin(t, tc.args...)
		if code, _ := p.end(t); code != tc.code {
			t.Errorf("brokerctl %q: %d, want %d\n%s", tc.args, code, tc.code, p.errors)
		}
	}
}

// TestStoreMove moves a master in a mesh that another process runs.
func TestStoreMove(t *testing.T) {
	dir := t.TempDir()
	up := begin(t, "up", filepath.Join(samples, "zeek-cluster.yaml"), "--data-dir", dir)
	for line := ""; !strings.Contains(line, "Ctrl-C stops"); {
		var err error
		if line, err = up.out.ReadString('\n'); err != nil {
			t.Fatalf("%v\n%s", err, up.errors)
		}
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--to", "proxy-1"}, ctl.ExitOK, "the master of known-hosts is on proxy-1, epoch 2\n"},
		{[]string{"--to", "proxy-1"}, ctl.ExitOK, "epoch 2\n"},
		{[]string{"--to", "worker-1", "--without-master", "--yes"}, ctl.ExitOK, "on worker-1, epoch 3\n"},
		{[]string{"--to", "nowhere"}, ctl.ExitFailure, ""},
		{nil, ctl.ExitBadInput, ""},
		{[]string{"--to", "a", "--namespace", "b"}, ctl.ExitBadInput, ""},
	} {
		p := begin(t, append([]string{"store", "move", "known-hosts", "--data-dir", dir}, test.args...)...)
		if code, out := p.end(t); code != test.code || !strings.HasSuffix(out, test.want) {
			t.Errorf("%q: code %d, %q\n%s", test.args, code, out, p.errors)
		}
	}
}
