// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Offsets of the fixed fields in the body of an envelope.
const (
	SenderAt   = 0
	ReceiverAt = 16
	TypeAt     = 32
	TTLAt      = 33
	TopicLenAt = 35
	TopicAt    = 37
	// HeaderSize is the size of everything before the topic; no envelope is shorter.
	HeaderSize = TopicAt
	// DefaultTTL is what an endpoint writes into its own messages.
	DefaultTTL = 16
)

// Envelope is a message between two peered endpoints.
//
// Topic and Payload of a parsed envelope are views of the body: they are valid as long as the body is.
type Envelope struct {
	// Sender is the endpoint that sent this frame, not the one that published the message.
	Sender data.EndpointID
	// Receiver is zero for everybody.
	Receiver data.EndpointID
	Type     Type
	TTL      uint16
	Topic    []byte
	Payload  []byte
}

// ParseEnvelope reads the header of an envelope, also of one with an extension's type. It looks neither at the topic's bytes nor into the payload. The error is an *Error.
func ParseEnvelope(body []byte) (Envelope, error) {
	if len(body) < HeaderSize {
		return Envelope{}, &Error{len(body), fmt.Sprintf("envelope has %d bytes, at least %d are needed", len(body), HeaderSize)}
	}
	t := Type(body[TypeAt])
	if (t < TypeData || t > TypePong) && (t < TypeStampedData || t > TypeLinkState) {
		return Envelope{}, &Error{TypeAt, fmt.Sprintf("message type %d is none of data, command, routing_update, ping, pong, or an extension", uint8(t))}
	}
	n := int(binary.BigEndian.Uint16(body[TopicLenAt:]))
	if n > len(body)-TopicAt {
		return Envelope{}, &Error{TopicLenAt, fmt.Sprintf("topic of %d bytes, but %d are left", n, len(body)-TopicAt)}
	}
	return Envelope{
		Sender:   data.EndpointID(body[SenderAt:ReceiverAt]),
		Receiver: data.EndpointID(body[ReceiverAt:TypeAt]),
		Type:     t,
		TTL:      binary.BigEndian.Uint16(body[TTLAt:]),
		Topic:    body[TopicAt : TopicAt+n : TopicAt+n],
		Payload:  body[TopicAt+n:],
	}, nil
}

// FrameSize is the number of bytes that AppendFrame appends.
func (e *Envelope) FrameSize() int { return FrameHeader + HeaderSize + len(e.Topic) + len(e.Payload) }

// AppendFrame appends the envelope with its length in front. A topic of more than MaxTopic bytes is an *Error, and dst comes back as it was.
func AppendFrame(dst []byte, e *Envelope) ([]byte, error) {
	dst, err := AppendHeader(dst, e, len(e.Payload))
	if err != nil {
		return dst, err
	}
	return append(dst, e.Payload...), nil
}

// AppendHeader appends the frame up to the payload, which has payloadLen bytes and is written by the caller.
func AppendHeader(dst []byte, e *Envelope, payloadLen int) ([]byte, error) {
	if len(e.Topic) > MaxTopic {
		return dst, &Error{TopicLenAt, fmt.Sprintf("topic of %d bytes, at most %d are allowed", len(e.Topic), MaxTopic)}
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(HeaderSize+len(e.Topic)+payloadLen))
	dst = append(dst, e.Sender[:]...)
	dst = append(dst, e.Receiver[:]...)
	dst = append(dst, byte(e.Type))
	dst = binary.BigEndian.AppendUint16(dst, e.TTL)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.Topic)))
	return append(dst, e.Topic...), nil
}
