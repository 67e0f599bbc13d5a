// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// trailerMagic and trailerVersion begin a trailer.
const (
	trailerMagic   = "BMST"
	trailerVersion = 1
)

// Tags of a trailer's fields.
const (
	tagFeatures = iota + 1
	tagHistory
	tagEpoch
	tagNumber
	tagRun
	tagFlags
	tagSettled
	tagWriter
	tagForeign
	tagLeft
)

// History names the life of a store's content: a master that begins anew draws another one. The zero History stands for none known.
type History [16]byte

// Features of a frontend, bits of Trailer.Features. Bits never change their meaning, unknown ones are ignored.
const (
	// FeatureParts: snapshots in parts, resumption without a snapshot, events in bundles.
	FeatureParts uint64 = 1 << iota
	// FeatureResults: the outcome of each write, and writers that outlive a channel.
	FeatureResults
)

// Flags of a trailer.
const (
	// FlagAdopt, in a nack: the clone takes the history named in the trailer though it knew another one.
	FlagAdopt uint64 = 1 << iota
	// FlagFenced: the sender is a master that must not write any more.
	FlagFenced
	// FlagClosing: the sender is a master that ends.
	FlagClosing
	// FlagVolatile, in a nack: the history named in the trailer was volatile, so that another one may take its place.
	FlagVolatile
)

// Trailer is what frontends of this project append to nack, attach_writer, keepalive, cumulative_ack and some put commands, so that
// others of their kind know them, or know more. The reference ignores surplus bytes. A field at its zero value is not written.
//
// Layout: "BMST", version u8 = 1, then fields to the end of the payload: tag u8, length varbyte, content. Unknown tags are skipped.
type Trailer struct {
	Features uint64
	// History, Epoch and Number say what content the sender has, Run which start of a master it comes from.
	History History
	Epoch   uint64
	Number  uint64
	Run     uint64
	Flags   uint64
	// Settled is the number of a writer up to which the outcomes of all writes have arrived.
	Settled uint64
	// Writer is the identity under which a clone writes, if that is not the sender.
	Writer data.EntityID
	// Foreign is how many clones of another kind a master has.
	Foreign uint64
	// Left is for how many nanoseconds an entry stays, behind a Put that does not say so itself (Put.Hidden).
	Left uint64
}

func (t *Trailer) append(dst []byte) []byte {
	dst = append(append(dst, trailerMagic...), trailerVersion)
	number := func(tag byte, n uint64) {
		if n != 0 {
			dst = binary.BigEndian.AppendUint64(append(dst, tag, 8), n)
		}
	}
	number(tagFeatures, t.Features)
	if t.History != (History{}) {
		dst = append(append(dst, tagHistory, byte(len(t.History))), t.History[:]...)
	}
	number(tagEpoch, t.Epoch)
	number(tagNumber, t.Number)
	number(tagRun, t.Run)
	number(tagFlags, t.Flags)
	number(tagSettled, t.Settled)
	number(tagForeign, t.Foreign)
	number(tagLeft, t.Left)
	if !t.Writer.IsZero() {
		dst = t.Writer.AppendBinary(append(dst, tagWriter, entitySize))
	}
	return dst
}

func (t *Trailer) size() int {
	n := len(trailerMagic) + 1
	for _, v := range [...]uint64{t.Features, t.Epoch, t.Number, t.Run, t.Flags, t.Settled, t.Foreign, t.Left} {
		if v != 0 {
			n += 10
		}
	}
	if t.History != (History{}) {
		n += 2 + len(t.History)
	}
	if !t.Writer.IsZero() {
		n += 2 + entitySize
	}
	return n
}

// parseTrailer reads surplus bytes, and answers nil if they are no trailer.
func parseTrailer(b []byte) *Trailer {
	head := len(trailerMagic) + 1
	if len(b) < head || string(b[:len(trailerMagic)]) != trailerMagic || b[len(trailerMagic)] != trailerVersion {
		return nil
	}
	t := new(Trailer)
	for b = b[head:]; len(b) > 0; {
		length, used, err := data.Varbyte(b[1:])
		if err != nil || uint64(length) > uint64(len(b)-1-used) {
			return nil
		}
		if !t.field(b[0], b[1+used:1+used+int(length)]) {
			return nil
		}
		b = b[1+used+int(length):]
	}
	return t
}

// field takes one field; one of the wrong length spoils the trailer.
func (t *Trailer) field(tag byte, b []byte) bool {
	numbers := map[byte]*uint64{
		tagFeatures: &t.Features, tagEpoch: &t.Epoch, tagNumber: &t.Number, tagRun: &t.Run, tagFlags: &t.Flags, tagSettled: &t.Settled,
		tagForeign: &t.Foreign, tagLeft: &t.Left,
	}
	switch n, ok := numbers[tag]; {
	case ok && len(b) == 8:
		*n = binary.BigEndian.Uint64(b)
	case tag == tagHistory && len(b) == len(t.History):
		t.History = History(b)
	case tag == tagWriter && len(b) == entitySize:
		r := reader{b: b}
		t.Writer = r.entity("writer")
	case ok || tag == tagHistory || tag == tagWriter:
		return false
	}
	return true
}

// takesTrailer tells whether a command may have a trailer.
func takesTrailer(k Kind) bool {
	return k == KindNack || k == KindAttachWriter || k == KindKeepalive || k == KindCumulativeAck
}
