// SPDX-License-Identifier: Apache-2.0

// Package wire is the native protocol of Broker, version 1: frames, envelopes and the messages of the handshake.
//
// A connection carries frames: a length of four bytes, big-endian, and so many bytes of body. While two endpoints negotiate, a body
// is one of the handshake messages (Hello to OriginatorAck); from then on it is an envelope with a topic and a payload. Nothing in a
// frame tells the two forms apart: the phase of the connection does.
//
// Endpoints of this project recognise each other by an Announcement, and then know more: messages with a Stamp, which says where a
// message comes from, and LinkState, from which the nodes of a mesh learn what it looks like.
//
// The package holds no state and does no I/O. Every parser takes bytes from strangers: lengths are checked before anything is
// allocated, and what is wrong comes back as an error with its offset.
package wire

import (
	"encoding/binary"
	"fmt"
)

// Type is the number of a message type.
type Type uint8

// Message types. The first five and those from 64 on travel in envelopes, the others belong to the handshake. Types from 64 on are
// extensions of this project and go only to peers that announced them.
const (
	TypeData            Type = 1
	TypeCommand         Type = 2
	TypeRoutingUpdate   Type = 3
	TypePing            Type = 4
	TypePong            Type = 5
	TypeHello           Type = 6
	TypeProbe           Type = 7
	TypeVersionSelect   Type = 8
	TypeDropConn        Type = 9
	TypeOriginatorSyn   Type = 10
	TypeResponderSynAck Type = 11
	TypeOriginatorAck   Type = 12
	// TypeStampedData and TypeStampedCommand are data and commands with a Stamp in front of the payload.
	TypeStampedData    Type = 64
	TypeStampedCommand Type = 65
	// TypeLinkState carries a LinkState.
	TypeLinkState Type = 66
)

var typeNames = [...]string{
	TypeData: "data", TypeCommand: "command", TypeRoutingUpdate: "routing_update", TypePing: "ping", TypePong: "pong",
	TypeHello: "hello", TypeProbe: "probe", TypeVersionSelect: "version_select", TypeDropConn: "drop_conn",
	TypeOriginatorSyn: "originator_syn", TypeResponderSynAck: "responder_syn_ack", TypeOriginatorAck: "originator_ack",
	TypeStampedData: "stamped_data", TypeStampedCommand: "stamped_command", TypeLinkState: "link_state",
}

// String returns the name that the protocol's documentation uses, for instance "routing_update".
func (t Type) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

const (
	// ProtocolVersion is the only version that this package speaks.
	ProtocolVersion = 1
	// FrameHeader is the size of the length in front of each body.
	FrameHeader = 4
	// MaxNegotiationBody is the largest body that is taken before the filters are exchanged.
	MaxNegotiationBody = 64 << 10
	// MaxFilterBody is the largest body of an OriginatorSyn or a ResponderSynAck.
	MaxFilterBody = 1 << 20
	// MaxFilterEntries is the largest number of prefixes in a filter.
	MaxFilterEntries = 10_000
	// MaxTopic is the longest topic or prefix, in bytes.
	MaxTopic = 1<<16 - 1
)

// Error says what is wrong with the bytes of a frame, and where.
type Error struct {
	// Offset counts from the start of the body (of the payload, for ParseFilter).
	Offset int
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// beginFrame appends room for a length; endFrame fills it in.
func beginFrame(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

func endFrame(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-FrameHeader))
	return dst
}
