// SPDX-License-Identifier: Apache-2.0

// Package backend is what a master needs of the storage below it, and how values are added to and subtracted from (spec/stores.md
// 6.3 and 7, spec/data.md 7). The implementations are in folders of their own, and backendtest has the suite that all of them pass.
package backend

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Backend holds the entries of one store. Its methods are called from one goroutine at a time.
//
// Keys are told apart by the bytes of their canonical form, and the caller hands over nothing but canonical keys and values
// (data.Canonical). Changes are visible at once to Get, Expiring, Size, Meta and Metas, and are kept when Commit has returned; until
// then they are one transaction, of which Close without Commit leaves nothing. After any error but those that say otherwise the state
// is not defined, the owner calls nothing but Close.
type Backend interface {
	// Get answers what is stored under a key. The entry stays as it is when the backend is changed.
	Get(key data.Value) (e Entry, ok bool, err error)
	// Put stores an entry in the place of the one with its key.
	Put(e Entry) error
	// Erase removes a key and answers whether it was there.
	Erase(key data.Value) (bool, error)
	// Clear removes all entries. Metas stay.
	Clear() error
	// Expiring are the keys and deadlines of the entries that have a deadline, in any order and without values. Other entries are not
	// looked at. Nothing may be changed while they are read.
	Expiring() iter.Seq2[Entry, error]
	// Size tells how much is stored.
	Size() Size
	// Snapshot is the content as of the last Commit. There may be any number at a time.
	Snapshot() (Snapshot, error)
	// Meta is a small value of the store itself, beside the entries and in the same transaction; nil: there is none.
	Meta(name string) ([]byte, error)
	// SetMeta replaces the value under a name. It keeps a copy; nil removes the name.
	SetMeta(name string, value []byte) error
	// Metas are those whose names begin with the prefix, ascending by name. Nothing may be changed while they are read.
	Metas(prefix string) iter.Seq2[Meta, error]
	// Commit makes what was changed since the last Commit durable, as far as the backend promises that.
	Commit() error
	// Close releases everything. Snapshots are closed before. A second call does nothing.
	Close() error
}

// Snapshot is the content of a backend at one moment. It stays as it is while the backend is changed, and may be used by another
// goroutine than the backend's, but by one at a time.
type Snapshot interface {
	// Entries are all entries in any order, ErrSnapshotTooOld where the backend has given the snapshot up.
	Entries() iter.Seq2[Entry, error]
	// Get answers what was stored under a key.
	Get(key data.Value) (e Entry, ok bool, err error)
	// Size tells how much there was.
	Size() Size
	// Close releases what is kept for the snapshot. A second call does nothing.
	Close() error
}

// ErrSnapshotTooOld is the answer of a snapshot that would take more memory than its backend may spend on it.
var ErrSnapshotTooOld = errors.New("backend: the snapshot is too old, too much has changed since")

// ErrFull is the answer to a Put of a backend that may hold no more. It changes nothing, and everything else goes on.
var ErrFull = errors.New("backend: the store holds as much as it may")

// Swapper is a backend that can answer what a Put replaces for less than a Get.
type Swapper interface {
	// Swap is Put, and answers the entry that was there.
	Swap(e Entry) (old Entry, ok bool, err error)
}

// Warmer is a backend whose calls wait for memory less if it is told of their keys before.
type Warmer interface {
	// Warm says which keys the next calls are about. It changes nothing.
	Warm(keys []data.Value)
}

// Volatile is a backend of which nothing is left when it is closed.
type Volatile interface {
	// Volatile marks the backend.
	Volatile()
}

// Bounded is a backend that answers ErrFull.
type Bounded interface {
	// Room is how many bytes may come, counting the growth of encoded keys and values and 64 bytes for each new entry; false: any.
	Room() (bytes int64, bounded bool)
}

// Meta is a small value of the store itself.
type Meta struct {
	Name  string
	Value []byte
}

// Entry is a key with its value and the time at which it expires.
type Entry struct {
	Key, Value data.Value
	Deadline   Deadline
}

// Size is how much a store holds.
type Size struct {
	// Entries is their number, Bytes the length of their encoded keys and values.
	Entries, Bytes int64
}

// Deadline is a wall clock time in nanoseconds since 1970, as database files hold it.
type Deadline int64

// Never is the deadline of entries that stay.
const Never Deadline = math.MaxInt64

// DeadlineAfter is the deadline d after t, which is Never if it can't be written down.
func DeadlineAfter(t time.Time, d time.Duration) Deadline {
	now := t.UnixNano()
	if d > 0 && now > math.MaxInt64-int64(d) {
		return Never
	}
	return Deadline(now + int64(d))
}

// Passed tells whether the deadline lies before t.
func (d Deadline) Passed(t time.Time) bool { return d != Never && t.UnixNano() > int64(d) }

// Error is a failure of the storage. It matches code.BackendFailure as well as its cause.
type Error struct {
	// Path is the file or folder, Act what was tried with it.
	Path, Act string
	Err       error
}

// Failure is an *Error, or nil if err is nil.
func Failure(path, act string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Path: path, Act: act, Err: err}
}

// Error names the file, the act and the cause.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Path, e.Act, e.Err) }

// Unwrap makes errors.Is find the code and the cause.
func (e *Error) Unwrap() []error { return []error{code.BackendFailure, e.Err} }
