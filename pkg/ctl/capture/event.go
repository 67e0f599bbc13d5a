// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// Event is one frame of a connection, or a note about the connection.
type Event struct {
	// Time is when the last packet of the frame was captured; zero if the
	// capture doesn't say.
	Time time.Time
	// Conn numbers the TCP connections of the capture from 1.
	Conn int
	// From and To are the ends: the frame went from one to the other.
	From, To netip.AddrPort

	// Note, if not empty, says what can't be shown. There is no frame then.
	Note string

	// Frame is the frame without its length, and Type what it says it is.
	Frame []byte
	Type  wire.Type
	// Handshake is the message of a frame before operation.
	Handshake wire.Handshake
	// Envelope is the header of a frame in operation, with the payload that
	// its type asks for in one of the fields below.
	Envelope wire.Envelope
	Value    data.Value       // data
	Command  *command.Message // command
	Filter   []string         // routing_update
	// Of the frames that nodes of brokermesh send each other: where data or a
	// command comes from, and what a node says of itself.
	Stamp     *wire.Stamp
	LinkState *wire.LinkState
	// Err is why the frame, or its payload, can't be read. The fields before
	// it hold what could be.
	Err error
}

// Summary is what a capture held.
type Summary struct {
	Packets int
	// NoTCP are packets without TCP, or whose headers can't be read.
	NoTCP int
	// Connections are those that speak Broker.
	Connections int
	// Others are the other TCP connections, by what they seem to speak: "TLS",
	// "HTTP", "Broker before 2.3", "something else".
	Others map[string]int
	// Frames that were found, and those of them that can't be read.
	Frames, Bad int
	// Gaps in the connections that speak Broker, the bytes missing there, and
	// the bytes that were passed over in search of a frame.
	Gaps, Lost, Skipped int
	// Truncated: the capture ends within a packet.
	Truncated bool
}
