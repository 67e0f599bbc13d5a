// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// Frames of brokermesh's own, which only its nodes send to each other.
const (
	typeStampedData    wire.Type = 64
	typeStampedCommand wire.Type = 65
	typeLinkState      wire.Type = 66
)

// isEnvelope tells whether frames of a type have an envelope.
func isEnvelope(t wire.Type) bool {
	return t >= wire.TypeData && t <= wire.TypePong || t >= typeStampedData && t <= typeLinkState
}

// isControl tells whether frames of a type concern the connection only.
func isControl(t wire.Type) bool {
	return t >= wire.TypeRoutingUpdate && t <= wire.TypePong || t == typeLinkState
}

// decode reads the body of a frame. settled says that the sender's handshake
// is over. The event keeps no memory of the body. Its type is 0 if nothing of
// it could be read.
func decode(body []byte, settled bool) Event {
	e := Event{Frame: bytes.Clone(body)}
	if !settled {
		e.Handshake, e.Err = wire.ParseHandshake(e.Frame)
		if e.Handshake != nil {
			e.Type = e.Handshake.Type()
		}
		return e
	}
	if e.Envelope, e.Err = envelope(e.Frame); e.Err != nil {
		return e
	}
	e.Type = e.Envelope.Type
	switch payload := e.Envelope.Payload; e.Type {
	case wire.TypeData:
		e.Value, e.Err = data.View(payload)
	case wire.TypeCommand:
		var m command.Message
		if m, e.Err = command.Parse(payload); e.Err == nil {
			e.Command = &m
		}
	case wire.TypeRoutingUpdate:
		e.Filter, e.Err = wire.ParseFilter(payload)
	}
	return e
}

// envelope reads the header of a frame of any type that has one.
func envelope(body []byte) (wire.Envelope, error) {
	if len(body) < wire.HeaderSize {
		return wire.Envelope{}, fmt.Errorf("envelope has %d bytes, at least %d are needed", len(body), wire.HeaderSize)
	}
	t := wire.Type(body[wire.TypeAt])
	if !isEnvelope(t) {
		return wire.Envelope{}, fmt.Errorf("message type %d is unknown", uint8(t))
	}
	n := int(binary.BigEndian.Uint16(body[wire.TopicLenAt:]))
	if n > len(body)-wire.TopicAt {
		return wire.Envelope{}, fmt.Errorf("topic of %d bytes, but %d are left", n, len(body)-wire.TopicAt)
	}
	return wire.Envelope{
		Sender:   data.EndpointID(body[wire.SenderAt:]),
		Receiver: data.EndpointID(body[wire.ReceiverAt:]),
		Type:     t,
		TTL:      binary.BigEndian.Uint16(body[wire.TTLAt:]),
		Topic:    body[wire.TopicAt : wire.TopicAt+n],
		Payload:  body[wire.TopicAt+n:],
	}, nil
}
