// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// A handover has two sides: the target, which is the endpoint of a clone, asks with Handover commands and repeats each until it is
// answered; the master answers each with a HandoverState, or with a HandoverPart. Both may be repeated and come late: what counts is the
// number of the handover, which is drawn at random, and that the master alone decides.

// HandoverStep is what a target wants.
type HandoverStep uint8

// The steps.
const (
	// HandoverFreeze: stop executing writes, and say what there is. HandoverHold: stay like that.
	HandoverFreeze HandoverStep = iota + 1
	HandoverHold
	// HandoverFetch asks for one part of what goes along with the entries.
	HandoverFetch
	// HandoverEqual: the target has all of Number, whose checksum is Sum; the master may give the store up for ever.
	HandoverEqual
	// HandoverCancel: go on as before.
	HandoverCancel
)

// HandoverStrand, in Handover.Flags: clones of another kind don't matter.
const HandoverStrand uint8 = 1

// Handover goes from a target to a master. Fields: handover u64, step u8, flags u8, history [16], epoch u64, number u64, sum u64, part u32.
type Handover struct {
	Handover uint64
	Step     HandoverStep
	Flags    uint8
	// History is the one that is to be handed over, Epoch what it will have then.
	History History
	Epoch   uint64
	// Number and Sum are what the target has, in HandoverEqual; Part is which part it wants, in HandoverFetch.
	Number, Sum uint64
	Part        uint32
}

// Kind is KindHandover.
func (*Handover) Kind() Kind { return KindHandover }

func (c *Handover) size() int { return 8 + 1 + 1 + 16 + 8 + 8 + 8 + 4 }

func (c *Handover) append(dst []byte) []byte {
	dst = append(binary.BigEndian.AppendUint64(dst, c.Handover), byte(c.Step), c.Flags)
	dst = binary.BigEndian.AppendUint64(append(dst, c.History[:]...), c.Epoch)
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, c.Number), c.Sum)
	return binary.BigEndian.AppendUint32(dst, c.Part)
}

func (c *Handover) parse(r *reader) {
	*c = Handover{Handover: r.u64("handover"), Step: HandoverStep(r.u8("step")), Flags: r.u8("flags")}
	copy(c.History[:], r.take(len(c.History), "history"))
	c.Epoch, c.Number, c.Sum, c.Part = r.u64("epoch"), r.u64("number"), r.u64("checksum"), r.u32("part")
}

// HandoverPhase is where a handover stands.
type HandoverPhase uint8

// The phases.
const (
	// HandoverVoid: there is no such handover, or there is no longer; the master goes on.
	HandoverVoid HandoverPhase = iota + 1
	// HandoverRefused: the master goes on, and Reason says why. HandoverForeign: the same, because of clones of another kind.
	HandoverRefused
	HandoverForeign
	// HandoverFreezing: the master executes no more writes, and works out the checksum. HandoverFrozen: it has.
	HandoverFreezing
	HandoverFrozen
	// HandoverDone: the master has given the store up, and will never write in this epoch again.
	HandoverDone
)

// HandoverState goes from a master to a target. Fields: handover u64, phase u8, position, number u64, sum u64, entries u64, patience u32,
// parts u32, reason (length varbyte, text).
type HandoverState struct {
	Handover uint64
	Phase    HandoverPhase
	Position
	// Number is where the master stopped, Sum and Entries what its content is there.
	Number, Sum, Entries uint64
	// Patience is for how many milliseconds the master stays frozen without a word.
	Patience uint32
	// Parts is how many parts there are to be fetched.
	Parts  uint32
	Reason string
}

// Kind is KindHandoverState.
func (*HandoverState) Kind() Kind { return KindHandoverState }

func (c *HandoverState) size() int {
	return 8 + 1 + positionSize + 24 + 8 + varbyteSize(uint32(len(c.Reason))) + len(c.Reason)
}

func (c *HandoverState) append(dst []byte) []byte {
	dst = c.Position.append(append(binary.BigEndian.AppendUint64(dst, c.Handover), byte(c.Phase)))
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, c.Number), c.Sum)
	dst = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, c.Entries), c.Patience)
	return appendText(binary.BigEndian.AppendUint32(dst, c.Parts), c.Reason)
}

func (c *HandoverState) parse(r *reader) {
	*c = HandoverState{Handover: r.u64("handover"), Phase: HandoverPhase(r.u8("phase")), Position: r.position()}
	c.Number, c.Sum, c.Entries = r.u64("number"), r.u64("checksum"), r.u64("entries")
	c.Patience, c.Parts, c.Reason = r.u32("patience"), r.u32("parts"), string(r.text("reason"))
}

// HandoverPart goes from a master to a target: small values that go along with the entries. Fields: handover u64, part u32, list of
// (name, value: each length varbyte, bytes).
type HandoverPart struct {
	Handover uint64
	Part     uint32
	Values   []NamedValue
}

// NamedValue is a small value of the store itself.
type NamedValue struct {
	Name  string
	Value []byte
}

// Kind is KindHandoverPart.
func (*HandoverPart) Kind() Kind { return KindHandoverPart }

func (c *HandoverPart) size() int {
	n := 8 + 4 + varbyteSize(uint32(len(c.Values)))
	for _, v := range c.Values {
		n += varbyteSize(uint32(len(v.Name))) + len(v.Name) + varbyteSize(uint32(len(v.Value))) + len(v.Value)
	}
	return n
}

func (c *HandoverPart) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, c.Handover), c.Part)
	dst = data.AppendVarbyte(dst, uint32(len(c.Values)))
	for _, v := range c.Values {
		dst = appendText(appendText(dst, v.Name), string(v.Value))
	}
	return dst
}

func (c *HandoverPart) parse(r *reader) {
	*c = HandoverPart{Handover: r.u64("handover"), Part: r.u32("part")}
	at := r.at
	n := r.count(2, "values")
	if n > MaxValues {
		r.fail(at, "too many values")
	}
	for range n {
		v := NamedValue{Name: string(r.text("name")), Value: r.text("value")}
		if r.err != nil {
			return
		}
		c.Values = append(c.Values, v)
	}
}

func appendText(dst []byte, s string) []byte {
	return append(data.AppendVarbyte(dst, uint32(len(s))), s...)
}

// text is a length and so many bytes.
func (r *reader) text(what string) []byte { return r.take(r.count(1, what), what) }
