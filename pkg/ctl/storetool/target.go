// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/look"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Options say which store a command works with, and how it talks.
type Options struct {
	client.Options
	// Name is the store's name as programs attach it. With File it is not used.
	Name string
	// File is a database to work with instead of a mesh: an SQLite file, or the
	// folder of a Pebble database.
	File string
	// Backend says what File shall be if it isn't there: sqlite or pebble; empty:
	// it has to be there.
	Backend string
	// JSON prints documents instead of text.
	JSON bool
	// Out is for results, Notes for what is worth knowing besides.
	Out, Notes io.Writer
	// Progress, if not nil, is a terminal that shows how far the work is.
	Progress io.Writer
}

// frontend is what commands do with a store.
type frontend interface {
	Get(ctx context.Context, key data.Value) (data.Value, error)
	Write(ctx context.Context, w store.Write) error
	PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error)
	Apply(ctx context.Context, b store.Batch) error
	Size(ctx context.Context) (backend.Size, error)
}

// target is the store of a command.
type target struct {
	frontend
	o Options
	// what names the store in messages.
	what string
	// remote is nil if the master answers no questions, or it is a file.
	remote *store.Remote
	// clone is what is used instead of a remote, master that of a file.
	clone  *store.Clone
	master *store.Master
	// session is the way to the mesh, names those of nodes once they were asked.
	session client.Session
	names   map[data.EndpointID]string
	// entries reads everything; keysOnly may leave the values out.
	entries func(ctx context.Context, keysOnly bool) iter.Seq2[backend.Entry, error]
}

// with finds the store and calls do.
func (o Options) with(ctx context.Context, do func(*target) error) error {
	if o.File != "" {
		return o.withFile(ctx, do)
	}
	if o.Name == "" {
		return ctl.BadInput(errors.New("the NAME of the store is missing"))
	}
	return client.With(ctx, o.Options, func(s client.Session) error { return o.online(ctx, s, do) })
}

// online works with a store of the mesh.
func (o Options) online(ctx context.Context, s client.Session, do func(*target) error) (err error) {
	remote, err := o.remote(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remote.Close()) }()
	asking, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	switch _, err := remote.Master(asking); {
	case errors.Is(err, store.ErrForeignMaster):
		return o.attach(ctx, s, do)
	case err != nil:
		return o.failure(asking, fmt.Errorf("ask the master of store %s: %w", o.Name, err))
	}
	t := &target{frontend: remote, o: o, what: "store " + o.Name, remote: remote, session: s}
	t.entries = func(ctx context.Context, keysOnly bool) iter.Seq2[backend.Entry, error] {
		return func(yield func(backend.Entry, error) bool) {
			scan, err := remote.Scan(ctx, store.ScanOptions{KeysOnly: keysOnly})
			if err != nil {
				yield(backend.Entry{}, err)
				return
			}
			defer scan.Close()
			scan.Entries(ctx)(yield)
		}
	}
	return o.failure(ctx, do(t))
}

func (o Options) remote(s client.Session) (*store.Remote, error) {
	const most = 50 * time.Second
	return store.NewRemote(s.Endpoint, o.Name, store.RemoteOptions{
		Timeout: min(o.Timeout, most), FindTimeout: min(o.Timeout/2, 2*time.Second),
	})
}

// attach works with a clone of the store: it copies the whole of it, which is
// the only way that every kind of master knows. The peer has to hold a foreign
// master itself.
func (o Options) attach(ctx context.Context, s client.Session, do func(*target) error) (err error) {
	clone, err := store.NewClone(s.Endpoint, o.Name, store.CloneOptions{})
	if err != nil {
		return fmt.Errorf("attach to store %s: %w", o.Name, err)
	}
	defer func() { err = errors.Join(err, clone.Close()) }()
	asking, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if err := attached(asking, clone); err != nil {
		return o.failure(asking, fmt.Errorf("no master of store %s answers by way of %s within %v (one of C++ Broker must be at the peer itself): %w", o.Name, o.Peer, o.Timeout, err))
	}
	fmt.Fprintf(o.Notes, "the master of store %s answers no questions: copied all of it as a clone\n", o.Name)
	t := &target{frontend: clone, o: o, what: "store " + o.Name, clone: clone}
	t.entries = func(ctx context.Context, _ bool) iter.Seq2[backend.Entry, error] { return clone.Entries(ctx) }
	return o.failure(ctx, do(t))
}

// attached waits until the clone has the master's state.
func attached(ctx context.Context, clone *store.Clone) error {
	for {
		changed := clone.Changed()
		if clone.Status().State == store.StateSynced {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failure marks an error if it is the given time that is over.
func (o Options) failure(ctx context.Context, err error) error {
	if err != nil && (errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, code.RequestTimeout)) {
		return ctl.TimedOut(err)
	}
	return err
}

// bounded is a context for one step that is answered at once.
func (t *target) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.o.Timeout <= 0 { // a file
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, t.o.Timeout)
}

// step does one such step.
func (t *target) step(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := t.bounded(ctx)
	defer cancel()
	return t.o.failure(ctx, do(ctx))
}

// masterReport is what the store's master says of itself.
func (t *target) masterReport(ctx context.Context) (master store.Report, err error) {
	err = t.step(ctx, func(ctx context.Context) (err error) {
		master, err = t.remote.Master(ctx)
		return err
	})
	return master, err
}

// askNames asks the nodes of the mesh for their names. That they don't answer
// doesn't matter.
func (t *target) askNames(ctx context.Context) {
	p, err := look.Around(ctx, t.session, min(t.o.Timeout, 2*time.Second))
	if err != nil {
		return
	}
	t.names = map[data.EndpointID]string{}
	for i := range p.Reports {
		id := p.Reports[i].ID
		if name := p.Name(id); name != look.Short(id) {
			t.names[id] = name
		}
	}
}

// name is that of a node, else its ID.
func (t *target) name(id data.EndpointID) string {
	if name := t.names[id]; name != "" {
		return name
	}
	return id.String()
}
