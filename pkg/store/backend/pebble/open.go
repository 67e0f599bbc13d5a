// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Nodes live in little memory, and most stores are small: what Pebble keeps for itself is bounded here.
const (
	cacheBytes    = 1 << 20
	memTableBytes = 1 << 20
	maxOpenFiles  = 64
)

// Open opens or makes the database in the folder dir, and the folders above it. Errors are of type *backend.Error.
func Open(dir string) (*Backend, error) {
	b := &Backend{path: dir, log: new(logger)}
	if dir == "" {
		return nil, backend.Failure(b.path, "open", errors.New("a folder is required"))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, backend.Failure(b.path, "make folder", err)
	}
	cache := pebble.NewCache(cacheBytes)
	defer cache.Unref()
	db, err := pebble.Open(dir, &pebble.Options{
		Cache: cache, MemTableSize: memTableBytes, MaxOpenFiles: maxOpenFiles,
		FormatMajorVersion:         pebble.FormatNewest,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
		Logger:                     b.log,
	})
	if err != nil {
		return nil, backend.Failure(b.path, "open", err)
	}
	b.db = db
	if err := b.load(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// load reads what the folder says about itself, and says so in a new one.
func (b *Backend) load() error {
	found, err := b.fact(versionKey)
	if err != nil {
		return err
	}
	switch string(found) {
	case version:
	case "":
		return backend.Failure(b.path, "write version", b.db.Set(versionKey, []byte(version), pebble.Sync))
	default:
		return backend.Failure(b.path, "open", fmt.Errorf("the folder has layout version %q, this program knows %s", found, version))
	}
	size, err := b.fact(sizeKey)
	b.size = decodeSize(size)
	return err
}

func decodeSize(b []byte) backend.Size {
	if len(b) != 16 {
		return backend.Size{}
	}
	return backend.Size{Entries: int64(binary.BigEndian.Uint64(b)), Bytes: int64(binary.BigEndian.Uint64(b[8:]))}
}

// fact is a copy of what is stored under a key, empty if nothing.
func (b *Backend) fact(key []byte) ([]byte, error) {
	value, closer, err := b.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, backend.Failure(b.path, "read "+string(key[1:]), err)
	}
	defer closer.Close()
	return append([]byte(nil), value...), nil
}

// logger keeps Pebble quiet, and keeps its first fatal error: Pebble expects the process to end then, here the next commit fails.
type logger struct {
	fatal atomic.Pointer[error]
}

// Infof says nothing.
func (*logger) Infof(string, ...any) {}

// Errorf says nothing: what matters comes back as an error from a call.
func (*logger) Errorf(string, ...any) {}

// Fatalf keeps the error.
func (l *logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.fatal.CompareAndSwap(nil, &err)
}

func (l *logger) failure() error {
	if err := l.fatal.Load(); err != nil {
		return *err
	}
	return nil
}
