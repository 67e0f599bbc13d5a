// SPDX-License-Identifier: Apache-2.0

package command

import "github.com/brokermesh/brokermesh/pkg/broker/data"

// Add changes the value of a key by an operand: increment, append, insert, push.
type Add struct {
	Key, Operand data.Value
	// Init is what a missing key starts from: the zero value of this kind.
	Init      data.Kind
	Expiry    Expiry
	Publisher data.EntityID
}

// Kind is KindAdd.
func (*Add) Kind() Kind { return KindAdd }

func (c *Add) size() int {
	return c.Key.BinarySize() + c.Operand.BinarySize() + 1 + c.Expiry.size() + entitySize
}

func (c *Add) append(dst []byte) []byte {
	dst = c.Operand.AppendBinary(c.Key.AppendBinary(dst))
	return c.Publisher.AppendBinary(c.Expiry.append(append(dst, byte(c.Init))))
}

func (c *Add) parse(r *reader) {
	c.Key, c.Operand = r.value("key"), r.value("operand")
	c.Init = data.Kind(r.u8("init type"))
	if c.Init > data.KindVector {
		r.fail(r.at-1, "unknown init type")
	}
	c.Expiry, c.Publisher = r.expiry(), r.entity("publisher")
}

// Subtract changes the value of a key by an operand: decrement, remove, pop.
type Subtract struct {
	Key, Operand data.Value
	Expiry       Expiry
	Publisher    data.EntityID
}

// Kind is KindSubtract.
func (*Subtract) Kind() Kind { return KindSubtract }

func (c *Subtract) size() int {
	return c.Key.BinarySize() + c.Operand.BinarySize() + c.Expiry.size() + entitySize
}

func (c *Subtract) append(dst []byte) []byte {
	dst = c.Operand.AppendBinary(c.Key.AppendBinary(dst))
	return c.Publisher.AppendBinary(c.Expiry.append(dst))
}

func (c *Subtract) parse(r *reader) {
	*c = Subtract{Key: r.value("key"), Operand: r.value("operand"), Expiry: r.expiry(), Publisher: r.entity("publisher")}
}
