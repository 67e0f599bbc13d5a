// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshview"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

const samples = "../../config/samples"

// outcome is what a command left behind.
type outcome struct {
	code        int
	out, errors string
}

// call runs a command of the program in this process.
func call(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errors bytes.Buffer
	code := run(ctx, args, strings.NewReader(stdin), &out, &errors)
	return outcome{code, out.String(), errors.String()}
}

func TestUsage(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, tc := range []struct {
		args string
		code int
		want string // in either output
	}{
		{"", ctl.ExitOK, "Available Commands"},
		{"--help", ctl.ExitOK, "Exit codes"},
		{"version", ctl.ExitOK, version},
		{"--version", ctl.ExitOK, version},
		{"completion bash", ctl.ExitOK, "bash completion"},
		{"data", ctl.ExitOK, "decode"},
		{"nonsense", ctl.ExitBadInput, "unknown command"},
		{"data nonsense", ctl.ExitBadInput, "unknown command"},
		{"store list", ctl.ExitBadInput, "unknown command"},
		{"store put known a --peer 127.0.0.1:1 --plain", ctl.ExitBadInput, "arguments after NAME known: a: wanted: KEY VALUE"},
		{"store stat --file x y", ctl.ExitBadInput, "arguments: y: wanted: none (--file takes no NAME)"},
		{"store get known -5 --peer 127.0.0.1:1 --plain", ctl.ExitBadInput, "-- goes before"},
		{"store diff --file x", ctl.ExitBadInput, "--file a second time"},
		{"bench nonsense", ctl.ExitBadInput, "unknown command"},
		{"version extra", ctl.ExitBadInput, "unknown command"},
		{"up", ctl.ExitBadInput, "-f FILE is missing"},
		{"up --nonsense", ctl.ExitBadInput, "unknown flag"},
		{"up -f x -o xml", ctl.ExitBadInput, "allowed: table, json, yaml"},
		{"up -f x --timeout 0s", ctl.ExitBadInput, "--timeout"},
		{"up -f x --pprof 0.0.0.0:9992", ctl.ExitBadInput, "on the loopback only"},
		{"up -f /does/not/exist", ctl.ExitBadInput, "/does/not/exist"},
		{"sub", ctl.ExitBadInput, "requires at least 1 arg"},
		{"sub /t --peer x --plain --count -1", ctl.ExitBadInput, "--count"},
		{"sub /t --peer x", ctl.ExitBadInput, "--tls-dir DIR (certificates) or --plain"},
		{"pub /t", ctl.ExitBadInput, "accepts 2 arg(s)"},
		{"pub /t 1 --text --plain", ctl.ExitBadInput, "--peer HOST:PORT is missing"},
		{"pub /t 1 --peer x:1 --plain", ctl.ExitBadInput, "VALUE"},
		{"store put s k v --text --peer x:1 --plain --expiry -1s", ctl.ExitBadInput, "--expiry"},
		{"bench source --count 1", ctl.ExitBadInput, "[peer listen]"},
		{"bench source --peer x:1 --event 3", ctl.ExitBadInput, "allowed: 1, 2"},
		{"bench sink --listen x:1 --count 0", ctl.ExitBadInput, "--count"},
		{"bench sink --listen nowhere:1 --count 1", ctl.ExitFailure, "listen"},
		{"bench sink --listen x:1 --tls-dir /does/not/exist", ctl.ExitBadInput, "--tls-dir"},
		{"bench sink --listen x:1 --tls-dir x --anonymous", ctl.ExitBadInput, "none of the others can be"},
		{"bench relay --listen x:1 --queue-bytes 0", ctl.ExitBadInput, "--queue-bytes"},
		{"bench ping --peer x:1 --count 0", ctl.ExitBadInput, "--count"},
		{"bench pong --listen x:1 --count -1", ctl.ExitBadInput, "--count"},
		{"bench store --backend rocks", ctl.ExitBadInput, "allowed: memory, sqlite, pebble"},
		{"bench store --backend pebble --dir x --sync off", ctl.ExitBadInput, "always syncs"},
		{"bench store --writers 0", ctl.ExitBadInput, "--writers"},
		{"bench master --listen x:1 --count 0", ctl.ExitBadInput, "--count"},
		{"bench clone", ctl.ExitBadInput, "[peer listen]"},
	} {
		got := call(t, "", strings.Fields(tc.args)...)
		if got.code != tc.code || !strings.Contains(got.out+got.errors, tc.want) {
			t.Errorf("brokerctl %s: %d, want %d with %q:\n%s%s", tc.args, got.code, tc.code, tc.want, got.out, got.errors)
		}
		if tc.code != ctl.ExitOK && got.out != "" {
			t.Errorf("brokerctl %s: a failure printed %q", tc.args, got.out)
		}
	}
}

