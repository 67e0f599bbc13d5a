// SPDX-License-Identifier: Apache-2.0

// Package ctl is what brokerctl's commands have in common: the exit codes. The
// work of the commands lives in the packages below it, and in pkg/bench and
// pkg/local.
package ctl

import "errors"

// Exit codes of brokerctl. A command that was stopped by Ctrl-C after it had
// begun its work ends with ExitOK.
const (
	// ExitOK: the command did what it was asked for.
	ExitOK = 0
	// ExitFailure: it was understood, but could not be done.
	ExitFailure = 1
	// ExitBadInput: flags, arguments, manifests or input lines are wrong.
	ExitBadInput = 2
	// ExitTimeout: it was not done within the given time.
	ExitTimeout = 3
	// ExitChanges: plan --exit-code was asked whether there is something to do,
	// and there is.
	ExitChanges = 4
)

// Error is an error with the exit code that it asks for.
type Error struct {
	// Code is one of the Exit constants.
	Code int
	// Err is what went wrong; nil if everything was said already.
	Err error
}

// Error is the text of the wrapped error.
func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap is the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// BadInput marks an error as a fault of what the user gave.
func BadInput(err error) error { return &Error{Code: ExitBadInput, Err: err} }

// TimedOut marks an error as one of time.
func TimedOut(err error) error { return &Error{Code: ExitTimeout, Err: err} }

// Code is the exit code for the outcome of a command.
func Code(err error) int {
	var e *Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &e):
		return e.Code
	default:
		return ExitFailure
	}
}
