// SPDX-License-Identifier: Apache-2.0

package command

import "strconv"

// Kind is the number of a command on the wire.
type Kind uint8

// The commands.
const (
	KindPut Kind = iota
	KindPutUnique
	KindPutUniqueResult
	KindErase
	KindExpire
	KindAdd
	KindSubtract
	KindClear
	KindAttachWriter
	KindKeepalive
	KindCumulativeAck
	KindNack
	KindAckClone
	KindRetransmitFailed

	kindLast = KindRetransmitFailed
)

var kindNames = [...]string{
	"put", "put_unique", "put_unique_result", "erase", "expire", "add", "subtract", "clear",
	"attach_writer", "keepalive", "cumulative_ack", "nack", "ack_clone", "retransmit_failed",
}

// String is the reference's name of the command.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "command " + strconv.Itoa(int(k))
}

// Class says who handles a command: actions are the numbered events of a channel, the others manage a channel.
type Class uint8

// The classes.
const (
	Action Class = iota
	ProducerControl
	ConsumerControl
)

// Class is the class of the command.
func (k Kind) Class() Class {
	switch k {
	case KindCumulativeAck, KindNack:
		return ConsumerControl
	case KindAttachWriter, KindKeepalive, KindAckClone, KindRetransmitFailed:
		return ProducerControl
	default:
		return Action
	}
}

// newCommand is an empty command of a known kind.
func newCommand(k Kind) Command {
	switch k {
	case KindPut:
		return new(Put)
	case KindPutUnique:
		return new(PutUnique)
	case KindPutUniqueResult:
		return new(PutUniqueResult)
	case KindErase:
		return new(Erase)
	case KindExpire:
		return new(Expire)
	case KindAdd:
		return new(Add)
	case KindSubtract:
		return new(Subtract)
	case KindClear:
		return new(Clear)
	case KindAttachWriter:
		return new(AttachWriter)
	case KindKeepalive:
		return new(Keepalive)
	case KindCumulativeAck:
		return new(CumulativeAck)
	case KindNack:
		return new(Nack)
	case KindAckClone:
		return new(AckClone)
	default:
		return new(RetransmitFailed)
	}
}
