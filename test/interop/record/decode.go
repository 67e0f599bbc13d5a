// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// frame is a line of the decoded twin of a recording.
type frame struct {
	Type     string           `json:"type"`
	Body     *string          `json:"body,omitempty"` // of handshake messages: the fields in hex
	Sender   *data.EndpointID `json:"sender,omitempty"`
	Receiver *data.EndpointID `json:"receiver,omitempty"`
	TTL      uint16           `json:"ttl,omitempty"`
	Topic    string           `json:"topic,omitempty"`
	Payload  string           `json:"payload,omitempty"`
}

// decode writes the frames of one direction as JSON lines.
func decode(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	lines.SetEscapeHTML(false)
	for operation := false; len(raw) > 0; {
		if len(raw) < wire.FrameHeader || uint64(len(raw)-wire.FrameHeader) < uint64(binary.BigEndian.Uint32(raw)) {
			return nil, errors.New("the recording ends inside a frame")
		}
		end := wire.FrameHeader + int(binary.BigEndian.Uint32(raw))
		body := raw[wire.FrameHeader:end]
		raw = raw[end:]
		f, err := decodeFrame(body, operation)
		if err != nil {
			return nil, err
		}
		operation = operation || f.Type == "originator_ack" || f.Type == "responder_syn_ack"
		if err := lines.Encode(f); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func decodeFrame(body []byte, operation bool) (frame, error) {
	if !operation {
		msg, err := wire.ParseHandshake(body)
		if err != nil {
			return frame{}, err
		}
		fields := hex.EncodeToString(body[1:])
		return frame{Type: msg.Type().String(), Body: &fields}, nil
	}
	env, err := wire.ParseEnvelope(body)
	if err != nil {
		return frame{}, err
	}
	return frame{Type: env.Type.String(), Sender: &env.Sender, Receiver: &env.Receiver, TTL: env.TTL, Topic: string(env.Topic),
		Payload: hex.EncodeToString(env.Payload)}, nil
}
