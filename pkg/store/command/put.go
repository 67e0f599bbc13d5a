// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Put writes a value under a key.
type Put struct {
	Key, Value data.Value
	Expiry     Expiry
	Publisher  data.EntityID
}

// Kind is KindPut.
func (*Put) Kind() Kind { return KindPut }

func (c *Put) size() int {
	return c.Key.BinarySize() + c.Value.BinarySize() + c.Expiry.size() + entitySize
}

func (c *Put) append(dst []byte) []byte {
	dst = c.Value.AppendBinary(c.Key.AppendBinary(dst))
	return c.Publisher.AppendBinary(c.Expiry.append(dst))
}

func (c *Put) parse(r *reader) {
	*c = Put{Key: r.value("key"), Value: r.value("value"), Expiry: r.expiry(), Publisher: r.entity("publisher")}
}

// PutUnique writes a value under a key that holds nothing yet, and asks for an answer.
type PutUnique struct {
	Key, Value data.Value
	Expiry     Expiry
	// Who asks and Request is the number of the question; both come back in the PutUniqueResult.
	Who       data.EntityID
	Request   uint64
	Publisher data.EntityID
}

// Kind is KindPutUnique.
func (*PutUnique) Kind() Kind { return KindPutUnique }

func (c *PutUnique) size() int {
	return c.Key.BinarySize() + c.Value.BinarySize() + c.Expiry.size() + entitySize + 8 + entitySize
}

func (c *PutUnique) append(dst []byte) []byte {
	dst = c.Value.AppendBinary(c.Key.AppendBinary(dst))
	dst = c.Who.AppendBinary(c.Expiry.append(dst))
	return c.Publisher.AppendBinary(binary.BigEndian.AppendUint64(dst, c.Request))
}

func (c *PutUnique) parse(r *reader) {
	*c = PutUnique{
		Key: r.value("key"), Value: r.value("value"), Expiry: r.expiry(),
		Who: r.entity("who"), Request: r.u64("request number"), Publisher: r.entity("publisher"),
	}
}

// PutUniqueResult answers a PutUnique. It goes to all clones; the one that asked knows itself in Who.
type PutUniqueResult struct {
	Inserted  bool
	Who       data.EntityID
	Request   uint64
	Publisher data.EntityID
}

// Kind is KindPutUniqueResult.
func (*PutUniqueResult) Kind() Kind { return KindPutUniqueResult }

func (c *PutUniqueResult) size() int { return 1 + entitySize + 8 + entitySize }

func (c *PutUniqueResult) append(dst []byte) []byte {
	inserted := byte(0)
	if c.Inserted {
		inserted = 1
	}
	dst = c.Who.AppendBinary(append(dst, inserted))
	return c.Publisher.AppendBinary(binary.BigEndian.AppendUint64(dst, c.Request))
}

func (c *PutUniqueResult) parse(r *reader) {
	*c = PutUniqueResult{
		Inserted: r.u8("result") != 0, Who: r.entity("who"),
		Request: r.u64("request number"), Publisher: r.entity("publisher"),
	}
}
