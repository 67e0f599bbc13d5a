// SPDX-License-Identifier: Apache-2.0

// Bench runs every workload of `brokerctl bench` several times, each half in a
// process of its own, and writes what came out as a Markdown table and as
// JSON. Then it runs the Go benchmarks of the engine, for this tree and for an
// earlier commit in turn, and compares them with benchstat. It fails if halves
// disagree about what they sent and received; it never judges a time. Run it
// from the root of the repository:
//
//	go run ./hack/bench -runs 5
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	brokerctl string
	runs      int
	count     int
	only      string
	out       string
	previous  string
	goRuns    int
	benchTime time.Duration
	noGo      bool
}

func main() {
	var o options
	flag.StringVar(&o.brokerctl, "brokerctl", "bin/brokerctl", "the `PROGRAM` whose halves are run")
	flag.IntVar(&o.runs, "runs", 5, "how often each workload is run")
	flag.IntVar(&o.count, "count", 0, "messages of each workload; 0: as many as it takes some seconds for")
	flag.StringVar(&o.only, "only", "", "run the workloads whose name has this `TEXT` in it")
	flag.StringVar(&o.out, "o", "bin/bench", "`FOLDER` for what is written")
	flag.StringVar(&o.previous, "previous", "HEAD~1", "the `COMMIT` that Go benchmarks are compared with")
	flag.IntVar(&o.goRuns, "go-runs", 6, "how often each Go benchmark is run; benchstat needs 6 to be sure of anything")
	flag.DurationVar(&o.benchTime, "benchtime", 200*time.Millisecond, "how long each Go benchmark runs")
	flag.BoolVar(&o.noGo, "no-go", false, "no Go benchmarks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.runs < 1 || o.goRuns < 1 || o.count < 0 {
		return fmt.Errorf("%d and %d runs of %d messages", o.runs, o.goRuns, o.count)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if err := runWorkloads(ctx, o); err != nil {
		return err
	}
	if o.noGo {
		return nil
	}
	return compareGo(ctx, o)
}

// runWorkloads takes the workloads in turn, so that a busy moment of the
// machine doesn't hit all runs of one.
func runWorkloads(ctx context.Context, o options) error {
	r, err := newRunner(o.brokerctl)
	if err != nil {
		return err
	}
	defer r.close()
	var chosen []*outcome
	for _, w := range workloads() {
		if strings.Contains(w.name, o.only) {
			if o.count > 0 {
				w.count = o.count
			}
			chosen = append(chosen, &outcome{workload: w})
		}
	}
	rep := newReport(ctx, o.runs)
	for i := range o.runs {
		for _, c := range chosen {
			fmt.Fprintf(os.Stderr, "== %s, run %d of %d\n", c.name, i+1, o.runs)
			if err := c.once(ctx, r); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	rep.finish(chosen)
	table := rep.markdown()
	fmt.Print(table)
	if err := os.WriteFile(filepath.Join(o.out, "bench.md"), []byte(table), 0o644); err != nil {
		return err
	}
	return rep.writeJSON(filepath.Join(o.out, "bench.json"))
}
