// SPDX-License-Identifier: Apache-2.0

package command

import "github.com/brokermesh/brokermesh/pkg/broker/data"

// Erase removes a key.
type Erase struct {
	Key       data.Value
	Publisher data.EntityID
}

// Kind is KindErase.
func (*Erase) Kind() Kind { return KindErase }

func (c *Erase) size() int { return c.Key.BinarySize() + entitySize }

func (c *Erase) append(dst []byte) []byte { return c.Publisher.AppendBinary(c.Key.AppendBinary(dst)) }

func (c *Erase) parse(r *reader) {
	*c = Erase{Key: r.value("key"), Publisher: r.entity("publisher")}
}

// Expire tells clones that the master removed a key whose time was over.
type Expire struct {
	Key       data.Value
	Publisher data.EntityID
}

// Kind is KindExpire.
func (*Expire) Kind() Kind { return KindExpire }

func (c *Expire) size() int { return c.Key.BinarySize() + entitySize }

func (c *Expire) append(dst []byte) []byte { return c.Publisher.AppendBinary(c.Key.AppendBinary(dst)) }

func (c *Expire) parse(r *reader) {
	*c = Expire{Key: r.value("key"), Publisher: r.entity("publisher")}
}

// Clear removes everything.
type Clear struct {
	Publisher data.EntityID
}

// Kind is KindClear.
func (*Clear) Kind() Kind { return KindClear }

func (c *Clear) size() int { return entitySize }

func (c *Clear) append(dst []byte) []byte { return c.Publisher.AppendBinary(dst) }

func (c *Clear) parse(r *reader) { *c = Clear{Publisher: r.entity("publisher")} }
