// SPDX-License-Identifier: Apache-2.0

// Command manager is the operator: it watches BrokerNodes, Peerings and DataStores and keeps their meshes. This package holds flags,
// signals and wiring; the work is done by controllers.
//
// Exit codes: 0 after it was told to end, 1 if it could not run, 2 for wrong flags.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/brokermesh/brokermesh/controllers"
)

// version is set by the linker.
var version = "v0.1.0-dev"

// leaderElectionID names the lease that managers of one installation compete for.
const leaderElectionID = "manager.brokermesh.dev"

type options struct {
	leaderNamespace string
	metrics         string
	health          string
	nodeImage       string
	namespaces      []string
	lifetimes       controllers.Lifetimes
	verbose         bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run is the whole program and answers its exit code.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))
	bridge := logr.FromSlogHandler(log.Handler())
	ctrl.SetLogger(bridge)
	klog.SetLogger(bridge)
	log.Info("brokermesh manager", "version", version, "nodeImage", o.nodeImage)
	cfg, err := ctrl.GetConfig()
	if err != nil {
		log.Error("no cluster", "err", err)
		return 1
	}
	if err := manage(ctx, cfg, o, log); err != nil {
		log.Error("manager ended", "err", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.leaderNamespace, "leader-election-namespace", "", "namespace of the lease; empty means the manager's own")
	flags.StringVar(&o.metrics, "metrics-address", ":8080", "where /metrics is served; 0 turns it off")
	flags.StringVar(&o.health, "health-address", ":8081", "where /healthz and /readyz are served")
	flags.StringVar(&o.nodeImage, "node-image", os.Getenv("NODE_IMAGE"), "image of nodes that name none; the default is $NODE_IMAGE")
	flags.Func("namespaces", "look at these namespaces only, separated by commas; the default is all", func(s string) error {
		o.namespaces = append(o.namespaces, strings.Split(s, ",")...)
		if slices.Contains(o.namespaces, "") {
			return errors.New("an empty name")
		}
		return nil
	})
	flags.Func("authority-lifetime", "how long the authorities of meshes are valid, 20m or more; at two thirds of it they are replaced (default 10 years)",
		lifetime(&o.lifetimes.Authority, 20*time.Minute))
	flags.Func("certificate-lifetime", "how long certificates of nodes and tools are valid, 5m or more; at two thirds of it they are replaced (default 90 days)",
		lifetime(&o.lifetimes.Leaf, 5*time.Minute))
	flags.BoolVar(&o.verbose, "verbose", false, "log more")
	if f := flag.Lookup("kubeconfig"); f != nil { // declared by controller-runtime
		flags.Var(f.Value, f.Name, f.Usage)
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.nodeImage == "" {
		fmt.Fprintf(stderr, "manager: unexpected arguments %q, or no --node-image and no $NODE_IMAGE\n", flags.Args())
		return o, errors.New("usage")
	}
	return o, nil
}

// lifetime parses a duration that may not be too short for kubelets, which take a minute or two to hand out new files.
func lifetime(into *time.Duration, least time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err == nil && d < least {
			err = fmt.Errorf("%v is too short; allowed: %v or more", d, least)
		}
		*into = d
		return err
	}
}

// manage runs the controllers until the context ends or the lease is lost.
func manage(ctx context.Context, cfg *rest.Config, o options, log *slog.Logger) error {
	cfg.QPS, cfg.Burst = 100, 200
	cfg.UserAgent = "brokermesh-manager/" + version
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                  controllers.NewScheme(),
		Cache:                   controllers.CacheOptions(o.namespaces...),
		Metrics:                 metricsserver.Options{BindAddress: o.metrics},
		HealthProbeBindAddress:  o.health,
		LeaderElection:          true,
		LeaderElectionID:        leaderElectionID,
		LeaderElectionNamespace: o.leaderNamespace,
		// The process ends right after, so that the next leader needn't wait for the lease to run out.
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return fmt.Errorf("make the manager: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("add health checks: %w", err)
	}
	if err := controllers.Add(mgr, controllers.Options{Image: o.nodeImage, Logger: log, Lifetimes: o.lifetimes, Namespace: os.Getenv("POD_NAMESPACE")}); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
