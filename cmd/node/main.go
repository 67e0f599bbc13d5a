// SPDX-License-Identifier: Apache-2.0

// Command node runs one Broker endpoint as its config says, and tells how it
// is. This package holds flags, signals and wiring; the work is done by
// pkg/node.
//
// Exit codes: 0 after it was told to end and everything was let go of, 1 if it
// could not run or not let go in time, 2 for wrong flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/brokermesh/brokermesh/pkg/profiling"
)

// version is set by the linker.
var version = "v0.1.0-dev"

// drainTime is how long the node takes at most to let go of its peers and
// stores; Kubernetes ends a pod after 30 seconds.
const drainTime = 20 * time.Second

const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

type options struct {
	config   string
	accepted string
	tlsDir   string
	dataDir  string
	// backupDir has the volumes of backups.
	backupDir string
	control   string
	http      string
	pprof     string
}

func main() {
	limitMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run is the whole program and answers its exit code.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	o, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, "node:", err)
		return exitUsage
	}
	// The node filters by the level of its config.
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if err := serve(ctx, o, log); err != nil {
		log.Error("ended", "error", err)
		return exitFailure
	}
	return exitOK
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("node", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.config, "config", "", "`FILE` with the config to start from")
	f.StringVar(&o.accepted, "accepted", "", "`FILE` that keeps the last config pushed and accepted; used at the start if it is newer")
	f.StringVar(&o.tlsDir, "tls-dir", "", "`DIR` with ca.crt, tls.crt and tls.key; read anew at each handshake")
	f.StringVar(&o.dataDir, "data-dir", "", "`DIR` for persistent stores and the endpoint ID")
	f.StringVar(&o.backupDir, "backup-dir", "", "`DIR` with a folder for each volume of backups")
	f.StringVar(&o.control, "control", "", "`ADDR` of the control port (mutual TLS, the manager only); needs --tls-dir")
	f.StringVar(&o.http, "http", "", "`ADDR` of /healthz, /readyz and /metrics")
	f.StringVar(&o.pprof, "pprof", profiling.DefaultAddress, "loopback `ADDR` of /debug/pprof/, unless that is taken; empty for none")
	showVersion := f.Bool("version", false, "print the version and exit")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case *showVersion:
		fmt.Fprintln(stderr, version)
		return o, flag.ErrHelp
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.config == "":
		return o, errors.New("--config is missing")
	case o.control != "" && o.tlsDir == "":
		return o, errors.New("--control needs --tls-dir")
	}
	if o.pprof != "" {
		if err := profiling.Check(o.pprof); err != nil {
			return o, fmt.Errorf("--pprof: %w", err)
		}
	}
	return o, nil
}