func TestData(t *testing.T) {
	for _, tc := range []struct {
		command, in, out string
		code             int
	}{
		{"decode", "020000000000000007\n", `{"text":"7","json":"{\"@data-type\":\"count\",\"data\":7}"}` + "\n", ctl.ExitOK},
		{"decode", "0f\n", `{"error":"unknown type tag","offset":0}` + "\n", ctl.ExitOK},
		{"encode", `{"@data-type":"count","data":7}`, "020000000000000007\n", ctl.ExitOK},
		{"sort", "0101\n00\n0100\n00\n", "00\n0100\n0101\n", ctl.ExitOK},
		{"sort", "0101\nzz\n", "", ctl.ExitBadInput},
		{"apply", `{"op":"add","init":"count","current":null,"arg":"020000000000000007"}`, `{"result":"ok","after":"020000000000000007"}` + "\n", ctl.ExitOK},
		{"apply", `{"op":"subtract","current":null,"arg":"00"}`, `{"result":"no_such_key","after":null}` + "\n", ctl.ExitOK},
		{"apply", `{"op":"get_index","current":"0c010101","arg":"0101"}`, `{"result":"ok","value":"0101"}` + "\n", ctl.ExitOK},
	} {
		got := call(t, tc.in, "data", tc.command)
		if got.code != tc.code || got.out != tc.out || (tc.code != ctl.ExitOK) != (got.errors != "") {
			t.Errorf("data %s of %q: %+v", tc.command, tc.in, got)
		}
	}
	if got := call(t, "nonsense\n", "data", "encode"); got.code != ctl.ExitBadInput || !strings.HasPrefix(got.out, `{"error":`) {
		t.Errorf("encode: %+v", got)
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBadManifests(t *testing.T) {
	file := write(t, "broken.yaml", `apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: manager}
---
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: worker-1}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: worker-1-manager}
spec:
  from: {node: worker-1}
  to: {node: manger}
---
apiVersion: brokermesh.dev/v1alpha1
kind: DataStore
metadata: {name: known}
spec:
  master:
    node: manager
    backend: Rocks
`)
	got := call(t, "", "up", "-f", file, "--data-dir", filepath.Join(t.TempDir(), "data"))
	want := file + `:14: peering/worker-1-manager: spec.to.node: no BrokerNode "manger" in this namespace (did you mean "manager"?)
` + file + `:22: datastore/known: spec.master.backend: "Rocks": allowed: Memory, SQLite, Pebble
2 problems; nothing was started
`
	if got.code != ctl.ExitBadInput || got.out != "" || got.errors != want {
		t.Errorf("%d, %q\n%s\nwant\n%s", got.code, got.out, got.errors, want)
	}
}

func TestUpUntilReady(t *testing.T) {
	got := call(t, "", "up", "-f", filepath.Join(samples, "zeek-cluster.yaml"), "--until-ready", "--data-dir", t.TempDir())
	if got.code != ctl.ExitOK || strings.Contains(got.out, "\x1b") {
		t.Fatalf("%+v", got)
	}
	for _, want := range []string{" NODE ", " worker-2  yes ", "known-hosts (master, SQLite, 0 entries)", "known-hosts (clone, in sync)", "9 peerings established · 1 store ready · data in "} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
}

func TestUpDocument(t *testing.T) {
	for _, format := range []string{"json", "yaml"} {
		got := call(t, "", "up", "-f", filepath.Join(samples, "stores.yaml"), "--until-ready", "--timeout", "20s", "-o", format, "--plain", "--data-dir", t.TempDir())
		if got.code != ctl.ExitOK {
			t.Fatalf("%s: %+v", format, got)
		}
		if format == "yaml" {
			if !strings.Contains(got.out, "\nnodes:\n- address: 127.0.0.1:") {
				t.Errorf("YAML:\n%s", got.out)
			}
			continue
		}
		var d meshview.Document
		dec := json.NewDecoder(strings.NewReader(got.out))
		if err := dec.Decode(&d); err != nil || dec.More() {
			t.Fatalf("one document: %v\n%s", err, got.out)
		}
		if len(d.Nodes) != 2 || len(d.Peerings) != 1 || len(d.Stores) != 3 {
			t.Errorf("document: %+v", d)
		}
		for _, n := range d.Nodes {
			if n.Address == "" || len(n.Conditions) == 0 || n.Peers != "1/1" || (n.WebSocket != "") != (n.Name == "reader") {
				t.Errorf("node: %+v", n)
			}
		}
	}
}

func TestUpTimeout(t *testing.T) {
	file := write(t, "lonely.yaml", `apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: lonely}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: away}
spec:
  from: {node: lonely}
  to: {address: "127.0.0.1:1"}
`)
	got := call(t, "", "up", "-f", file, "--until-ready", "--timeout", "500ms", "--data-dir", t.TempDir())
	if got.code != ctl.ExitTimeout || !strings.Contains(got.errors, "not ready after 500ms:\n  peering/away: ") {
		t.Errorf("%+v", got)
	}
}
