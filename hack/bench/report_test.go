// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for want, all := range map[string][]float64{
		"0.000":                        nil,
		"7.00":                         {7},
		"2.00 (1.00 to 3.00)":          {3, 1, 2},
		"2.50 (1.00 to 4.00)":          {4, 3, 1, 2},
		"23.4 (-1,230 to 123)":         {123.4, -1234, 23.4},
		"1,000,000 (999 to 1,230,000)": {999.4, 999999, 1234567},
		"12,300 (0.012 to 99,900,000)": {0.0123, 99912345, 12345},
	} {
		if got := spreadOf(all).String(); got != want {
			t.Errorf("%v: %s, want %s", all, got, want)
		}
	}
}

// of makes an outcome of a workload from what its halves printed.
func of(t *testing.T, w workload, runs ...map[string]string) *outcome {
	t.Helper()
	o := &outcome{workload: w}
	for _, r := range runs {
		run := map[string]figures{}
		for name, text := range r {
			var f figures
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				t.Fatal(err)
			}
			run[name] = f
		}
		o.runs = append(o.runs, run)
	}
	return o
}

func TestMarkdown(t *testing.T) {
	w := workload{name: "x", count: 10, halves: []half{{name: "a"}, {name: "b"}, {name: "c", hidden: true}}}
	o := of(t, w,
		map[string]string{"a": `{"messages":10,"rate":1500000,"cpu_us_per_message":0.3,"max_rss_kib":2048,"rtt_us_p50":5}`, "b": `{"rate":1}`, "c": `{}`},
		map[string]string{"a": `{"messages":10,"rate":2500000,"cpu_us_per_message":0.1,"max_rss_kib":4096,"rtt_us_p50":7}`, "b": `{"rate":3}`, "c": `{}`})
	r := newReport(t.Context(), 2)
	r.finish([]*outcome{o})
	table := r.markdown()
	for _, want := range []string{
		"| x | a | 2,000,000 (1,500,000 to 2,500,000) | 0.200 (0.100 to 0.300) | 0.000 | 4 | rtt_us_p50 6.00 (5.00 to 7.00) |\n",
		"| x | b | 2.00 (1.00 to 3.00) |",
		"median of 2 runs",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if strings.Contains(table, "| c |") {
		t.Errorf("a hidden half in\n%s", table)
	}
	file := filepath.Join(t.TempDir(), "x.json")
	if err := r.writeJSON(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	var back report
	if err != nil || json.Unmarshal(text, &back) != nil || len(back.Workloads) != 1 || len(back.Workloads[0].Runs) != 2 {
		t.Errorf("%v: %s", err, text)
	}
}

func TestCheck(t *testing.T) {
	w := workload{count: 5}
	for _, tc := range []struct {
		want string
		run  map[string]string
	}{
		{"", map[string]string{"a": `{"messages":5,"checksum":"1","dropped":0}`, "b": `{"messages":5,"checksum":"1"}`, "c": `{"messages":5,"entries":10}`}},
		{"want 5", map[string]string{"a": `{"messages":4}`}},
		{"different things", map[string]string{"a": `{"messages":5,"checksum":"1"}`, "b": `{"messages":5,"checksum":"2"}`}},
		{"were dropped", map[string]string{"a": `{"messages":5,"dropped":1}`}},
		{"entries", map[string]string{"a": `{"messages":5,"entries":5}`}},
	} {
		err := w.check(of(t, w, tc.run).runs[0])
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%v: %v, want %q", tc.run, err, tc.want)
		}
	}
}

// TestWorkloads makes sure that every address that a half asks for is that of
// one before it.
func TestWorkloads(t *testing.T) {
	names := map[string]bool{}
	for _, w := range workloads() {
		if names[w.name] || w.count < 1 {
			t.Errorf("workload %q of %d", w.name, w.count)
		}
		names[w.name] = true
		known := map[string]bool{"{count}": true, "{dir}": true, "{tls}": true}
		for _, h := range w.halves {
			for _, a := range h.args {
				if strings.HasPrefix(a, "{") && !known[a] {
					t.Errorf("%s: %s asks for %s", w.name, h.name, a)
				}
			}
			if h.listens {
				known["{"+h.name+"}"] = true
			}
			if h.name == "sink" && strings.Contains(w.name, "TLS") && !slices.Contains(h.args, "--tls-dir") {
				t.Errorf("%s: the sink is without TLS: %v", w.name, h.args)
			}
		}
	}
}

// TestFailure runs a program that is no brokerctl.
func TestFailure(t *testing.T) {
	r, err := newRunner("/bin/false")
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for _, w := range workloads() {
		if err := (&outcome{workload: w}).once(context.Background(), r); err == nil {
			t.Errorf("%s succeeded", w.name)
		}
	}
	if _, err := newRunner("/does/not/exist"); err == nil {
		t.Error("a runner without a program")
	}
}

func TestFindsBenchmarks(t *testing.T) {
	found, err := withBenchmarks(filepath.Join("..", ".."))
	if err != nil || !slices.Contains(found, "pkg/broker") || !slices.Contains(found, "pkg/broker/data") {
		t.Errorf("%v, %v", found, err)
	}
}
