// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"fmt"
	"strings"
)

// Synchronous is how hard SQLite makes sure that a commit is on disk. The empty value leaves SQLite's default, which is Full.
type Synchronous string

// The values of PRAGMA synchronous.
const (
	Off    Synchronous = "Off"
	Normal Synchronous = "Normal"
	Full   Synchronous = "Full"
	Extra  Synchronous = "Extra"
)

// JournalMode is how SQLite makes commits atomic. The empty value leaves what the file says, which is Delete for a new one.
type JournalMode string

// The values of PRAGMA journal_mode that the reference offers.
const (
	Delete JournalMode = "Delete"
	WAL    JournalMode = "WAL"
)

// Options configure a database.
type Options struct {
	Synchronous Synchronous
	JournalMode JournalMode
	// DeleteOnFailure makes a file that can't be opened be removed, and a new one made in its place.
	DeleteOnFailure bool
	// IntegrityCheck makes SQLite read through the whole file when it is opened.
	IntegrityCheck bool
}

func (o Options) validate() error {
	switch o.Synchronous {
	case "", Off, Normal, Full, Extra:
	default:
		return fmt.Errorf("synchronous is %q: allowed: Off, Normal, Full, Extra", o.Synchronous)
	}
	switch o.JournalMode {
	case "", Delete, WAL:
	default:
		return fmt.Errorf("journal mode is %q: allowed: Delete, WAL", o.JournalMode)
	}
	return nil
}

// pragmas are the statements that come before everything else.
func (o Options) pragmas() []string {
	var out []string
	if o.Synchronous != "" {
		out = append(out, "PRAGMA synchronous = "+strings.ToUpper(string(o.Synchronous)))
	}
	if o.JournalMode != "" {
		out = append(out, "PRAGMA journal_mode = "+strings.ToUpper(string(o.JournalMode)))
	}
	return out
}
