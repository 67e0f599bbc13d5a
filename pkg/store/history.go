// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// HistoryID names the history of a store: it is made with the database, and two databases never have the same. Numbers of different
// histories can't be compared.
type HistoryID [16]byte

// IsZero reports whether the ID is unset, as that of a foreign master is.
func (id HistoryID) IsZero() bool { return id == HistoryID{} }

// String is the ID in hexadecimal.
func (id HistoryID) String() string { return hex.EncodeToString(id[:]) }

// Names of metas that a master keeps.
const (
	metaHistory  = "history"
	metaEpoch    = "epoch"
	metaSequence = "sequence"
	metaObject   = "object"
)

// history is what a database says about itself.
type history struct {
	id HistoryID
	// epoch rises when another master takes over the history.
	epoch uint64
	// sequence is the number of the last command, object that of the master at its endpoint.
	sequence, object uint64
	// writersSince is the epoch from which on the database knows all writers.
	writersSince uint64
	// volatile: the history ends with the process.
	volatile bool
}

// openHistory reads what the backend says about itself, begins a history in one that says nothing, and raises the epoch if asked to.
func openHistory(be backend.Backend, newEpoch bool) (history, error) {
	if open, err := unfinished(be); err != nil || open {
		return history{}, firstOf(err, ErrUnfinished)
	}
	id, err := be.Meta(metaHistory)
	if err != nil {
		return history{}, err
	}
	var h history
	_, h.volatile = be.(backend.Volatile)
	switch len(id) {
	case 0:
		return h.begin(be)
	case len(h.id):
		copy(h.id[:], id)
	default:
		return history{}, backend.Failure("", "read history", fmt.Errorf("an ID of %d bytes", len(id)))
	}
	for _, n := range []struct {
		name  string
		value *uint64
	}{{metaEpoch, &h.epoch}, {metaSequence, &h.sequence}, {metaObject, &h.object}} {
		raw, err := be.Meta(n.name)
		if err != nil {
			return history{}, err
		}
		if len(raw) != 8 {
			return history{}, backend.Failure("", "read "+n.name, errors.New("not a number"))
		}
		*n.value = binary.BigEndian.Uint64(raw)
	}
	raw, err := be.Meta(metaWritersSince)
	if err != nil {
		return history{}, err
	}
	if h.writersSince = h.epoch; len(raw) == 8 {
		h.writersSince = binary.BigEndian.Uint64(raw)
	}
	if !newEpoch {
		return h, nil
	}
	h.epoch++
	h.writersSince = h.epoch // another master may have executed more of them
	return h, errors.Join(setNumber(be, metaEpoch, h.epoch), setNumber(be, metaWritersSince, h.epoch), be.Commit())
}

// begin begins a history in a backend.
func (h history) begin(be backend.Backend) (history, error) {
	h.epoch = 1
	h, err := h.write(be)
	if err == nil {
		err = be.Commit()
	}
	return h, err
}

// write puts a new history of the epoch into a backend, and commits nothing.
func (h history) write(be backend.Backend) (history, error) {
	h.sequence, h.object, h.writersSince = 1, newObject(), h.epoch
	rand.Read(h.id[:]) // never fails
	err := be.SetMeta(metaHistory, h.id[:])
	for name, n := range map[string]uint64{metaEpoch: h.epoch, metaSequence: h.sequence, metaObject: h.object} {
		if err == nil {
			err = setNumber(be, name, n)
		}
	}
	return h, err
}

// BeginAnew has a database forget all that it knows of its store but the entries, and begins another history of them, with an epoch from 1
// up. Clones of the old one are told by that that this is another store. It commits nothing; no master may have the database.
func BeginAnew(be backend.Backend, epoch uint64) error {
	var names []string
	for m, err := range be.Metas("") {
		if err != nil {
			return err
		}
		names = append(names, m.Name)
	}
	for _, name := range names {
		if err := be.SetMeta(name, nil); err != nil {
			return err
		}
	}
	_, err := history{epoch: max(1, epoch)}.write(be)
	return err
}

func setNumber(be backend.Backend, name string, n uint64) error {
	return be.SetMeta(name, number(n))
}
