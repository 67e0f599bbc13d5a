// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Outcomes of a write beyond the codes of the reference.
const (
	// OutcomeNot: the condition did not hold, or the key of a put_unique was there.
	OutcomeNot code.Code = 200 + iota
	// OutcomeFenced: the master must not write any more.
	OutcomeFenced
	// OutcomeTooLarge: the entry is larger than the master allows.
	OutcomeTooLarge
	// OutcomeFull: the master's backend has no room.
	OutcomeFull
	// OutcomeLost: the write never arrived, and its writer no longer had it.
	OutcomeLost
	// OutcomeNoLease: the master has no lease.
	OutcomeNoLease
)

// WriteResult tells a writer what became of its writes. Fields: through u64, number u64, exact u64, list of (number u64, code u8).
type WriteResult struct {
	// Through is the number up to which writes were executed or refused, all of them done in the store's history at Number.
	Through, Number uint64
	// Exact is the number from which on Others is complete: a write after it that is not among Others was executed. What became of
	// those up to Exact that the writer does not know yet can't be told any more.
	Exact  uint64
	Others []Outcome
}

// Outcome is the fate of a write that was not simply executed.
type Outcome struct {
	Write uint64
	Code  code.Code
}

// Kind is KindWriteResult.
func (*WriteResult) Kind() Kind { return KindWriteResult }

func (c *WriteResult) size() int { return 24 + varbyteSize(uint32(len(c.Others))) + 9*len(c.Others) }

func (c *WriteResult) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, c.Through), c.Number)
	dst = data.AppendVarbyte(binary.BigEndian.AppendUint64(dst, c.Exact), uint32(len(c.Others)))
	for _, o := range c.Others {
		dst = append(binary.BigEndian.AppendUint64(dst, o.Write), byte(o.Code))
	}
	return dst
}

func (c *WriteResult) parse(r *reader) {
	*c = WriteResult{Through: r.u64("number"), Number: r.u64("number of the history"), Exact: r.u64("first number")}
	n := r.count(9, "list of outcomes")
	if r.err != nil || n == 0 {
		return
	}
	c.Others = make([]Outcome, n)
	for i := range c.Others {
		c.Others[i] = Outcome{Write: r.u64("number"), Code: code.Code(r.u8("code"))}
	}
}

// Batch is several writes of which all or none are executed, if all conditions hold. Fields: list of conditions (key data, present
// bool, value data), list of (length varbyte, command u8, fields), publisher entity.
type Batch struct {
	Conditions []Condition
	// Writes are Put, PutUnique, Erase, Add, Subtract and Clear commands.
	Writes    []Command
	Publisher data.EntityID
}

// Condition is what has to hold for a key: that it has the value, or that it is not there.
type Condition struct {
	Key     data.Value
	Present bool
	// Value is what the key must have if Present.
	Value data.Value
}

// Kind is KindBatch.
func (*Batch) Kind() Kind { return KindBatch }

func (c *Batch) size() int {
	n := varbyteSize(uint32(len(c.Conditions))) + varbyteSize(uint32(len(c.Writes))) + entitySize
	for _, on := range c.Conditions {
		n += on.Key.BinarySize() + 1 + on.Value.BinarySize()
	}
	for _, w := range c.Writes {
		inner := 1 + w.size()
		n += varbyteSize(uint32(inner)) + inner
	}
	return n
}

func (c *Batch) append(dst []byte) []byte {
	dst = data.AppendVarbyte(dst, uint32(len(c.Conditions)))
	for _, on := range c.Conditions {
		present := byte(0)
		if on.Present {
			present = 1
		}
		dst = on.Value.AppendBinary(append(on.Key.AppendBinary(dst), present))
	}
	dst = data.AppendVarbyte(dst, uint32(len(c.Writes)))
	for _, w := range c.Writes {
		dst = data.AppendVarbyte(dst, uint32(1+w.size()))
		dst = w.append(append(dst, byte(w.Kind())))
	}
	return c.Publisher.AppendBinary(dst)
}

func (c *Batch) parse(r *reader) {
	at := r.at
	n := r.count(3, "conditions")
	if n > MaxValues {
		r.fail(at, "too many conditions")
	}
	for range n {
		on := Condition{Key: r.value("key"), Present: r.u8("presence") != 0, Value: r.value("value")}
		if r.err != nil {
			return
		}
		c.Conditions = append(c.Conditions, on)
	}
	c.Writes = r.commands("batch", MaxValues, Kind.batched)
	c.Publisher = r.entity("publisher")
}

// batched tells whether the command may be part of a batch.
func (k Kind) batched() bool {
	switch k {
	case KindPut, KindPutUnique, KindErase, KindAdd, KindSubtract, KindClear:
		return true
	}
	return false
}
