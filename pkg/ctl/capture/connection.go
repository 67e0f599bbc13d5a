// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"
)

// What a connection, or one way of it, speaks.
const (
	protocolUnknown = ""
	protocolBroker  = "Broker"
	protocolTLS     = "TLS"
	protocolHTTP    = "HTTP"
	protocolOld     = "Broker before 2.3"
	protocolOther   = "something else"
)

// connection is one TCP connection.
type connection struct {
	c      *collector
	number int
	// ways are the two directions: of the first packet, and the other.
	ways     [2]way
	protocol string
	// Of both ways, as in Summary.
	gaps, lost, skipped int
}

func (c *connection) way(d reassembly.TCPFlowDirection) *way {
	if d == reassembly.TCPDirClientToServer {
		return &c.ways[0]
	}
	return &c.ways[1]
}

// Accept takes every packet, and begins in the middle if it has to.
func (c *connection) Accept(tcp *layers.TCP, _ gopacket.CaptureInfo, dir reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	if next == -1 && !tcp.SYN {
		if len(tcp.Payload) == 0 && !tcp.FIN && !tcp.RST {
			return false // nothing to begin with
		}
		*start = true
		c.way(dir).midway = true
	}
	return true
}

// ReassembledSG takes the bytes that follow those it was given before, or a
// gap and what follows that.
func (c *connection) ReassembledSG(sg reassembly.ScatterGather, ac reassembly.AssemblerContext) {
	dir, _, _, missing := sg.Info()
	var at time.Time
	if ac != nil {
		at = ac.GetCaptureInfo().Timestamp
	}
	w := c.way(dir)
	if missing > 0 {
		w.gap(missing, at)
	}
	if available, _ := sg.Lengths(); available > 0 {
		w.feed(sg.Fetch(available), at)
	}
}

// ReassemblyComplete ends the connection; what comes with the same addresses
// later is another one.
func (c *connection) ReassemblyComplete(reassembly.AssemblerContext) bool {
	for i := range c.ways {
		c.ways[i].end()
	}
	if c.c.live[c] {
		delete(c.c.live, c)
		c.count(&c.c.Summary)
	}
	return true
}

// speaks settles the protocol. Once one way has spoken Broker the other one
// does too, whatever it looked like.
func (c *connection) speaks(protocol string, w *way, at time.Time) {
	if c.protocol == protocolBroker || c.protocol == protocol {
		return
	}
	switch protocol {
	case protocolBroker:
		c.protocol = protocolBroker
		other := &c.ways[0]
		if other == w {
			other = &c.ways[1]
		}
		other.recall()
	case protocolTLS:
		c.protocol = protocol
		w.note(at, "TLS: its content can't be seen")
	default:
		if c.protocol == protocolUnknown || c.protocol == protocolOther {
			c.protocol = protocol
		}
	}
}

// count adds the connection to the summary.
func (c *connection) count(s *Summary) {
	if c.protocol != protocolBroker {
		if c.protocol == protocolUnknown {
			c.protocol = protocolOther
		}
		s.Others[c.protocol]++
		return
	}
	s.Connections++
	s.Gaps += c.gaps
	s.Lost += c.lost
	s.Skipped += c.skipped
}
