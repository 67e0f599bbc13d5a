// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"fmt"
	"log/slog"
	"strings"
)

// Synchronous is how hard SQLite makes sure that a commit is on disk. The empty value means Full.
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
	// DeleteOnFailure makes a file that can't be opened, or is damaged, be removed, and a new one made in its place. A file that another
	// program has open, or that a newer version wrote, stays.
	DeleteOnFailure bool
	// IntegrityCheck makes SQLite check every page and index when the file is opened, beside the checksums, which are always checked.
	IntegrityCheck bool
	// Log gets a line when the file was changed by another program, or was migrated. Nil: none.
	Log *slog.Logger

	// vfs names another file system than the package's own, cacheKiB is what SQLite keeps of the file in memory,
	// chunks how many chunks of checksums, and boot is what thisBoot would answer; for tests.
	vfs      string
	cacheKiB int
	chunks   int
	boot     uint64
}

func (o *Options) validate() error {
	switch o.Synchronous {
	case "":
		o.Synchronous = Full
	case Off, Normal, Full, Extra:
	default:
		return fmt.Errorf("synchronous is %q: allowed: Off, Normal, Full, Extra", o.Synchronous)
	}
	switch o.JournalMode {
	case "", Delete, WAL:
	default:
		return fmt.Errorf("journal_mode is %q: allowed: Delete, WAL", o.JournalMode)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.vfs == "" {
		o.vfs = diskName
	}
	if o.cacheKiB == 0 {
		o.cacheKiB = cacheKiB
	}
	if o.boot == 0 {
		o.boot = thisBoot()
	}
	if o.chunks == 0 {
		o.chunks = keptChunks
	}
	return nil
}

// pragmas are the statements that come before everything else.
func (o *Options) pragmas() []string {
	out := []string{
		"PRAGMA synchronous = " + strings.ToUpper(string(o.Synchronous)),
	}
	if o.JournalMode != "" {
		out = append(out, "PRAGMA journal_mode = "+strings.ToUpper(string(o.JournalMode)))
	}
	return append(out,
		fmt.Sprintf("PRAGMA cache_size = -%d", o.cacheKiB),
		fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages),
		fmt.Sprintf("PRAGMA journal_size_limit = %d", journalLimit),
		"PRAGMA temp_store = MEMORY",
	)
}

const (
	// cacheKiB is what SQLite may keep of the file in memory, unless something else is said.
	cacheKiB = 16 << 10
	// checkpointPages is how long the write-ahead log gets before its pages go to the file.
	checkpointPages = 4000
	// journalLimit is what remains of a journal after a larger transaction.
	journalLimit = 16 << 20
)
