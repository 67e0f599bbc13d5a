// SPDX-License-Identifier: Apache-2.0

// Package storemove is what `brokerctl store move` does: it asks a mesh to move the master of a store to another node, and follows what
// comes of it. How a mesh is asked is told by a Mesh: one of `brokerctl up` is here, one in a cluster belongs to the command.
package storemove

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
)

// Move is what is asked for.
type Move struct {
	// Store is the name of the DataStore, Node where its master shall be.
	Store, Node string
	// StrandForeignClones goes on although clones of other implementations are attached, WithoutMaster without asking the present master.
	StrandForeignClones, WithoutMaster bool
}

// State is how a move stands.
type State struct {
	// Node has the master, in this epoch; empty as long as none was seen.
	Node  string
	Epoch int64
	// Current tells that the rest is about the move that was asked for.
	Current bool
	// Refused tells that the master can't move there. Words say how it stands.
	Refused bool
	Words   string
}

// Mesh is where a master moves.
type Mesh interface {
	// Look is how it stands.
	Look(ctx context.Context) (State, error)
	// Begin asks for the move.
	Begin(ctx context.Context) error
}

// Options say how a move is followed.
type Options struct {
	Move
	// Timeout bounds the whole; it goes on afterwards all the same.
	Timeout time.Duration
	// Out gets the outcome, Notes what happens until then.
	Out, Notes io.Writer
	// Confirm asks whether to go on; nil goes on.
	Confirm func(question string) (bool, error)
}

const (
	lookEvery = 300 * time.Millisecond
	// refusedFor is how long a refusal must have stood: it may be an older one's.
	refusedFor = 5 * time.Second
)

// Run moves the master. A refusal is an error, and so is an end of the time (ctl.TimedOut); the mesh goes on trying in both cases.
func Run(ctx context.Context, m Mesh, o Options) error {
	limited, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	before, err := m.Look(limited)
	if err != nil {
		return err
	}
	if before.Node == "" {
		return fmt.Errorf("the master of %s was never seen to serve, so that there is nothing to move", o.Store)
	}
	if before.Node != o.Node && o.WithoutMaster && o.Confirm != nil {
		ok, err := o.Confirm(fmt.Sprintf("The master on %s is not asked: what only it has is lost. Make the clone on %s the master?", before.Node, o.Node))
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("nothing was done")
		}
	}
	if err := m.Begin(limited); err != nil {
		return err
	}
	err = follow(limited, m, o)
	if ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return ctl.TimedOut(fmt.Errorf("the master of %s is not on %s after %v; the mesh goes on", o.Store, o.Node, o.Timeout))
	}
	return err
}

// follow waits for the end of a move.
func follow(ctx context.Context, m Mesh, o Options) error {
	said, refused := "", time.Time{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s, err := m.Look(ctx)
		if err != nil {
			return err
		}
		if s.Current && s.Node == o.Node {
			_, err := fmt.Fprintf(o.Out, "the master of %s is on %s, epoch %d\n", o.Store, s.Node, s.Epoch)
			return err
		}
		if s.Current && s.Words != "" && s.Words != said {
			said = s.Words
			fmt.Fprintln(o.Notes, said)
		}
		switch {
		case !s.Current || !s.Refused:
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		case time.Since(refused) >= refusedFor:
			return fmt.Errorf("refused: %s; it stays on %s, and is tried again until it is moved to where it is", s.Words, s.Node)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
