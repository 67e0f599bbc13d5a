// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// maxDropCode is the largest code that a DropConn may carry.
const maxDropCode = code.LogicError

// DropConn refuses a connection; the sender closes it afterwards.
type DropConn struct {
	Sender data.EndpointID
	Code   code.Code
	Text   string
}

// Type is TypeDropConn.
func (*DropConn) Type() Type { return TypeDropConn }

func (m *DropConn) appendFields(dst []byte) []byte {
	return appendString(append(appendMagic(dst, m.Sender), byte(m.Code)), m.Text)
}

func parseDropConn(fields []byte) (Handshake, error) {
	const name = "drop_conn_msg"
	if err := checkMagic(fields, 22, name); err != nil {
		return nil, err
	}
	text, _, err := parseString(fields[21:])
	if err != nil {
		return nil, &HandshakeError{code.InvalidMessage, "failed to parse " + name}
	}
	m := &DropConn{data.EndpointID(fields[4:20]), code.Code(fields[20]), string(text)}
	if m.Code > maxDropCode {
		return nil, &HandshakeError{code.Unspecified, m.Text}
	}
	return m, nil
}
