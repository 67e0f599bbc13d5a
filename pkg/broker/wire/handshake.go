// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// magic is "ZEEK", in front of every message that a stranger may send first.
const magic = 0x5A45454B

// Handshake is one of the messages before operation: *Hello, *Probe, *VersionSelect, *DropConn, *OriginatorSyn, *ResponderSynAck,
// *OriginatorAck.
type Handshake interface {
	// Type is the number that stands in front of the message.
	Type() Type
	appendFields(dst []byte) []byte
}

// HandshakeError is what is wrong with a handshake message, in the code and the words with which the reference drops the connection.
type HandshakeError struct {
	Code code.Code
	Text string
}

func (e *HandshakeError) Error() string { return e.Text }

// Unwrap makes errors.Is(err, code.InvalidMessage) and the like work.
func (e *HandshakeError) Unwrap() error { return e.Code }

// AppendHandshake appends a message as a frame.
func AppendHandshake(dst []byte, m Handshake) []byte {
	start := len(dst)
	dst = append(beginFrame(dst), byte(m.Type()))
	return endFrame(m.appendFields(dst), start)
}

// ParseHandshake reads the body of a frame before operation. Bytes after the last field are ignored, as in the reference. The error
// is a *HandshakeError: what a DropConn in answer should say.
func ParseHandshake(body []byte) (Handshake, error) {
	if len(body) == 0 {
		return nil, &HandshakeError{code.InvalidMessage, "invalid message type tag"}
	}
	fields := body[1:]
	switch Type(body[0]) {
	case TypeHello:
		return parseHello(fields)
	case TypeProbe:
		return parseProbe(fields)
	case TypeVersionSelect:
		return parseVersionSelect(fields)
	case TypeDropConn:
		return parseDropConn(fields)
	case TypeOriginatorSyn:
		filter, _, err := parseFilterPrefix(fields)
		return checked(&OriginatorSyn{filter}, err == nil, "v1::originator_syn_msg")
	case TypeResponderSynAck:
		filter, _, err := parseFilterPrefix(fields)
		return checked(&ResponderSynAck{filter}, err == nil, "v1::responder_syn_ack_msg")
	case TypeOriginatorAck:
		return &OriginatorAck{}, nil
	default:
		return nil, &HandshakeError{code.InvalidMessage, "invalid message type tag"}
	}
}

func checked(m Handshake, ok bool, name string) (Handshake, error) {
	if !ok {
		return nil, &HandshakeError{code.InvalidMessage, "failed to parse " + name}
	}
	return m, nil
}

// checkMagic looks at the first field of a message that has at least size bytes of fields.
func checkMagic(fields []byte, size int, name string) error {
	if len(fields) < size {
		return &HandshakeError{code.InvalidMessage, "failed to parse " + name}
	}
	if binary.BigEndian.Uint32(fields) != magic {
		return &HandshakeError{code.WrongMagicNumber, "wrong magic number"}
	}
	return nil
}

func appendMagic(dst []byte, sender data.EndpointID) []byte {
	return append(binary.BigEndian.AppendUint32(dst, magic), sender[:]...)
}
