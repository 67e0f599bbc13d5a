// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync/atomic"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

type requestKind uint8

const (
	commandRequest requestKind = iota // a command from the bus
	getRequest
	existsRequest
	keysRequest
	indexRequest
	sizeRequest
	snapshotRequest
	watchRequest
	writeRequest
	batchRequest
	idleRequest
	adoptRequest
	markedRequest
	copyRequest
	leaveRequest
	promoteRequest
	compactRequest
)

// read is what a caller wants to know.
type read struct {
	kind       requestKind
	key, index data.Value
	// whole makes a master read all keys itself, which holds up writers; a copy that is whole begins anew.
	whole bool
	// epoch is that of a promotion, or of the master to follow.
	epoch uint64
	// maintain is what a compaction does.
	maintain func() error
}

// request is a read, or the wish to be told when all is quiet, that waits for the frontend's goroutine.
type request struct {
	read
	done chan answer
	// abandoned is set when the caller no longer waits.
	abandoned atomic.Bool
}

// answer is what comes back.
type answer struct {
	reading Reading
	value   data.Value
	ok      bool
	size    backend.Size
	// content is what snapshot reads.
	content  backend.Snapshot
	snapshot *Snapshot
	// number is where the history is, watchers are those of the frontend.
	number   uint64
	watchers *watchers
	// copied is what TakeOver wants.
	copied *copied
	err    error
}

// answer tells the caller, if it still waits.
func (r *request) answer(a answer) {
	select {
	case r.done <- a:
	default:
	}
	if r.abandoned.Load() {
		r.discard()
	}
}

// abandon is what a caller does that waits no longer. Either it finds an answer that came meanwhile, or who answers finds that nobody
// takes it.
func (r *request) abandon() {
	r.abandoned.Store(true)
	r.discard()
}

// discard closes a snapshot that nobody takes.
func (r *request) discard() {
	select {
	case a := <-r.done:
		if a.snapshot != nil {
			a.snapshot.Close()
		}
		if a.copied != nil {
			a.copied.content.Close()
		}
	default:
	}
}

// operations are the methods that masters and clones have in common. All of them may be called from any goroutine. They end with the
// context's error when the context ends; a write that was taken in by then is executed all the same.
type operations struct {
	changes
	name string
	in   *inbox
	// direct answers a read in the caller's goroutine if nothing waits in front of it; nil: never.
	direct func(read) (a answer, ok bool)
	// maxEntry bounds the size of entries; 0: not at all.
	maxEntry int
}

func newOperations(name string, in *inbox, maxEntry int) *operations {
	o := &operations{name: name, in: in, maxEntry: maxEntry}
	o.changes = changes{o}
	return o
}

func (o *operations) do(ctx context.Context, r read) (answer, error) {
	if r.key.TooDeep() || r.index.TooDeep() {
		return answer{}, code.InvalidData
	}
	if o.direct != nil && ctx.Err() == nil {
		if a, ok := o.direct(r); ok {
			return a, a.err
		}
	}
	req := &request{read: r, done: make(chan answer, 1)}
	it := item{kind: r.kind, req: req, bytes: itemBytes + r.key.BinarySize() + r.index.BinarySize()}
	if _, err := o.in.write(ctx, it); err != nil {
		return answer{}, err
	}
	select {
	case a := <-req.done:
		return a, a.err
	case <-ctx.Done():
		req.abandon()
		return answer{}, ctx.Err()
	}
}

// Name is the name of the store.
func (o *operations) Name() string { return o.name }

// Get is the value of a key. Errors: code.NoSuchKey; code.BackendFailure of a master; code.StaleData of a clone that never had content.
func (o *operations) Get(ctx context.Context, key data.Value) (data.Value, error) {
	a, err := o.do(ctx, read{kind: getRequest, key: data.Canonical(key)})
	return a.value, err
}

// Exists tells whether there is a value under a key.
func (o *operations) Exists(ctx context.Context, key data.Value) (bool, error) {
	a, err := o.do(ctx, read{kind: existsRequest, key: data.Canonical(key)})
	return a.ok, err
}

// Keys is the set of all keys.
func (o *operations) Keys(ctx context.Context) (data.Value, error) {
	a, err := o.do(ctx, read{kind: keysRequest})
	if err != nil || a.snapshot == nil {
		return a.value, err
	}
	defer a.snapshot.Close()
	keys := make([]data.Value, 0, a.snapshot.Size().Entries)
	for e, err := range a.snapshot.Entries() {
		if err != nil { // the snapshot was given up, or the backend has to be told
			a, err = o.do(ctx, read{kind: keysRequest, whole: true})
			return a.value, err
		}
		keys = append(keys, e.Key)
	}
	return data.Set(keys...), ctx.Err()
}

// GetIndex looks into the value of a key: an element of a vector, the value of a table's entry, whether a set has an element; of any
// other value it answers the value itself. Errors: code.NoSuchKey for the key as for the index, code.TypeClash.
func (o *operations) GetIndex(ctx context.Context, key, index data.Value) (data.Value, error) {
	a, err := o.do(ctx, read{kind: indexRequest, key: data.Canonical(key), index: index})
	return a.value, err
}

// Size tells how much the store holds.
func (o *operations) Size(ctx context.Context) (backend.Size, error) {
	a, err := o.do(ctx, read{kind: sizeRequest})
	return a.size, err
}

// AwaitIdle waits until nothing is on its way: at a master until all clones have everything, at a clone until it is attached, has all
// that it knows of, and its writes are executed.
func (o *operations) AwaitIdle(ctx context.Context) error {
	_, err := o.do(ctx, read{kind: idleRequest})
	return err
}
