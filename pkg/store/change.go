// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// ChangeKind says what happened to a key.
type ChangeKind uint8

// The kinds of changes.
const (
	// ChangeInsert: a key that was not there got a value.
	ChangeInsert ChangeKind = iota
	// ChangeUpdate: the value or the expiry of a key was replaced, perhaps by an equal one.
	ChangeUpdate
	// ChangeErase: a key was removed.
	ChangeErase
	// ChangeExpire: a key went away because its time had come.
	ChangeExpire
)

// String is the kind in lower case, as store events have it.
func (k ChangeKind) String() string {
	return [...]string{"insert", "update", "erase", "expire"}[k]
}

// Change is what happened to one key.
type Change struct {
	// Number is the position in the history of the store. The changes of a Clear have one number, all others each their own.
	Number uint64
	Kind   ChangeKind
	// Key is what changed, Old its value before an update, an erase or an expiry (none at an insert), New its value after an insert or
	// an update.
	Key, Old, New data.Value
	// Expiry is that of the write, as store events show it: changes by Add and Subtract show none.
	Expiry command.Expiry
	// Publisher is whose write it was; the master's at an expiry.
	Publisher data.EntityID
}

// changeBytes is what keeping a change costs besides its values, about.
const changeBytes = 240

func (c *Change) size() int {
	return changeBytes + c.Key.BinarySize() + c.Old.BinarySize() + c.New.BinarySize()
}

// event is the change as a store event: a vector on the topic topic.StoreEvents(name), see spec/stores.md 9.
func (c *Change) event(store data.Value) data.Value {
	endpoint, object := data.None(), data.None()
	if !c.Publisher.IsZero() {
		endpoint, object = data.String(c.Publisher.Endpoint.String()), data.Count(c.Publisher.Object)
	}
	kind := data.String(c.Kind.String())
	switch c.Kind {
	case ChangeInsert:
		return data.Vector(kind, store, c.Key, c.New, c.Expiry.Value(), endpoint, object)
	case ChangeUpdate:
		return data.Vector(kind, store, c.Key, c.Old, c.New, c.Expiry.Value(), endpoint, object)
	default:
		return data.Vector(kind, store, c.Key, endpoint, object)
	}
}
