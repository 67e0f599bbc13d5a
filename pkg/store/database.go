// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

const (
	// metaIncoming marks a database into which Clone.TakeOver copies a store: it has the ID of the history.
	metaIncoming = "incoming"
	// metaPrepared marks one that has all of a store, whose master may already have given it up in favour of this one.
	metaPrepared = "prepared"
	// metaWritersSince is the epoch from which on the database knows of all writes of clones.
	metaWritersSince = "writers-since"
)

// ErrUnfinished is the answer of NewMaster to a database into which a store was being moved when the process ended. Clone.TakeOver brings
// it to an end.
var ErrUnfinished = errors.New("store: the database is that of a move which has not come to its end; take over again")

// Database is what a database says about the store in it.
type Database struct {
	// History is zero in a database without a store.
	History HistoryID
	// Epoch and Number are how far the store is. Fenced is the epoch of the master that has taken over from this database, 0 if none has.
	Epoch, Number, Fenced uint64
	// Unfinished: a move has not come to its end. NewMaster refuses the database, Clone.TakeOver takes it.
	Unfinished bool
}

// Inspect reads what a database says about the store in it, and changes nothing.
func Inspect(be backend.Backend) (Database, error) {
	var d Database
	id, err := be.Meta(metaHistory)
	if err != nil {
		return Database{}, err
	}
	if len(id) != 0 && copy(d.History[:], id) != len(d.History) {
		return Database{}, backend.Failure("", "read history", fmt.Errorf("an ID of %d bytes", len(id)))
	}
	for name, value := range map[string]*uint64{metaEpoch: &d.Epoch, metaSequence: &d.Number, metaFenced: &d.Fenced} {
		raw, err := be.Meta(name)
		if err != nil {
			return Database{}, err
		}
		if len(raw) == 8 {
			*value = binary.BigEndian.Uint64(raw)
		}
	}
	if d.Fenced <= d.Epoch {
		d.Fenced = 0
	}
	d.Unfinished, err = unfinished(be)
	return d, err
}

func unfinished(be backend.Backend) (bool, error) {
	incoming, err := be.Meta(metaIncoming)
	if err != nil || incoming != nil {
		return incoming != nil, err
	}
	prepared, err := be.Meta(metaPrepared)
	return prepared != nil, err
}
