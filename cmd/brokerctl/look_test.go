// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/capture/capturetest"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshview"
)

// ring is a running mesh of four nodes.
type ring struct {
	addresses map[string]string
	dir       string
}

func runRing(t *testing.T) ring {
	t.Helper()
	mesh := begin(t, "up", "-f", filepath.Join(samples, "ring.yaml"), "-o", "json", "--data-dir", t.TempDir())
	line, err := mesh.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, mesh.errors)
	}
	var d meshview.Document
	if err := json.Unmarshal([]byte(line), &d); err != nil {
		t.Fatal(err)
	}
	r := ring{map[string]string{}, filepath.Join(d.DataDir, "client")}
	for _, n := range d.Nodes {
		r.addresses[n.Name] = n.Address
	}
	return r
}

// at is a command line for one of the nodes.
func (r ring) at(node string, args ...string) []string {
	return append(args, "--peer", r.addresses[node], "--tls-dir", r.dir)
}

// look runs a command and answers what it printed.
func (r ring) look(t *testing.T, node string, args ...string) string {
	t.Helper()
	got := call(t, "", r.at(node, args...)...)
	if got.code != ctl.ExitOK {
		t.Fatalf("brokerctl %q: %+v", args, got)
	}
	return got.out
}

func holdsAll(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: no %q in\n%s", what, w, text)
		}
	}
}

// TestLooking looks into a mesh from one of its nodes and sees all of it.
func TestLooking(t *testing.T) {
	r := runRing(t)
	sub := begin(t, r.at("south", "sub", "/looking", "--text")...)
	tapped := begin(t, r.at("west", "tap", "/looking", "--count", "1", "--topic", "/looking/*")...)
	tappedJSON := begin(t, r.at("west", "tap", "/looking", "--count", "1", "-o", "json", "--match", "hello")...)
	processes := []process{sub, tapped, tappedJSON}
	first := make([]string, len(processes))
	heard := make(chan struct{}, len(processes))
	for i, p := range processes {
		go func() {
			first[i], _ = p.out.ReadString('\n')
			heard <- struct{}{}
		}()
	}
	// There is no other sign that all of them listen than what they print.
	for left := len(processes); left > 0; {
		if got := call(t, "", r.at("north", "pub", "/looking/now", "hello", "--text")...); got.code != ctl.ExitOK {
			t.Fatalf("%+v", got)
		}
		for more := true; more; {
			select {
			case <-heard:
				left--
			default:
				more = false
			}
		}
	}
	holdsAll(t, "sub and tap", first[0]+first[1], "/looking/now hello\n", " hops ", "  /looking/now  hello\n")
	var doc struct {
		Kind, Topic, Origin string
		Hops                int
	}
	if err := json.Unmarshal([]byte(first[2]), &doc); err != nil || doc.Topic != "/looking/now" || doc.Hops < 2 || doc.Origin == "" {
		t.Errorf("tap -o json: %q, %v", first[2], err)
	}

	holdsAll(t, "peers", r.look(t, "north", "peers"), " NODE ", "\n east ", "\n north ", "\n south ", "\n west ", "4 nodes, 5 connections between nodes", "(this command)")
	holdsAll(t, "topics", r.look(t, "east", "topics", "--interval", "10ms"), `"/looking"`, " at south ", " client ")
	holdsAll(t, "top", r.look(t, "west", "top", "--once", "--interval", "50ms"), "MSG/S IN", "\n south ", "\n west ")
	holdsAll(t, "ping", r.look(t, "north", "ping", "--count", "2"), "\n south ", "0/2", "same ±")
	holdsAll(t, "trace", r.look(t, "north", "trace", "/looking/x", "--origin", "east"), "east: publishes it\n", "south (1 hop): passes it on", "client, wants it")
	holdsAll(t, "trace --send", r.look(t, "north", "trace", "/looking/x", "--send", "1", "--text"), "/looking/x from (this command), number ", "south +")
	for _, command := range []string{"peers", "topics", "ping", "top --once", "trace /looking"} {
		got := r.look(t, "north", append(strings.Fields(command), "-o", "json")...)
		if !json.Valid([]byte(got)) {
			t.Errorf("%s -o json: %s", command, got)
		}
	}
	if got := call(t, "", r.at("north", "trace", "/nobody/wants/this", "--send", "1", "--text")...); got.code != ctl.ExitFailure || !strings.Contains(got.errors, "goes nowhere") {
		t.Errorf("%+v", got)
	}
}

