// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Offsets of the fields that every payload begins with, and where the fields of the command begin.
const (
	seqAt      = 0
	senderAt   = 8
	receiverAt = 32
	kindAt     = 56
	// HeaderSize is the length of what precedes the fields of a command.
	HeaderSize = 57
)

// Message is a command with its header.
type Message struct {
	// Seq is the number in the channel of an action, the offset of an ack_clone, and 0 for everything else.
	Seq uint64
	// Sender is the frontend that sent the command, Receiver the one that it is for; nobody means everybody.
	Sender, Receiver data.EntityID
	// Body is one of the fourteen commands, or of the extensions.
	Body Command
	// Trailer is what follows the command, nil if nothing does.
	Trailer *Trailer
}

// Command is one of *Put, *PutUnique, *PutUniqueResult, *Erase, *Expire, *Add, *Subtract, *Clear, *AttachWriter, *Keepalive,
// *CumulativeAck, *Nack, *AckClone and *RetransmitFailed, or of the extensions *Ask, *Answer, *Resume, *OtherHistory, *SnapshotBegin,
// *SnapshotPart, *SnapshotEnd, *SnapshotAck, *UnknownClone, *WriteResult, *Batch, *Bundle, *Handover, *HandoverState and *HandoverPart.
type Command interface {
	// Kind is the number of the command on the wire.
	Kind() Kind
	size() int
	append(dst []byte) []byte
	parse(r *reader)
}

// Append appends the payload of m.
func (m *Message) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.Seq)
	dst = m.Sender.AppendBinary(dst)
	dst = m.Receiver.AppendBinary(dst)
	dst = m.Body.append(append(dst, byte(m.Body.Kind())))
	if m.Trailer != nil {
		dst = m.Trailer.append(dst)
	}
	return dst
}

// Size is the number of bytes that Append appends.
func (m *Message) Size() int {
	n := HeaderSize + m.Body.size()
	if m.Trailer != nil {
		n += m.Trailer.size()
	}
	return n
}

// Marshal is the payload of m in a slice of its own.
func (m *Message) Marshal() []byte { return m.Append(make([]byte, 0, m.Size())) }

// Parse reads a payload. The message shares its memory, so the caller must not change it afterwards. Errors are of type *Error.
func Parse(payload []byte) (Message, error) {
	r := reader{b: payload}
	m := Message{Seq: r.u64("sequence number"), Sender: r.entity("sender"), Receiver: r.entity("receiver")}
	kind := Kind(r.u8("command number"))
	if r.err == nil && !kind.known() {
		r.fail(kindAt, "unknown command")
	}
	if r.err != nil {
		return Message{}, r.err
	}
	m.Body = newCommand(kind)
	m.Body.parse(&r)
	if r.err != nil {
		return Message{}, r.err
	}
	if r.at < len(payload) && takesTrailer(kind) {
		m.Trailer = parseTrailer(payload[r.at:])
	}
	return m, nil
}

// Peek reads the kind of a payload and its sender and receiver without looking at the command's fields.
func Peek(payload []byte) (kind Kind, sender, receiver data.EntityID, ok bool) {
	if len(payload) < HeaderSize || !Kind(payload[kindAt]).known() {
		return 0, data.EntityID{}, data.EntityID{}, false
	}
	r := reader{b: payload, at: senderAt}
	return Kind(payload[kindAt]), r.entity("sender"), r.entity("receiver"), true
}

// SetReceiver overwrites the receiver in an encoded payload of at least HeaderSize bytes.
func SetReceiver(payload []byte, receiver data.EntityID) {
	receiver.AppendBinary(payload[receiverAt:receiverAt])
}
