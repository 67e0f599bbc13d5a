// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Put writes a value under a key.
type Put struct {
	Key, Value data.Value
	Expiry     Expiry
	Publisher  data.EntityID
	// Hidden is the expiry of an entry that was changed by an Add or a Subtract, of which the reference says nothing to clones. It is told in
	// a trailer.
	Hidden Expiry
}

// Kind is KindPut.
func (*Put) Kind() Kind { return KindPut }

func (c *Put) size() int {
	n := c.Key.BinarySize() + c.Value.BinarySize() + c.Expiry.size() + entitySize
	if t := c.trailer(); t != nil {
		n += t.size()
	}
	return n
}

func (c *Put) append(dst []byte) []byte {
	dst = c.Value.AppendBinary(c.Key.AppendBinary(dst))
	dst = c.Publisher.AppendBinary(c.Expiry.append(dst))
	if t := c.trailer(); t != nil {
		dst = t.append(dst)
	}
	return dst
}

// trailer is what follows a put with an expiry that it does not show.
func (c *Put) trailer() *Trailer {
	if !c.Hidden.Set {
		return nil
	}
	return &Trailer{Left: uint64(max(1, c.Hidden.After))}
}

func (c *Put) parse(r *reader) {
	*c = Put{Key: r.value("key"), Value: r.value("value"), Expiry: r.expiry(), Publisher: r.entity("publisher")}
	if r.err != nil || r.at == len(r.b) {
		return
	}
	if t := parseTrailer(r.b[r.at:]); t != nil && int64(t.Left) > 0 {
		c.Hidden = Expiry{Set: true, After: time.Duration(t.Left)}
	}
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