// TestLookUsage is what is wrong with the commands' flags.
func TestLookUsage(t *testing.T) {
	for args, want := range map[string]string{
		"peers":                                    "--peer HOST:PORT is missing",
		"peers extra":                              "unknown command",
		"topics --peer x -o yaml":                  "allowed: text, json",
		"topics --peer x --plain --interval -1s":   "--interval",
		"top --peer x --plain --interval 0s":       "--interval",
		"ping --peer x --plain --count 0":          "--count",
		"ping --peer x --plain --anonymous":        "say one of",
		"trace --peer x":                           "accepts 1 arg",
		"trace /t --peer x:1 --plain --send a":     "--send",
		"tap --peer x --plain":                     "a PREFIX is missing",
		"tap / --peer x --plain --rate -1":         "--rate",
		"tap / --peer x --pcap y":                  "exclude each other",
		"tap --pcap /does/not/exist":               "no such file",
		"tap / --pcap - --topic [":                 "--topic",
		"tap / --peer 127.0.0.1:1 --plain -o json": "refused",
	} {
		got := call(t, "", strings.Fields(args)...)
		code := ctl.ExitBadInput
		if want == "refused" {
			code = ctl.ExitFailure
		}
		if got.code != code || !strings.Contains(got.errors, want) || got.out != "" {
			t.Errorf("brokerctl %s: %+v, want %d with %q", args, got, code, want)
		}
	}
}

// TestTapCapture reads a capture from a file and from standard input.
func TestTapCapture(t *testing.T) {
	frame, err := wire.AppendFrame(nil, &wire.Envelope{Sender: data.EndpointID{1}, Type: wire.TypeData, TTL: 16, Topic: []byte("/t"), Payload: data.String("x").AppendBinary(nil)})
	if err != nil {
		t.Fatal(err)
	}
	hello := wire.AppendHandshake(nil, &wire.Hello{Sender: data.EndpointID{1}, Min: 1, Max: 1})
	ack := wire.AppendHandshake(nil, &wire.OriginatorAck{})
	flow := capturetest.New(4000).Open().Send(false, 100, bytes.Join([][]byte{hello, ack, frame}, nil)).Close()
	raw := capturetest.Form{Link: layers.LinkTypeEthernet, NG: true}.Capture(t, flow)
	file := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	got := call(t, "", "tap", "--pcap", file)
	holdsAll(t, "a file", got.out, "  10.0.0.1:4000 > 10.0.0.2:9999  data               /t  x\n", "hello ")
	if got.code != ctl.ExitOK || !strings.Contains(got.errors, "1 connection of Broker, 3 frames") {
		t.Errorf("%+v", got)
	}
	got = call(t, string(raw), "tap", "/t", "--pcap", "-", "-o", "json", "--count", "1")
	if got.code != ctl.ExitOK || !strings.Contains(got.out, `"topic":"/t"`) || strings.Count(got.out, "\n") != 1 {
		t.Errorf("%+v", got)
	}
	if got := call(t, "nonsense", "tap", "--pcap", "-"); got.code != ctl.ExitBadInput || !strings.Contains(got.errors, "not a capture") {
		t.Errorf("%+v", got)
	}
}

// TestForeignEndpoint looks at an endpoint that answers no questions, over
// anonymous TLS.
func TestForeignEndpoint(t *testing.T) {
	e, err := broker.New(broker.Options{PlainProtocol: true, TLS: &peering.TLS{Anonymous: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	address, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := e.Subscribe([]string{"/theirs"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for _, tc := range []struct {
		args string
		code int
		want []string
	}{
		{"peers", ctl.ExitOK, []string{"(this command)", "Foreign", "it answers no questions"}},
		{"topics", ctl.ExitOK, []string{`"/theirs"`, "foreign"}},
		{"ping --count 2", ctl.ExitOK, []string{e.ID().String()[:8], "0/2"}},
		{"top --once", ctl.ExitFailure, []string{"is a foreign endpoint"}},
		{"trace /theirs", ctl.ExitFailure, []string{"is a foreign endpoint"}},
	} {
		got := call(t, "", append(strings.Fields(tc.args), "--peer", address.String(), "--anonymous")...)
		if got.code != tc.code {
			t.Errorf("%s: %+v", tc.args, got)
		}
		holdsAll(t, tc.args, got.out+got.errors, tc.want...)
	}
	tapped := begin(t, "tap", "/ours", "--peer", address.String(), "--anonymous", "--count", "1")
	line := make(chan string)
	go func() {
		text, _ := tapped.out.ReadString('\n')
		line <- text
	}()
	for {
		if err := e.Publish("/ours/1", data.Count(5)); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-line:
			holdsAll(t, "tap", text, e.ID().String()[:8], "  -  ", "/ours/1  5\n")
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
