// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// The backends that have files.
const (
	backendSQLite = "sqlite"
	backendPebble = "pebble"
)

// openFile opens a database exclusively.
func (o Options) openFile() (be backend.Backend, kind string, err error) {
	if kind, err = o.fileKind(); err != nil {
		return nil, "", ctl.BadInput(err)
	}
	if kind == backendPebble {
		be, err = asBackend(pebble.Open(o.File, pebble.Options{}))
	} else {
		be, err = asBackend(sqlite.Open(o.File, sqlite.Options{}))
	}
	if err != nil {
		return nil, kind, fmt.Errorf("--file: open as %s: %w", kind, err)
	}
	return be, kind, nil
}

// asBackend keeps a nil pointer from becoming an interface that is not nil.
func asBackend[B backend.Backend](be B, err error) (backend.Backend, error) {
	if err != nil {
		return nil, err
	}
	return be, nil
}

// fileKind says what the file is, or shall be.
func (o Options) fileKind() (string, error) {
	switch o.Backend {
	case "", backendSQLite, backendPebble:
	default:
		return "", fmt.Errorf("--backend: %q: allowed: sqlite, pebble", o.Backend)
	}
	info, err := os.Stat(o.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.Backend != "":
		return o.Backend, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("--file %s: there is no such file or folder", o.File)
	case err != nil:
		return "", fmt.Errorf("--file: %w", err)
	}
	kind := backendSQLite
	if info.IsDir() {
		kind = backendPebble
	}
	if o.Backend != "" && o.Backend != kind {
		return "", fmt.Errorf("--file %s: it is a %s database, and not one of %s as --backend says", o.File, kind, o.Backend)
	}
	return kind, nil
}

// withFile works with a database: by a master of its own, so that what is
// written takes numbers of the store's history, and clones hear of it later.
func (o Options) withFile(ctx context.Context, do func(*target) error) (err error) {
	if o.Peer != "" {
		return ctl.BadInput(errors.New("--peer and --file exclude each other"))
	}
	be, _, err := o.openFile()
	if err != nil {
		return err
	}
	master, err := store.NewMaster(nowhere{data.NewEndpointID()}, "file", be, store.MasterOptions{})
	if err != nil {
		return fmt.Errorf("--file %s: %w", o.File, err)
	}
	defer func() { err = errors.Join(err, master.Close()) }()
	t := &target{frontend: master, o: o, what: o.File, master: master}
	t.entries = func(ctx context.Context, _ bool) iter.Seq2[backend.Entry, error] { return master.Entries(ctx) }
	return do(t)
}

// nowhere is an endpoint without peers and stores.
type nowhere struct{ id data.EndpointID }

func (n nowhere) ID() data.EndpointID { return n.id }

func (nowhere) AttachStore(string, func([]byte)) (func(), error) { return func() {}, nil }

func (nowhere) SendCommand(string, data.EndpointID, []byte) error { return nil }

func (nowhere) PublishLocal(string, data.Value) {}
