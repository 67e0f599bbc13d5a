// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Hello names the sender and the protocol versions that it speaks, from Min to Max.
type Hello struct {
	Sender   data.EndpointID
	Min, Max uint8
}

// Type is TypeHello.
func (*Hello) Type() Type { return TypeHello }

func (m *Hello) appendFields(dst []byte) []byte {
	return append(appendMagic(dst, m.Sender), m.Min, m.Max)
}

func parseHello(fields []byte) (Handshake, error) {
	if err := checkMagic(fields, 22, "hello_msg"); err != nil {
		return nil, err
	}
	m := &Hello{data.EndpointID(fields[4:20]), fields[20], fields[21]}
	if m.Min > ProtocolVersion || m.Max < ProtocolVersion {
		return nil, &HandshakeError{code.PeerIncompatible, "unsupported versions offered"}
	}
	return m, nil
}

// Probe is what a listener says on accepting a connection. It has no effect.
type Probe struct{}

// Type is TypeProbe.
func (*Probe) Type() Type { return TypeProbe }

func (*Probe) appendFields(dst []byte) []byte { return binary.BigEndian.AppendUint32(dst, magic) }

func parseProbe(fields []byte) (Handshake, error) {
	if err := checkMagic(fields, 4, "probe_msg"); err != nil {
		return nil, err
	}
	return &Probe{}, nil
}

// VersionSelect is the originator's choice of the protocol version.
type VersionSelect struct {
	Sender  data.EndpointID
	Version uint8
}

// Type is TypeVersionSelect.
func (*VersionSelect) Type() Type { return TypeVersionSelect }

func (m *VersionSelect) appendFields(dst []byte) []byte {
	return append(appendMagic(dst, m.Sender), m.Version)
}

func parseVersionSelect(fields []byte) (Handshake, error) {
	if err := checkMagic(fields, 21, "version_select_msg"); err != nil {
		return nil, err
	}
	m := &VersionSelect{data.EndpointID(fields[4:20]), fields[20]}
	if m.Version != ProtocolVersion {
		return nil, &HandshakeError{code.PeerIncompatible, "unsupported version selected"}
	}
	return m, nil
}
