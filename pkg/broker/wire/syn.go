// SPDX-License-Identifier: Apache-2.0

package wire

// OriginatorSyn carries the originator's filter.
type OriginatorSyn struct{ Filter []string }

// Type is TypeOriginatorSyn.
func (*OriginatorSyn) Type() Type { return TypeOriginatorSyn }

func (m *OriginatorSyn) appendFields(dst []byte) []byte { return AppendFilter(dst, m.Filter) }

// ResponderSynAck carries the responder's filter, in answer to an OriginatorSyn.
type ResponderSynAck struct{ Filter []string }

// Type is TypeResponderSynAck.
func (*ResponderSynAck) Type() Type { return TypeResponderSynAck }

func (m *ResponderSynAck) appendFields(dst []byte) []byte { return AppendFilter(dst, m.Filter) }

// OriginatorAck ends the handshake. Over TLS it must stand in a record of its own: the reference, as responder, overlooks what
// follows in the same record until more arrives.
type OriginatorAck struct{}

// Type is TypeOriginatorAck.
func (*OriginatorAck) Type() Type { return TypeOriginatorAck }

func (*OriginatorAck) appendFields(dst []byte) []byte { return dst }
