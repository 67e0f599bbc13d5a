// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// storeOptions are those of a master's backend, as the reference has them, and those of clones.
type storeOptions struct {
	backend, path string
	maxBytes      int64
	sqlite        sqlite.Options
	master        store.MasterOptions
	clone         store.CloneOptions
	bad           error // what makes the backend unusable
}

// The prefixes of the enum values of SQLite's options.
const (
	synchronousPrefix = "Broker::SQLITE_SYNCHRONOUS_"
	journalPrefix     = "Broker::SQLITE_JOURNAL_MODE_"
	failurePrefix     = "Broker::SQLITE_FAILURE_MODE_"
)

// parseStoreOptions reads a table. As in the reference, options that are not known are ignored, and a backend whose options are wrong
// can't be opened.
func parseStoreOptions(encoded []byte) (*storeOptions, error) {
	o := &storeOptions{backend: "memory"}
	err := eachOption(encoded, func(name string, v data.Value) error {
		switch name {
		case "backend":
			return o.setBackend(v)
		case "expiry":
			return setTimespan(name, v, &o.master.Expiry)
		case "stale_interval":
			return setTimespan(name, v, &o.clone.StaleAfter)
		case "resync_interval", "mutation_buffer_interval":
			return setTimespan(name, v, new(time.Duration))
		default:
			if err := o.setBackendOption(name, v); err != nil && o.bad == nil {
				o.bad = err
			}
			return nil
		}
	})
	o.clone.StaleAfter = max(0, o.clone.StaleAfter)
	return o, err
}

func (o *storeOptions) setBackend(v data.Value) error {
	name, _ := v.AsString()
	switch name {
	case "memory", "sqlite", "pebble":
		o.backend = name
		return nil
	}
	return wrong("option \"backend\" is %s, allowed: \"memory\", \"sqlite\", \"pebble\"", v.Text())
}

func setTimespan(name string, v data.Value, to *time.Duration) error {
	d, ok := v.AsTimespan()
	if !ok {
		return wrong("option %q is of kind %s, a timespan is wanted", name, v.Kind())
	}
	*to = d
	return nil
}

func (o *storeOptions) setBackendOption(name string, v data.Value) (err error) {
	ok := true
	switch name {
	case "path":
		o.path, ok = v.AsString()
	case "max_bytes":
		var n uint64
		n, ok = asCount(v)
		o.maxBytes = int64(min(n, math.MaxInt64))
	case "synchronous":
		var s string
		s, ok = choice(v, synchronousPrefix, "OFF", "NORMAL", "FULL", "EXTRA")
		o.sqlite.Synchronous = sqlite.Synchronous(s)
	case "journal_mode":
		var s string
		s, ok = choice(v, journalPrefix, "DELETE", "WAL")
		if o.sqlite.JournalMode = sqlite.JournalMode(s); s == "Wal" {
			o.sqlite.JournalMode = sqlite.WAL
		}
	case "failure_mode":
		var s string
		s, ok = choice(v, failurePrefix, "DELETE", "FAIL")
		o.sqlite.DeleteOnFailure = s == "Delete"
	case "integrity_check":
		o.sqlite.IntegrityCheck, ok = v.AsBoolean()
	}
	if !ok {
		return fmt.Errorf("option %q can't be %s of kind %s", name, v.Text(), v.Kind())
	}
	return nil
}

// choice is what an enum value names, with a capital letter in front.
func choice(v data.Value, prefix string, allowed ...string) (string, bool) {
	name, ok := v.AsEnum()
	if !ok || !strings.HasPrefix(name, prefix) {
		return "", false
	}
	name = name[len(prefix):]
	for _, a := range allowed {
		if a == name {
			return name[:1] + strings.ToLower(name[1:]), true
		}
	}
	return "", false
}

// openBackend opens what the options say. Every failure is code.BackendFailure.
func (o *storeOptions) openBackend() (backend.Backend, error) {
	switch {
	case o.backend == "memory":
		return memory.Open(memory.Options{MaxBytes: o.maxBytes}), nil
	case o.bad != nil:
		return nil, fmt.Errorf("%s: %w: %w", o.backend, o.bad, code.BackendFailure)
	case o.path == "":
		return nil, fmt.Errorf("%s: option \"path\" is missing: %w", o.backend, code.BackendFailure)
	case o.backend == "sqlite":
		b, err := sqlite.Open(o.path, o.sqlite)
		if err != nil {
			return nil, backendFailure(err)
		}
		return b, nil
	}
	sync := pebble.Full
	if o.sqlite.Synchronous == sqlite.Off {
		sync = pebble.Off
	}
	b, err := pebble.Open(o.path, pebble.Options{Sync: sync})
	if err != nil {
		return nil, backendFailure(err)
	}
	return b, nil
}

func backendFailure(err error) error {
	if errors.Is(err, code.BackendFailure) {
		return err
	}
	return fmt.Errorf("%w: %w", err, code.BackendFailure)
}
