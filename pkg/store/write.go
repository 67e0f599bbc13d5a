// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// ErrTooLarge is the answer to a write whose entry would be larger than MaxEntryBytes.
var ErrTooLarge = errors.New("store: the entry is larger than MaxEntryBytes")

// ErrConditionFailed is the answer to a Batch one of whose conditions didn't hold: nothing of it was done.
var ErrConditionFailed = errors.New("store: a condition of the batch does not hold")

// Write is a change to be asked of a store. An expiry of 0 means that the entry stays; any change of an entry replaces its expiry.
type Write struct {
	kind       command.Kind
	init       data.Kind
	key, value data.Value
	expiry     time.Duration
}

// WritePut stores a value under a key.
func WritePut(key, value data.Value, expiry time.Duration) Write {
	return Write{kind: command.KindPut, key: data.Canonical(key), value: data.Canonical(value), expiry: expiry}
}

// WritePutUnique stores a value under a key that holds none. Pending.Inserted tells whether it did.
func WritePutUnique(key, value data.Value, expiry time.Duration) Write {
	return Write{kind: command.KindPutUnique, key: data.Canonical(key), value: data.Canonical(value), expiry: expiry}
}

// WriteErase removes a key; that it is missing is no error.
func WriteErase(key data.Value) Write {
	return Write{kind: command.KindErase, key: data.Canonical(key)}
}

// WriteClear removes all keys.
func WriteClear() Write { return Write{kind: command.KindClear} }

// WriteAdd adds an operand to the value of a key, or to the zero value of init if the key is missing (backend.Add).
func WriteAdd(key, operand data.Value, init data.Kind, expiry time.Duration) Write {
	return Write{kind: command.KindAdd, init: init, key: data.Canonical(key), value: data.Canonical(operand), expiry: expiry}
}

// WriteSubtract takes an operand from the value of a key (backend.Subtract).
func WriteSubtract(key, operand data.Value, expiry time.Duration) Write {
	return Write{kind: command.KindSubtract, key: data.Canonical(key), value: data.Canonical(operand), expiry: expiry}
}

// size is the length of the encoded key and value or operand.
func (w *Write) size() int { return w.key.BinarySize() + w.value.BinarySize() }

// check refuses what no store takes. limit bounds the size; 0: not at all.
func (w *Write) check(limit int) error {
	switch w.kind {
	case command.KindPut, command.KindPutUnique, command.KindErase, command.KindAdd, command.KindSubtract, command.KindClear:
	default:
		return code.InvalidData
	}
	if w.expiry < 0 || w.key.TooDeep() || w.value.TooDeep() {
		return code.InvalidData
	}
	if limit > 0 && w.size() > limit {
		return ErrTooLarge
	}
	return nil
}

// command is the write as it is sent to a master. A PutUnique still needs the number of its request.
func (w *Write) command(publisher data.EntityID) command.Command {
	expiry := command.After(w.expiry)
	switch w.kind {
	case command.KindPutUnique:
		return &command.PutUnique{Key: w.key, Value: w.value, Expiry: expiry, Who: publisher, Publisher: publisher}
	case command.KindErase:
		return &command.Erase{Key: w.key, Publisher: publisher}
	case command.KindAdd:
		return &command.Add{Key: w.key, Operand: w.value, Init: w.init, Expiry: expiry, Publisher: publisher}
	case command.KindSubtract:
		return &command.Subtract{Key: w.key, Operand: w.value, Expiry: expiry, Publisher: publisher}
	case command.KindClear:
		return &command.Clear{Publisher: publisher}
	}
	return &command.Put{Key: w.key, Value: w.value, Expiry: expiry, Publisher: publisher}
}

// Condition is what has to hold for a Batch to be carried out: that the value under the key is Value, or with Present false that there
// is none.
type Condition struct {
	Key     data.Value
	Present bool
	Value   data.Value
}

// Batch is a number of writes that are carried out together or not at all, if all conditions hold. Clones see them as ordinary changes
// one after the other.
type Batch struct {
	If     []Condition
	Writes []Write
}

// canonical is the batch with all values in the form in which they are stored.
func (b Batch) canonical() *Batch {
	c := &Batch{If: make([]Condition, len(b.If)), Writes: append([]Write(nil), b.Writes...)}
	for i, cond := range b.If {
		c.If[i] = Condition{Key: data.Canonical(cond.Key), Present: cond.Present, Value: data.Canonical(cond.Value)}
	}
	return c
}

func (b *Batch) size() int {
	n := 0
	for i := range b.If {
		n += b.If[i].Key.BinarySize() + b.If[i].Value.BinarySize()
	}
	for i := range b.Writes {
		n += b.Writes[i].size()
	}
	return n
}

// check refuses what no store takes.
func (b *Batch) check(limit int) error {
	for i := range b.If {
		if b.If[i].Key.TooDeep() || b.If[i].Value.TooDeep() {
			return code.InvalidData
		}
	}
	for i := range b.Writes {
		if err := b.Writes[i].check(limit); err != nil {
			return err
		}
	}
	return nil
}
