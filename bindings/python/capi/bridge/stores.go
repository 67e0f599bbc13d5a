// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// storeKey is what a store is found by at its endpoint.
type storeKey struct {
	name   string
	master bool
}

// operations are what masters and clones have in common.
type operations interface {
	store.ProxyFrontend
	Size(ctx context.Context) (backend.Size, error)
	Status() store.Status
	WriteAsync(w store.Write) *store.Pending
	Write(ctx context.Context, w store.Write) error
	Apply(ctx context.Context, b store.Batch) error
	AwaitIdle(ctx context.Context) error
	Snapshot(ctx context.Context) (*store.Snapshot, error)
	Watch(ctx context.Context, w store.WatchOptions) iter.Seq2[store.Change, error]
	Close() error
}

// frontend is a master or clone. It lives until its endpoint ends or it is detached, whatever handles there are.
type frontend struct {
	operations
	e   *endpoint
	key storeKey
	mu  struct {
		sync.Mutex
		under  []underWay // writes that may not be done yet, oldest first
		bytes  int
		failed uint64 // writes that nobody waited for
		last   error  // of the last of them
	}
}

// storeHandle is a handle of a frontend.
type storeHandle struct{ *frontend }

func (s *storeHandle) close()           {}
func (s *storeHandle) owner() *endpoint { return s.e }

// AttachStore attaches a master or clone to an endpoint, or answers another handle of the one that is there.
func AttachStore(h Handle, master bool, name string, options []byte) (Handle, error) {
	e, err := find[*endpoint](h)
	if err != nil {
		return 0, err
	}
	if name == "" {
		return 0, wrong("name: it is empty")
	}
	o, err := parseStoreOptions(options)
	if err != nil {
		return 0, err
	}
	f, err := e.attach(storeKey{name, master}, o)
	if err != nil {
		return 0, err
	}
	return objects.add(&storeHandle{f}), nil
}

func (e *endpoint) attach(key storeKey, o *storeOptions) (*frontend, error) {
	e.attaching.Lock()
	defer e.attaching.Unlock()
	e.mu.Lock()
	f, other, ending := e.mu.stores[key], e.mu.stores[storeKey{key.name, true}], e.mu.ending
	e.mu.Unlock()
	switch {
	case ending:
		return nil, errClosed
	case f != nil:
		return f, nil
	case !key.master && other != nil:
		return nil, code.NoSuchMaster
	case key.master && e.knowsMaster(key.name):
		return nil, code.MasterExists
	}
	f = &frontend{e: e, key: key}
	if err := f.open(o); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.ending {
		return nil, errors.Join(errClosed, f.Close())
	}
	e.mu.stores[key] = f
	return f, nil
}

// open starts the frontend. The nil ones are kept out of the interface.
func (f *frontend) open(o *storeOptions) error {
	if !f.key.master {
		c, err := store.NewClone(f.e.Endpoint, f.key.name, o.clone)
		if err != nil {
			return err
		}
		f.operations = c
		return nil
	}
	be, err := o.openBackend()
	if err != nil {
		return err
	}
	m, err := store.NewMaster(f.e.Endpoint, f.key.name, be, o.master)
	if err != nil {
		return err
	}
	f.operations = m
	return nil
}

// knowsMaster tells whether a peer asks for what only a master of the store does.
func (e *endpoint) knowsMaster(name string) bool {
	want := topic.Master(name)
	return slices.ContainsFunc(e.standing(), func(p broker.PeerInfo) bool { return slices.Contains(p.Filter, want) })
}

// detach ends the frontend on its endpoint.
func (f *frontend) detach(context.Context) error {
	f.e.attaching.Lock()
	defer f.e.attaching.Unlock()
	f.e.mu.Lock()
	if f.e.mu.stores[f.key] == f {
		delete(f.e.mu.stores, f.key)
	}
	f.e.mu.Unlock()
	return f.Close()
}

// farewell is how long the end of a clone waits for its master to carry out what was written last.
const farewell = time.Second

// end ends the frontend with its endpoint.
func (f *frontend) end() error {
	if st := f.Status(); !f.key.master && st.State == store.StateSynced {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		f.mu.Lock()
		under := slices.Clone(f.mu.under)
		f.mu.Unlock()
		for _, u := range under {
			_ = u.Wait(ctx)
		}
	}
	return f.Close()
}

// query answers questions about the store that need no waiting.
func (s *storeHandle) query(op string, a *arguments) (data.Value, error) {
	if err := a.end(); err != nil {
		return data.Value{}, err
	}
	switch op {
	case "status":
		return s.status(), nil
	case "name":
		return data.String(s.key.name), nil
	}
	return data.Value{}, unknownOperation(op)
}

// status is a table of what brokermesh.h lists.
func (f *frontend) status() data.Value {
	st := f.Status()
	f.mu.Lock()
	f.sweepLocked()
	failed, last := f.mu.failed, f.mu.last
	f.mu.Unlock()
	text := func(err error) data.Value {
		if err == nil {
			return data.String("")
		}
		return data.String(err.Error())
	}
	entry := func(name string, v data.Value) data.Entry { return data.Entry{Key: data.String(name), Value: v} }
	return data.Table(
		entry("name", data.String(st.Name)), entry("role", data.String(st.Role.String())), entry("state", data.String(st.State.String())),
		entry("entries", data.Count(uint64(max(0, st.Entries)))), entry("bytes", data.Count(uint64(max(0, st.Bytes)))),
		entry("sequence", data.Count(st.Sequence)), entry("lag", data.Count(st.Lag)), entry("clones", data.Count(uint64(st.Clones))),
		entry("writes_waiting", data.Count(uint64(st.WritesWaiting))), entry("writes_unknown", data.Count(st.WritesUnknown)),
		entry("writes_failed", data.Count(failed)), entry("stale", data.Boolean(st.State == store.StateStale)),
		entry("error", text(st.Err)), entry("last_failure", text(last)),
	)
}
