// SPDX-License-Identifier: Apache-2.0

package channel

import "github.com/brokermesh/brokermesh/pkg/broker/data"

// MaxNack is how many numbers one nack asks for, and how many of a received one are answered.
const MaxNack = 1000

// Defaults of the reference, in ticks of 100 ms.
const (
	DefaultHeartbeat   = 5
	DefaultNackTimeout = 2
	// DefaultTimeout is 50 s: the heartbeat interval times 100.
	DefaultTimeout = 500
)

// Kind is what a Message is.
type Kind uint8

// Messages from a producer to its consumers, then those the other way.
const (
	// Event carries Seq and Payload.
	Event Kind = iota
	// Handshake carries the offset in Seq.
	Handshake
	// Heartbeat carries the newest number in Seq.
	Heartbeat
	// RetransmitFailed carries in Seq the number of an event that is gone.
	RetransmitFailed
	// Ack carries in Seq the number up to which everything has arrived.
	Ack
	// Nack carries in Seqs the numbers that are missing, ascending; {0} asks for a handshake.
	Nack
)

// Message is one thing to send.
type Message struct {
	Kind Kind
	// To is the consumer that the message is for; nobody stands for all of them. Messages of a consumer go to its producer, and To
	// is nobody.
	To      data.EntityID
	Seq     uint64
	Seqs    []uint64
	Payload []byte
}

// Delivery is an event for the owner of a consumer.
type Delivery[P any] struct {
	Seq     uint64
	Payload P
	// Lost tells that the event is gone for good; Payload is empty.
	Lost bool
}

// Output collects what a machine wants to be done. The owner empties it between steps.
type Output[P any] struct {
	// Messages are to be sent, in this order.
	Messages []Message
	// Deliveries are to be handled, in this order. Acks among the Messages cover them already.
	Deliveries []Delivery[P]
}

// Reset empties the output for reuse.
func (o *Output[P]) Reset() {
	clear(o.Messages)
	clear(o.Deliveries)
	o.Messages, o.Deliveries = o.Messages[:0], o.Deliveries[:0]
}
