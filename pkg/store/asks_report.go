// SPDX-License-Identifier: Apache-2.0

package store

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Report is the status of a frontend as it travels: what a Remote is told. Members that a reader doesn't know are skipped.
type Report struct {
	// ID is who reports. It is the identity to ask, not that of a clone in the channels.
	ID data.EntityID `json:"-"`
	// Name is the store's; Role master or clone; State one of the names of State.
	Name  string `json:"name"`
	Role  string `json:"role"`
	State string `json:"state"`
	// For is how long it has been in the state.
	For time.Duration `json:"forNanoseconds"`
	// History and Epoch tell which history this is, Number how far the frontend is in it, Lag how many more a clone knows of.
	History string `json:"history,omitempty"`
	Epoch   uint64 `json:"epoch,omitempty"`
	Number  uint64 `json:"number"`
	Lag     uint64 `json:"lag"`
	// Age is how long ago a clone last knew that it had everything.
	Age time.Duration `json:"ageNanoseconds,omitempty"`
	// Entries and Bytes are how much the store holds.
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"`
	// Clones is how many are attached to a master.
	Clones int `json:"clones,omitempty"`
	// Error is why a frontend doesn't serve, Conflict who else claims to be the master, NewHistory the history that a clone's master
	// shows instead of the clone's own; Stranded are foreign clones that will not follow this master any more.
	Error      string   `json:"error,omitempty"`
	Conflict   string   `json:"conflict,omitempty"`
	NewHistory string   `json:"newHistory,omitempty"`
	Stranded   []string `json:"stranded,omitempty"`
	// WritesWaiting and WritesUnknown are a clone's: see Status.
	WritesWaiting int    `json:"writesWaiting,omitempty"`
	WritesUnknown uint64 `json:"writesUnknown,omitempty"`
	Wraps         uint64 `json:"wraps,omitempty"`
	Dropped       uint64 `json:"dropped,omitempty"`
	Malformed     uint64 `json:"malformed,omitempty"`
}

// ReportOf is a status as it travels.
func ReportOf(s Status, id data.EntityID) Report {
	r := Report{
		ID: id, Name: s.Name, Role: s.Role.String(), State: s.State.String(), For: time.Since(s.Since),
		Number: s.Sequence, Lag: s.Lag, Entries: s.Entries, Bytes: s.Bytes, Clones: s.Clones,
		WritesWaiting: s.WritesWaiting, WritesUnknown: s.WritesUnknown, Wraps: s.Wraps, Dropped: s.Dropped, Malformed: s.Malformed,
	}
	r.Age, r.Conflict = s.Age, s.Conflict
	for _, id := range s.Stranded {
		r.Stranded = append(r.Stranded, id.String())
	}
	if !s.History.IsZero() {
		r.History, r.Epoch = s.History.String(), s.Epoch
	}
	if !s.NewHistory.IsZero() {
		r.NewHistory = s.NewHistory.String()
	}
	if s.Err != nil {
		r.Error = s.Err.Error()
	}
	return r
}
