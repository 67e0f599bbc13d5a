// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"
)

// Bounds of what waits for packets that are missing: in pages of about 1900
// bytes, and in time as the capture counts it.
const (
	pagesPerConnection = 4096
	pagesInAll         = 16384
	patience           = 2 * time.Second
)

// Read reads a capture to its end and calls yield for each event, in the order
// in which the packets were captured. An error of yield ends reading and comes
// back as it is; so does the context's. A capture that breaks off within a
// packet is no error, and the summary says so.
func Read(ctx context.Context, r io.Reader, yield func(Event) error) (Summary, error) {
	in, err := open(r)
	if err != nil {
		return Summary{}, err
	}
	c := &collector{yield: yield, live: make(map[*connection]bool)}
	c.Others = make(map[string]int)
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(c))
	assembler.MaxBufferedPagesPerConnection = pagesPerConnection
	assembler.MaxBufferedPagesTotal = pagesInAll
	err = c.run(ctx, in, assembler)
	if err == nil {
		err = c.finish(assembler)
	}
	return c.Summary, err
}

// finish takes what still waits for missing packets, in the order of time: the
// assembler has none.
func (c *collector) finish(a *reassembly.Assembler) error {
	var rest []Event
	c.held = &rest
	a.FlushAll()
	for conn := range c.live {
		conn.ReassemblyComplete(nil)
	}
	c.held = nil
	slices.SortStableFunc(rest, func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Conn, b.Conn))
	})
	for _, e := range rest {
		c.event(e)
	}
	return c.err
}

// collector takes packets and hands out events.
type collector struct {
	Summary
	yield func(Event) error
	err   error // of yield; nothing is handed out any more
	conns int   // that have begun
	live  map[*connection]bool
	held  *[]Event  // where events go instead of yield
	seen  time.Time // when waiting data was last looked for
}

func (c *collector) run(ctx context.Context, in source, a *reassembly.Assembler) error {
	for {
		p, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			c.Truncated = true
			return nil
		case err != nil:
			return fmt.Errorf("packet %d: %w", c.Packets+1, err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		c.Packets++
		c.packet(p, a)
		if c.err != nil {
			return c.err
		}
	}
}

// moment is when a packet was captured, as the assembler wants to be told.
type moment gopacket.CaptureInfo

// GetCaptureInfo answers what the capture says of the packet.
func (m *moment) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo(*m) }

func (c *collector) packet(p packet, a *reassembly.Assembler) {
	decoded := gopacket.NewPacket(p.data, decoder(p), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	tcp, ok := decoded.TransportLayer().(*layers.TCP)
	if !ok {
		c.NoTCP++
		return
	}
	m := moment(p.info)
	a.AssembleWithContext(decoded.NetworkLayer().NetworkFlow(), tcp, &m)
	if since := p.info.Timestamp.Sub(c.seen); since > patience/2 || since < 0 {
		c.seen = p.info.Timestamp
		a.FlushWithOptions(reassembly.FlushOptions{T: p.info.Timestamp.Add(-patience)})
	}
}

// New begins a connection at its first packet.
func (c *collector) New(net, transport gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	c.conns++
	conn := &connection{c: c, number: c.conns}
	from, to := address(net.Src(), transport.Src()), address(net.Dst(), transport.Dst())
	conn.ways[0] = way{conn: conn, from: from, to: to}
	conn.ways[1] = way{conn: conn, from: to, to: from}
	c.live[conn] = true
	return conn
}

func address(host, port gopacket.Endpoint) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(host.Raw())
	var n uint16
	if raw := port.Raw(); len(raw) == 2 {
		n = uint16(raw[0])<<8 | uint16(raw[1])
	}
	return netip.AddrPortFrom(ip.Unmap(), n)
}

func (c *collector) event(e Event) {
	if c.err != nil {
		return
	}
	if c.held != nil {
		*c.held = append(*c.held, e)
		return
	}
	if e.Note == "" {
		c.Frames++
		if e.Err != nil {
			c.Bad++
		}
	}
	c.err = c.yield(e)
}
