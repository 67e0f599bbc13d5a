// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what a whole run found.
type report struct {
	Date       string        `json:"date"`
	Commit     string        `json:"commit"`
	Go         string        `json:"go"`
	CPU        string        `json:"cpu"`
	Cores      int           `json:"cores"`
	LoadBefore string        `json:"load_before"`
	LoadAfter  string        `json:"load_after"`
	Runs       int           `json:"runs"`
	Workloads  []reportEntry `json:"workloads"`
}

// reportEntry is one workload.
type reportEntry struct {
	Name  string               `json:"name"`
	Count int                  `json:"count"`
	Runs  []map[string]figures `json:"runs"`

	halves []half
}

func newReport(ctx context.Context, runs int) *report {
	return &report{
		Date: time.Now().UTC().Format(time.DateTime), Commit: commit(ctx), Go: runtime.Version(), CPU: cpuName(), Cores: runtime.NumCPU(),
		LoadBefore: load(), Runs: runs,
	}
}

func (r *report) finish(all []*outcome) {
	r.LoadAfter = load()
	for _, o := range all {
		r.Workloads = append(r.Workloads, reportEntry{o.name, o.count, o.runs, o.halves})
	}
}

func (r *report) writeJSON(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// markdown is a row for each half.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s UTC, commit %s, %s, %d x %s; median of %d runs (least to most); load average %s before, %s after.\n\n",
		r.Date, r.Commit, r.Go, r.Cores, r.CPU, r.Runs, r.LoadBefore, r.LoadAfter)
	b.WriteString("| workload | half | messages a second | CPU us a message | allocations a message | peak RSS, MiB | more |\n|---|---|---|---|---|---|---|\n")
	for _, w := range r.Workloads {
		for _, h := range w.halves {
			if !h.hidden {
				w.row(&b, h.name)
			}
		}
	}
	return b.String()
}

// common are the fields that have a column, and those that need none.
var common = []string{"messages", "seconds", "rate", "cpu_us_per_message", "allocs_per_message", "max_rss_kib", "sinks", "writers", "entries", "dropped"}

func (w *reportEntry) row(b *strings.Builder, half string) {
	var more []string
	for _, field := range slices.Sorted(maps.Keys(w.Runs[0][half])) {
		if s := w.spread(half, field); s.n > 0 && !slices.Contains(common, field) {
			more = append(more, field+" "+s.String())
		}
	}
	rss := w.spread(half, "max_rss_kib")
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %.0f | %s |\n", w.Name, half, w.spread(half, "rate"), w.spread(half, "cpu_us_per_message"),
		short(w.spread(half, "allocs_per_message").median), rss.most/1024, strings.Join(more, ", "))
}

// spread is a figure over all runs.
type spread struct {
	n                   int
	median, least, most float64
}

func (w *reportEntry) spread(half, field string) spread {
	var all []float64
	for _, run := range w.Runs {
		if x, ok := run[half].number(field); ok {
			all = append(all, x)
		}
	}
	return spreadOf(all)
}

func spreadOf(all []float64) spread {
	if len(all) == 0 {
		return spread{}
	}
	slices.Sort(all)
	n := len(all)
	return spread{n, (all[(n-1)/2] + all[n/2]) / 2, all[0], all[n-1]}
}

func (s spread) String() string {
	if s.n < 2 {
		return short(s.median)
	}
	return fmt.Sprintf("%s (%s to %s)", short(s.median), short(s.least), short(s.most))
}

// short is a number with three digits that count, and commas in large ones.
func short(x float64) string {
	switch size := math.Abs(x); {
	case size >= 1000:
		round := math.Pow(10, math.Floor(math.Log10(size))-2)
		return commas(int64(math.Round(x/round) * round))
	case size >= 100:
		return fmt.Sprintf("%.0f", x)
	case size >= 10:
		return fmt.Sprintf("%.1f", x)
	case size >= 1:
		return fmt.Sprintf("%.2f", x)
	default:
		return fmt.Sprintf("%.3f", x)
	}
}

func commas(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(out))
}

// load is the load average of one, five and fifteen minutes.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); err == nil && len(fields) >= 3 {
		return strings.Join(fields[:3], " ")
	}
	return "unknown"
}

func cpuName() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
