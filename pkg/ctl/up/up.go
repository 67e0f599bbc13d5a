// SPDX-License-Identifier: Apache-2.0

// Package up is what `brokerctl up` does: manifests become a mesh on this
// machine, which is shown until it is stopped.
package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshview"
	"github.com/brokermesh/brokermesh/pkg/local"
	"github.com/brokermesh/brokermesh/pkg/profiling"
)

// Output is how the mesh is shown.
type Output string

// The outputs.
const (
	// Table is a live table on a terminal; elsewhere lines as things change,
	// and the table once the mesh is ready.
	Table Output = "table"
	// JSON and YAML are one document once the mesh is ready.
	JSON Output = "json"
	YAML Output = "yaml"
)

// drainTime bounds how long the mesh takes to end.
const drainTime = 15 * time.Second

// Options say what runs and how it is shown.
type Options struct {
	// Files are manifests, folders of them, or "-" for Stdin.
	Files []string
	Stdin io.Reader
	// DataDir keeps what persistent stores hold; empty means a fresh temporary
	// folder.
	DataDir string
	// Plain turns TLS off.
	Plain bool
	// UntilReady ends the mesh as soon as every condition holds.
	UntilReady bool
	// Timeout bounds the time until the mesh is ready; 0 means no bound.
	Timeout time.Duration
	// Output is how the mesh is shown.
	Output Output
	// PProf is the loopback address at which profiles of this process are
	// served; empty for none.
	PProf string
	// Version is what the nodes say of themselves.
	Version string
	// Out gets the table or the document, Notes everything else. Terminal says
	// what Out is, if it is one.
	Out, Notes io.Writer
	Terminal   *Terminal
}

// Run runs the mesh until the context ends, which is no error.
func Run(ctx context.Context, o Options) (err error) {
	loaded, err := read(o, o.Notes)
	if err != nil {
		return err
	}
	endProfiles, err := serveProfiles(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endProfiles()) }()
	mesh, closeLog, err := start(ctx, loaded, o)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil // stopped while it started
	}
	if err != nil {
		return err
	}
	defer func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		err = errors.Join(err, mesh.Close(drain), closeLog())
	}()
	err = show(ctx, mesh, loaded, o)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveProfiles serves profiles if that is asked for, and answers how to end
// it.
func serveProfiles(ctx context.Context, o Options) (end func() error, _ error) {
	if o.PProf == "" {
		return func() error { return nil }, nil
	}
	p, err := profiling.Serve(ctx, o.PProf, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("serve profiles: %w", err)
	}
	fmt.Fprintf(o.Notes, "profiles at http://%s%s\n", p.Addr(), profiling.Path)
	return p.Close, nil
}

// start makes the data folder, with the log of all nodes in it, and the mesh.
func start(ctx context.Context, loaded meshobjects.Mesh, o Options) (mesh *local.Mesh, closeLog func() error, err error) {
	if o.DataDir == "" {
		o.DataDir, err = os.MkdirTemp("", "brokermesh-")
	} else {
		err = os.MkdirAll(o.DataDir, 0o700)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make the data folder: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(o.DataDir, "nodes.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log: %w", err)
	}
	objects := loaded.Objects
	objects.Meshes = nil // what they are made of is among the others; nobody owns it here
	mesh, err = local.Start(ctx, objects, local.Options{
		Namespace: loaded.Namespace,
		DataDir:   o.DataDir,
		Plain:     o.Plain,
		Version:   o.Version,
		Logger:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start the mesh: %w", err), log.Close())
	}
	return mesh, log.Close, nil
}

// show watches the mesh: until it is ready, and then, unless that is all that
// was asked for, until the context ends.
func show(ctx context.Context, mesh *local.Mesh, loaded meshobjects.Mesh, o Options) error {
	s := newScreen(o)
	again := time.NewTicker(keepEvery)
	defer again.Stop()
	waiting := ctx
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, o.Timeout)
		defer cancel()
	}
	ready, due := false, s.live()
	for {
		changed := mesh.Changed()
		state := stateOf(mesh)
		if err := keep(mesh, state, loaded, o); err != nil {
			return err
		}
		if !ready && state.Ready() {
			ready, waiting = true, ctx
			if err := s.ready(state); err != nil || o.UntilReady {
				return err
			}
		} else if due {
			if err := s.update(state, ready); err != nil {
				return err
			}
		}
		select {
		case <-changed:
			due = s.live()
		case <-s.tick:
			due = true
		case <-again.C:
		case <-waiting.Done():
			return ended(ctx, waiting, mesh, o)
		}
	}
}

// ended is why the watching ended: the context's end, or time is over, and
// then also what is missing.
func ended(ctx, waiting context.Context, mesh *local.Mesh, o Options) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	missing := stateOf(mesh).Missing()
	if len(missing) == 0 {
		missing = []string{"the manifests have no objects"}
	}
	return ctl.TimedOut(fmt.Errorf("not ready after %v:\n  %s", o.Timeout, strings.Join(missing, "\n  ")))
}

func stateOf(mesh *local.Mesh) meshview.State {
	return meshview.State{Verdict: mesh.Verdict(), Statuses: mesh.Statuses(), DataDir: mesh.DataDir()}
}
