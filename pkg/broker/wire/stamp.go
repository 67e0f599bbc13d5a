// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

const (
	stampOrigin   = 1 << 0 // the origin follows
	stampEntering = 1 << 1 // the entering node follows
	stampSent     = 1 << 2 // the time of entry follows
	stampKnown    = stampOrigin | stampEntering | stampSent

	// MaxStampSize is the size of the longest stamp.
	MaxStampSize = 2 + 16 + 16 + 8 + 8
	// OwnStampSize is the size of the stamp of a message that the sender of the frame has published itself, without the time of entry.
	// It ends with the number; with the time of entry the number stands in the same place.
	OwnStampSize = 2 + NumberSize
	// NumberSize is the size of the number in a stamp.
	NumberSize = 8
	// HopsAt is the offset of the hops in a stamp, so that a relay can count them in place.
	HopsAt = 1
)

// Stamp says where a message of a mesh comes from. It stands in front of the payload of stamped data and commands:
//
//	u8   flags: 1 the origin follows, 2 the entering node follows, 4 the time of entry follows; others are 0
//	u8   hops
//	[16] origin; absent: the entering node
//	[16] entering node; absent: the sender of the frame
//	u64  number
//	[i64] time of entry
type Stamp struct {
	// Origin published the message: a node, or a leaf of the entering node.
	Origin data.EndpointID
	// Entering is the node at which the message came into the mesh. The message travels along the tree of that node.
	Entering data.EndpointID
	// Number rises with each message of an origin that entered at one node; data and commands are numbered for themselves.
	Number uint64
	// Hops counts the connections that the message has gone over with the frame that it is in; 255 stands for that and more.
	Hops uint8
	// Sent is when the message entered, in nanoseconds since 1970; zero if nobody wanted to know.
	Sent int64
}

// Append appends the stamp as it stands in a frame of a sender.
func (s *Stamp) Append(dst []byte, sender data.EndpointID) []byte {
	at := len(dst)
	dst = append(dst, 0, s.Hops)
	flags := byte(0)
	if s.Origin != s.Entering {
		flags |= stampOrigin
		dst = append(dst, s.Origin[:]...)
	}
	if s.Entering != sender {
		flags |= stampEntering
		dst = append(dst, s.Entering[:]...)
	}
	dst = binary.BigEndian.AppendUint64(dst, s.Number)
	if s.Sent != 0 {
		flags |= stampSent
		dst = binary.BigEndian.AppendUint64(dst, uint64(s.Sent))
	}
	dst[at] = flags
	return dst
}

// AppendOwn appends the stamp of a message that the sender of the frame has published itself, with the number still zero. sent is the time of entry, zero if nobody wants to know.
func AppendOwn(dst []byte, sent int64) []byte {
	if sent == 0 {
		return append(dst, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return binary.BigEndian.AppendUint64(append(dst, stampSent, 1, 0, 0, 0, 0, 0, 0, 0, 0), uint64(sent))
}

// Relayable tells whether an encoded stamp stays as it is, but for the hops, when somebody else passes the message on.
func Relayable(stamp []byte) bool { return stamp[0]&stampEntering != 0 }

// stampSizes are the sizes of stamps by their flags.
var stampSizes = [stampKnown + 1]uint8{10, 26, 26, 42, 18, 34, 34, 50}

// ParseStamp reads the stamp at the front of the payload of a sender's frame into s and answers its size. The error is an *Error.
func ParseStamp(s *Stamp, payload []byte, sender *data.EndpointID) (int, error) {
	if len(payload) < 2 {
		return 0, &Error{len(payload), "truncated stamp"}
	}
	flags := payload[0]
	if flags&^stampKnown != 0 {
		return 0, &Error{0, fmt.Sprintf("stamp with unknown flags %#x", flags)}
	}
	size := int(stampSizes[flags])
	if len(payload) < size {
		return 0, &Error{len(payload), fmt.Sprintf("truncated stamp of %d bytes", size)}
	}
	s.Hops = payload[HopsAt]
	at := 2
	if flags&stampOrigin != 0 {
		s.Origin = data.EndpointID(payload[at:])
		at += 16
	}
	s.Entering = *sender
	if flags&stampEntering != 0 {
		s.Entering = data.EndpointID(payload[at:])
		at += 16
	}
	if flags&stampOrigin == 0 {
		s.Origin = s.Entering
	}
	s.Number = binary.BigEndian.Uint64(payload[at:])
	s.Sent = 0
	if flags&stampSent != 0 {
		s.Sent = int64(binary.BigEndian.Uint64(payload[at+8:]))
	}
	if s.Origin.IsZero() || s.Entering.IsZero() {
		return 0, &Error{2, "stamp of nobody"}
	}
	return size, nil
}
