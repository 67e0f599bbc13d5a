// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"errors"
	"fmt"

	sqlite3 "github.com/ncruces/go-sqlite3"
)

// ErrInUse is the error of opening a file that another program has open, or this one has twice.
var ErrInUse = errors.New("another program has the file open")

// ErrNewer is the error of opening a file that a newer version has written.
var ErrNewer = errors.New("the file is of a newer format")

// ErrDamaged is the error of a file whose content is not what was written.
var ErrDamaged = errors.New("the file is damaged")

var (
	errClosed   = errors.New("it is closed")
	errChecksum = fmt.Errorf("does not match its checksum: %w", ErrDamaged)
)

// withRemedy adds to an error what can be done.
func withRemedy(err error) error {
	if errors.Is(err, errClosed) || errors.Is(err, ErrNewer) {
		return err
	}
	var code sqlite3.ErrorCode
	remedy := "see what the cause says, then start the store again"
	switch errors.As(err, &code); {
	case errors.Is(err, errLost):
		remedy = "put a backup of the file and of what stands beside it in their place, or remove that " + markSuffix +
			" to go on with what is left"
	case errors.Is(err, ErrDamaged), errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB), errors.Is(err, sqlite3.IOERR_DATA):
		remedy = "put a backup in its place, or keep a copy and save what is readable with `sqlite3 FILE .recover`"
		if !errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	case errors.Is(err, sqlite3.FULL):
		remedy = "the disk is full: make room, then start the store again"
	case errors.Is(err, sqlite3.READONLY), errors.Is(err, sqlite3.PERM), errors.Is(err, sqlite3.AUTH):
		remedy = "the file or its folder can't be written: look at the mount and the permissions, then start the store again"
	case errors.Is(err, sqlite3.CANTOPEN):
		remedy = "look whether the folder exists and may be written, then start the store again"
	case errors.Is(err, sqlite3.BUSY), errors.Is(err, sqlite3.LOCKED), errors.Is(err, ErrInUse):
		remedy = "close the other program that has the file open (a node, brokerctl, sqlite3), then start the store again"
		if !errors.Is(err, ErrInUse) {
			err = fmt.Errorf("%w: %w", ErrInUse, err)
		}
	case errors.Is(err, sqlite3.IOERR):
		remedy = "the disk reports an error: look at it and at the system's log, then start the store again; what was acknowledged is in the file"
	}
	return fmt.Errorf("%w (%s)", err, remedy)
}
