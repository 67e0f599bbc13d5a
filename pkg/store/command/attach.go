// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Position says which content a master has: the history, its epoch, and the run of the master that speaks. Numbers of one history mean
// the same changes in all runs up to the number at which a run began. Volatile: the history ends with the run, as its master keeps
// nothing on a disk. Fields: history [16], epoch u64, run u64, flags u8 (1: volatile; others are ignored).
type Position struct {
	History    History
	Epoch, Run uint64
	Volatile   bool
}

const (
	positionSize     = 16 + 8 + 8 + 1
	positionVolatile = 1
)

func (p Position) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, p.History[:]...), p.Epoch)
	dst = binary.BigEndian.AppendUint64(dst, p.Run)
	if p.Volatile {
		return append(dst, positionVolatile)
	}
	return append(dst, 0)
}

func (r *reader) position() (p Position) {
	copy(p.History[:], r.take(len(p.History), "history"))
	p.Epoch, p.Run, p.Volatile = r.u64("epoch"), r.u64("run"), r.u8("flags")&positionVolatile != 0
	return p
}

// Resume is the handshake to a clone that needs no snapshot: it goes on after Offset, a number that it has. Fields: offset u64,
// interval u16, position.
type Resume struct {
	Offset   uint64
	Interval uint16
	Position
}

// Kind is KindResume.
func (*Resume) Kind() Kind { return KindResume }

func (c *Resume) size() int { return 8 + 2 + positionSize }

func (c *Resume) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(dst, c.Offset), c.Interval)
	return c.Position.append(dst)
}

func (c *Resume) parse(r *reader) {
	*c = Resume{Offset: r.u64("offset"), Interval: r.u16("heartbeat interval"), Position: r.position()}
}

// OtherHistory tells a clone that the master's content is not the continuation of the clone's: it has to say that it wants it all the
// same. Fields: number u64, position.
type OtherHistory struct {
	// Number is the newest.
	Number uint64
	Position
}

// Kind is KindOtherHistory.
func (*OtherHistory) Kind() Kind { return KindOtherHistory }

func (c *OtherHistory) size() int { return 8 + positionSize }

func (c *OtherHistory) append(dst []byte) []byte {
	return c.Position.append(binary.BigEndian.AppendUint64(dst, c.Number))
}

func (c *OtherHistory) parse(r *reader) {
	*c = OtherHistory{Number: r.u64("number"), Position: r.position()}
}

// UnknownClone tells a clone that it is not, or no longer, attached. Fields: position.
type UnknownClone struct{ Position }

// Kind is KindUnknownClone.
func (*UnknownClone) Kind() Kind { return KindUnknownClone }

func (c *UnknownClone) size() int { return positionSize }

func (c *UnknownClone) append(dst []byte) []byte { return c.Position.append(dst) }

func (c *UnknownClone) parse(r *reader) { c.Position = r.position() }

// Bundle carries consecutive events of the channel to clones in one message; Message.Seq is the number of the first. Fields: list of
// (length varbyte, command u8, fields).
type Bundle struct {
	// Events are numbered actions.
	Events []Command
}

// MaxBundle bounds the events of a bundle.
const MaxBundle = 4096

// Kind is KindBundle.
func (*Bundle) Kind() Kind { return KindBundle }

func (c *Bundle) size() int {
	n := varbyteSize(uint32(len(c.Events)))
	for _, e := range c.Events {
		inner := 1 + e.size()
		n += varbyteSize(uint32(inner)) + inner
	}
	return n
}

func (c *Bundle) append(dst []byte) []byte {
	dst = data.AppendVarbyte(dst, uint32(len(c.Events)))
	for _, e := range c.Events {
		dst = data.AppendVarbyte(dst, uint32(1+e.size()))
		dst = e.append(append(dst, byte(e.Kind())))
	}
	return dst
}

func (c *Bundle) parse(r *reader) { c.Events = r.commands("bundle", MaxBundle, Kind.replayed) }

// AppendBundle appends the payload of a bundle whose events are payloads of messages from the same sender, with consecutive numbers
// from seq on. Payloads are not checked.
func AppendBundle(dst []byte, seq uint64, sender, receiver data.EntityID, events [][]byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, seq)
	dst = append(receiver.AppendBinary(sender.AppendBinary(dst)), byte(KindBundle))
	dst = data.AppendVarbyte(dst, uint32(len(events)))
	for _, e := range events {
		dst = append(data.AppendVarbyte(dst, uint32(len(e)-kindAt)), e[kindAt:]...)
	}
	return dst
}

// replayed tells whether masters send the command to clones as an event.
func (k Kind) replayed() bool {
	switch k {
	case KindPut, KindPutUniqueResult, KindErase, KindExpire, KindClear:
		return true
	}
	return false
}

// commands reads a list of commands, each with its length, of kinds that are allowed.
func (r *reader) commands(what string, most int, allowed func(Kind) bool) []Command {
	at := r.at
	n := r.count(2, what)
	if n > most {
		r.fail(at, "too many commands in the "+what)
	}
	if r.err != nil || n == 0 {
		return nil
	}
	list := make([]Command, 0, n)
	for range n {
		length := r.count(1, what)
		start := r.at
		kind := Kind(r.u8(what))
		if r.err == nil && (length < 1 || !allowed(kind)) {
			r.fail(start, "a command that does not belong in a "+what)
		}
		if r.err != nil {
			return nil
		}
		c := newCommand(kind)
		inner := reader{b: r.b[:start+length], at: r.at}
		c.parse(&inner)
		if inner.err != nil {
			r.err = inner.err
			return nil
		}
		r.at = start + length
		list = append(list, c)
	}
	return list
}
