// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// operation is what an ask asks for. Numbers are part of the protocol.
type operation uint8

// Questions. Each line says what an Ask has as Args, and what its Answer has as Values.
const (
	opHello     operation = 1  // nothing; role: count, whether it refuses writes because of another master: boolean
	opOpen      operation = 2  // nothing; session: count
	opGet       operation = 3  // key; value
	opExists    operation = 4  // key; boolean
	opIndex     operation = 5  // key, index; value
	opSize      operation = 6  // nothing; entries, bytes, number: counts
	opStat      operation = 7  // nothing; JSON: string
	opScan      operation = 8  // what, buckets, bucket: counts (see scanWhat); cursor, number: counts
	opPage      operation = 9  // cursor, page: counts; done: boolean, then keys, or key, value, deadline for each entry
	opEndScan   operation = 10 // cursor: count; nothing
	opChecksums operation = 11 // buckets: count; number: count, sums: string of 8 bytes each, entries: count
	opWatch     operation = 12 // see watchArgs; history: string, number: count, then changes
	opAdopt     operation = 13 // history: string; nothing
	opPromote   operation = 14 // epoch that the master had: count; nothing
	opCompact   operation = 15 // nothing; nothing
)

// Writes.
const (
	opWrite operation = 64 // a write (see writeArgs); whether it inserted: boolean
	opBatch operation = 65 // number of conditions: count, then key, present: boolean and value of each, then writes; nothing
)

// writes tells whether the operation changes something.
func (o operation) writes() bool { return o >= opWrite }

// Codes of answers beyond those of Broker. Numbers are part of the protocol.
const (
	codeNoSession code.Code = 128 + iota
	codeUnknown
	codeFull
	codeBusy
	codeTooLarge
	codeNotSupported
	codeBadQuestion
	codeNoCursor
	codeConditionFailed
	codeFenced
	codeStale
	codeHistoryGone
	codeSnapshotTooOld
	codeNoNewHistory
	codeNoLease
)

// Errors of asking.
var (
	// errNoSession: whoever answers knows nothing of earlier asks.
	errNoSession = errors.New("store: the session is not known")
	// errBusy: there is no room for more at the moment.
	errBusy = errors.New("store: too many ask this store at the moment")
	// errNoCursor: the scan was not continued in time.
	errNoCursor = errors.New("store: the scan has ended: it was not continued within 30s")
	// errBadQuestion: the frontend doesn't understand the question.
	errBadQuestion = errors.New("store: the frontend does not know this question")
)

// sentinels are the errors that travel under codes of their own.
var sentinels = map[code.Code]error{
	codeNoSession: errNoSession, codeUnknown: ErrUnknown, codeFull: ErrFull, codeBusy: errBusy,
	codeBadQuestion: errBadQuestion, codeNoCursor: errNoCursor, codeTooLarge: ErrTooLarge, codeNotSupported: ErrNotSupported,
	codeConditionFailed: ErrConditionFailed, codeHistoryGone: ErrHistoryGone, codeFenced: ErrFenced,
	codeStale: ErrStale, codeSnapshotTooOld: backend.ErrSnapshotTooOld, codeNoNewHistory: ErrNoNewHistory, codeNoLease: ErrNoLease,
}

// failed is the answer that tells an error. That the outcome is not known goes before everything else that the error may match.
func failed(err error) *command.Answer {
	return &command.Answer{Code: codeOf(err), Values: []data.Value{data.String(err.Error())}}
}

func codeOf(err error) code.Code {
	if errors.Is(err, ErrUnknown) {
		return codeUnknown
	}
	for c, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			return c
		}
	}
	c := code.Unspecified
	errors.As(err, &c)
	return c
}

// RemoteError is an error that a frontend elsewhere has answered. It matches the error that it stands for: a code, or one of this
// package's.
type RemoteError struct {
	// From is who answered.
	From data.EntityID
	// Text is what it said.
	Text string
	// Err is what errors.Is finds.
	Err error
}

// Error is what the frontend said.
func (e *RemoteError) Error() string { return e.Text }

// Unwrap is the error that it stands for.
func (e *RemoteError) Unwrap() error { return e.Err }

// errorOf is the error in an answer, or nil.
func errorOf(from data.EntityID, a *command.Answer) error {
	if a.Code == code.None {
		return nil
	}
	e := &RemoteError{From: from, Err: a.Code}
	if sentinel, ok := sentinels[a.Code]; ok {
		e.Err = sentinel
	}
	if len(a.Values) > 0 {
		e.Text, _ = a.Values[0].AsString()
	}
	if e.Text == "" {
		e.Text = fmt.Sprintf("store: %v", e.Err)
	}
	return e
}
