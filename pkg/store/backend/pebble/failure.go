// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// describe is a failure that names the folder, and says what to do.
func describe(path, act string, err error) error {
	if err == nil {
		return nil
	}
	return backend.Failure(path, act, &explained{err, remedy(err)})
}

// explained is an error with a remedy.
type explained struct {
	error
	remedy string
}

// Error is the cause and what to do about it.
func (e *explained) Error() string { return e.error.Error() + "; " + e.remedy }

// Unwrap is the cause.
func (e *explained) Unwrap() error { return e.error }

// remedy says what to do.
func remedy(err error) string {
	const again = "then open the store again: what was acknowledged is there"
	switch {
	case errors.Is(err, errLost):
		return "restore the folder from a backup, or remove " + markName + " from it to go on with what is left"
	case errors.Is(err, errDamaged), pebble.IsCorruptionError(err):
		return "restore the folder from a backup, or make the store anew from one of its clones"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room on the volume, " + again
	case errors.Is(err, syscall.EROFS):
		return "make the volume writable, " + again
	case errors.Is(err, fs.ErrPermission):
		return "give this user the right to read and write the folder and the files in it"
	case errors.Is(err, errInUse):
		return "stop the other program, or give the store another folder"
	case errors.Is(err, errNewer):
		return "use the newer program, or another folder"
	}
	return "look after the volume, " + again
}

var (
	errLost  = fmt.Errorf("acknowledged commits are missing: %w", errDamaged)
	errInUse = errors.New("somebody else has the folder open")
	errNewer = errors.New("the folder was written by a newer version of the program")
)
