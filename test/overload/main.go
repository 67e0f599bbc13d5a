// SPDX-License-Identifier: Apache-2.0

// Command overload gives a publisher, a subscriber, a relay and a client of a gateway, one after the other, ten times what they can take.
// It checks that memory stays within its limit and that the counters are exact, and measures what the others notice: how long messages
// take between two endpoints that share the relay with the overloaded one, compared with a run in which the same goes on at another relay.
//
// What "can take" means doesn't depend on the machine: lines are throttled, and consumers pause, so that they take a fixed number of
// messages a second.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	o := defaults()
	flag.DurationVar(&o.duration, "duration", o.duration, "how long each party is overloaded, and as long again the same goes on elsewhere")
	flag.IntVar(&o.capacity, "capacity", o.capacity, "messages a second that the overloaded party can take")
	flag.IntVar(&o.factor, "factor", o.factor, "how many times that it gets")
	flag.IntVar(&o.memory, "memory", o.memory, "memory limit of each endpoint in bytes")
	only := flag.String("only", "", "run these parties only, separated by commas: "+strings.Join(parties(), ", "))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, *only); err != nil {
		fmt.Fprintln(os.Stderr, "overload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, only string) error {
	chosen := parties()
	if only != "" {
		chosen = strings.Split(only, ",")
		for _, party := range chosen {
			if !slices.Contains(parties(), party) {
				return fmt.Errorf("-only names %q; allowed: %s", party, strings.Join(parties(), ", "))
			}
		}
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Printf("%d messages a second of %d bytes to those who can take %d, for %v each; memory limit %d MiB an endpoint\n",
		o.capacity*o.factor, o.size, o.capacity, o.duration, o.memory>>20)
	fmt.Fprintln(out, "OVERLOADED\tPUBLISHED\tDELIVERED\tDROPPED\tMEMORY MAX\tHEAP MAX\tP50\tP99\tELSEWHERE P50\tP99\tRATIO P99")
	for _, party := range chosen {
		r, err := o.overload(ctx, party)
		if err != nil {
			return errors.Join(out.Flush(), fmt.Errorf("%s: %w", party, err))
		}
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%.1f MiB\t%.1f MiB\t%v\t%v\t%v\t%v\t%.2f\n", party, r.published, r.delivered, r.dropped,
			float64(r.memory)/(1<<20), float64(r.heap)/(1<<20), r.here.quantile(0.5), r.here.quantile(0.99), r.elsewhere.quantile(0.5),
			r.elsewhere.quantile(0.99), float64(r.here.quantile(0.99))/float64(max(r.elsewhere.quantile(0.99), time.Microsecond)))
	}
	return out.Flush()
}
