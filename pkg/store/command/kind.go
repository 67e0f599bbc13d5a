// SPDX-License-Identifier: Apache-2.0

package command

import "strconv"

// Kind is the number of a command on the wire. Those from 64 on are extensions, which only frontends of this project know.
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

// The extensions.
const (
	KindAsk    Kind = 64
	KindAnswer Kind = 65
	// From a master to a clone that showed itself by a trailer.
	KindResume        Kind = 80
	KindOtherHistory  Kind = 81
	KindSnapshotBegin Kind = 82
	KindSnapshotPart  Kind = 83
	KindSnapshotEnd   Kind = 84
	KindUnknownClone  Kind = 86
	KindWriteResult   Kind = 87
	KindBundle        Kind = 89
	// From a clone to a master that showed itself.
	KindSnapshotAck Kind = 85
	KindBatch       Kind = 88
	// From the endpoint of a clone that takes a store over to its master, and back.
	KindHandover      Kind = 90
	KindHandoverState Kind = 91
	KindHandoverPart  Kind = 92
)

// extensionNames also says which extensions there are.
var extensionNames = map[Kind]string{
	KindAsk: "ask", KindAnswer: "answer",
	KindResume: "resume", KindOtherHistory: "other_history",
	KindSnapshotBegin: "snapshot_begin", KindSnapshotPart: "snapshot_part", KindSnapshotEnd: "snapshot_end", KindSnapshotAck: "snapshot_ack",
	KindUnknownClone: "unknown_clone", KindWriteResult: "write_result", KindBatch: "batch", KindBundle: "bundle",
	KindHandover: "handover", KindHandoverState: "handover_state", KindHandoverPart: "handover_part",
}

// known tells whether there is such a command.
func (k Kind) known() bool {
	if k <= kindLast {
		return true
	}
	_, ok := extensionNames[k]
	return ok
}

var kindNames = [...]string{
	"put", "put_unique", "put_unique_result", "erase", "expire", "add", "subtract", "clear",
	"attach_writer", "keepalive", "cumulative_ack", "nack", "ack_clone", "retransmit_failed",
}

// String is the reference's name of the command.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	if name, ok := extensionNames[k]; ok {
		return name
	}
	return "command " + strconv.Itoa(int(k))
}

// Class says who handles a command: actions are the numbered events of a channel, control manages a channel, and questions have nothing
// to do with channels. Extended is what only frontends of this project say about their channels.
type Class uint8

// The classes.
const (
	Action Class = iota
	ProducerControl
	ConsumerControl
	Question
	Extended
)

// Class is the class of the command.
func (k Kind) Class() Class {
	switch k {
	case KindCumulativeAck, KindNack:
		return ConsumerControl
	case KindAttachWriter, KindKeepalive, KindAckClone, KindRetransmitFailed:
		return ProducerControl
	case KindAsk, KindAnswer:
		return Question
	case KindResume, KindOtherHistory, KindSnapshotBegin, KindSnapshotPart, KindSnapshotEnd, KindSnapshotAck, KindUnknownClone,
		KindWriteResult, KindBundle, KindHandover, KindHandoverState, KindHandoverPart:
		return Extended
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
	case KindAsk:
		return new(Ask)
	case KindAnswer:
		return new(Answer)
	case KindResume:
		return new(Resume)
	case KindOtherHistory:
		return new(OtherHistory)
	case KindSnapshotBegin:
		return new(SnapshotBegin)
	case KindSnapshotPart:
		return new(SnapshotPart)
	case KindSnapshotEnd:
		return new(SnapshotEnd)
	case KindSnapshotAck:
		return new(SnapshotAck)
	case KindUnknownClone:
		return new(UnknownClone)
	case KindWriteResult:
		return new(WriteResult)
	case KindBatch:
		return new(Batch)
	case KindBundle:
		return new(Bundle)
	case KindHandover:
		return new(Handover)
	case KindHandoverState:
		return new(HandoverState)
	case KindHandoverPart:
		return new(HandoverPart)
	default:
		return new(RetransmitFailed)
	}
}
