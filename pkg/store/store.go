// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Bus is what a frontend needs of the endpoint that it lives on.
type Bus interface {
	// ID is the endpoint's.
	ID() data.EndpointID
	// AttachStore subscribes to a topic of commands, and tells peers before it returns. The payload is valid during the call of
	// handle only; handle doesn't block. No call begins after detach has returned.
	AttachStore(topic string, handle func(payload []byte)) (detach func(), err error)
	// SendCommand sends a command to one endpoint, or with the zero receiver to everybody who wants the topic. The payload may be
	// reused when it returns.
	SendCommand(topic string, receiver data.EndpointID, payload []byte) error
	// PublishLocal publishes to subscribers of this endpoint alone.
	PublishLocal(topic string, v data.Value)
}

// ErrUnknown is the answer to a write of a clone of which nobody can tell any more whether it was executed: it had been sent when the
// channel to the master was lost for good.
var ErrUnknown = errors.New("store: the channel to the master was lost, the outcome of the write is unknown")

// ErrFull is the answer to a write of a clone when too many bytes of writes wait for the master already.
var ErrFull = errors.New("store: too many writes wait for the master")

// ErrNotSupported is the answer to what the master can't do: that of C++ Broker knows neither conditions nor batches.
var ErrNotSupported = errors.New("store: the master does not support that")

// Time constants of the protocol.
const (
	// tickInterval is the length of a tick, in which all intervals of the channel are counted.
	tickInterval   = 100 * time.Millisecond
	ticksPerMinute = uint64(time.Minute / tickInterval)
	// readTimeout is how long a read on a clone without content waits.
	readTimeout = 5 * time.Second
)

// Defaults of options.
const (
	defaultInboxBytes   = 8 << 20
	defaultHistoryBytes = 64 << 20
	defaultQueueBytes   = 16 << 20
	defaultEntryBytes   = 32 << 20
	defaultWatchBytes   = 4 << 20
)

// newObject is a number for an entity of this endpoint. Numbers are random, so that an endpoint that keeps its ID over a restart does
// not continue an old identity with new numbers.
func newObject() uint64 { return rand.Uint64()>>1 | 1 }

// loggerFor adds the store's name to a logger, which may be nil.
func loggerFor(l *slog.Logger, name string) *slog.Logger {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return l.With("store", name)
}
