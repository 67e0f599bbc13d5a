// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// isEnvelope tells whether frames of a type have an envelope.
func isEnvelope(t wire.Type) bool {
	return t >= wire.TypeData && t <= wire.TypePong || t >= wire.TypeStampedData && t <= wire.TypeLinkState
}

// isControl tells whether frames of a type concern the connection only.
func isControl(t wire.Type) bool {
	return t >= wire.TypeRoutingUpdate && t <= wire.TypePong || t == wire.TypeLinkState
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
	if e.Envelope, e.Err = wire.ParseEnvelope(e.Frame); e.Err != nil {
		return e
	}
	e.Type = e.Envelope.Type
	payload := e.Envelope.Payload
	if e.Type == wire.TypeStampedData || e.Type == wire.TypeStampedCommand {
		var stamp wire.Stamp
		n, err := wire.ParseStamp(&stamp, payload, &e.Envelope.Sender)
		if err != nil {
			e.Err = err
			return e
		}
		e.Stamp, payload = &stamp, payload[n:]
	}
	switch e.Type {
	case wire.TypeData, wire.TypeStampedData:
		e.Value, e.Err = data.View(payload)
	case wire.TypeCommand, wire.TypeStampedCommand:
		var m command.Message
		if m, e.Err = command.Parse(payload); e.Err == nil {
			e.Command = &m
		}
	case wire.TypeRoutingUpdate:
		e.Filter, e.Err = wire.ParseFilter(payload)
	case wire.TypeLinkState:
		e.LinkState, e.Err = wire.ParseLinkState(payload)
	}
	return e
}
