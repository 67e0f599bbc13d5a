// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// The results of the library below 0; those above are codes of Broker. brokermesh.h says what they mean.
const (
	OK      = 0
	Closed  = -1
	Again   = -2
	BadArg  = -3
	Failed  = -4
	Unknown = -5
)

var (
	errClosed = errors.New("closed")
	errAgain  = errors.New("not now")
)

// argumentError says which argument is not what it must be.
type argumentError struct{ text string }

func (e *argumentError) Error() string { return e.text }

func wrong(format string, args ...any) error { return &argumentError{fmt.Sprintf(format, args...)} }

// lastCode is the last code that Python's enumeration has.
const lastCode = code.StaleData

// Result is the number for an error.
func Result(err error) int {
	var c code.Code
	var argument *argumentError
	var peer *broker.PeerError
	switch {
	case err == nil:
		return OK
	case errors.As(err, &argument), errors.Is(err, broker.ErrTopic), errors.Is(err, broker.ErrValue):
		return BadArg
	case errors.Is(err, store.ErrUnknown):
		return Unknown
	case errors.Is(err, errAgain), errors.Is(err, context.DeadlineExceeded), errors.Is(err, broker.ErrFull):
		return Again
	case errors.Is(err, errClosed), errors.Is(err, broker.ErrClosed), errors.Is(err, code.ShuttingDown), errors.Is(err, store.ErrGone),
		errors.Is(err, context.Canceled):
		return Closed
	case errors.As(err, &peer):
		return peerResult(peer)
	case errors.As(err, &c) && c <= lastCode && c != code.None && c != code.PeerDisconnectDuringHandshake:
		return int(c)
	case errors.Is(err, code.NoPathToPeer):
		return int(code.PeerUnavailable)
	}
	return Failed
}

// peerResult is the code of an attempt to peer that failed.
func peerResult(err *broker.PeerError) int {
	switch err.Class {
	case broker.PeerIncompatible:
		return int(code.PeerIncompatible)
	case broker.PeerTimeout:
		return int(code.PeerTimeout)
	}
	return int(code.PeerUnavailable)
}

// outcome is the result of a call that is over: it can't be Again.
func outcome(err error) int {
	if r := Result(err); r != Again {
		return r
	}
	return int(code.RequestTimeout)
}

// Text is what is said about an error; nothing about those that say nothing but their number.
func Text(err error) string {
	switch {
	case err == nil, errors.Is(err, errClosed), Result(err) == Again:
		return ""
	case errors.Is(err, code.ShuttingDown):
		return "the endpoint has been shut down"
	}
	return err.Error()
}
