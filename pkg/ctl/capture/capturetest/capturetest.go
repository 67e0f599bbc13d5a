// SPDX-License-Identifier: Apache-2.0

// Package capturetest writes captures as tcpdump would, of connections that a
// test makes up.
package capturetest

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Started is when captures begin. Packets follow a millisecond apart.
var Started = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// Segment is one TCP segment on its way.
type Segment struct {
	Back               bool // from the accepting side
	Seq                uint32
	Payload            []byte
	SYN, FIN, ACK, RST bool
}

// Flow writes down the segments of one connection.
type Flow struct {
	// Segments are those so far; a test may reorder, repeat and lose them.
	Segments []Segment
	next     [2]uint32
	port     uint16
}

// New is a connection from a port to port 9999 without segments.
func New(port uint16) *Flow { return &Flow{port: port, next: [2]uint32{1<<32 - 100, 7000}} }

func side(back bool) int {
	if back {
		return 1
	}
	return 0
}

// Open adds the two segments that begin a connection.
func (f *Flow) Open() *Flow {
	for i, back := range []bool{false, true} {
		f.Segments = append(f.Segments, Segment{Back: back, Seq: f.next[i], SYN: true, ACK: back})
		f.next[i]++
	}
	return f
}

// Send sends bytes in segments of at most size.
func (f *Flow) Send(back bool, size int, b []byte) *Flow {
	for len(b) > 0 {
		n := min(size, len(b))
		f.Segments = append(f.Segments, Segment{Back: back, Seq: f.next[side(back)], Payload: b[:n], ACK: true})
		f.next[side(back)] += uint32(n)
		b = b[n:]
	}
	return f
}

// Close adds the two segments that end it.
func (f *Flow) Close() *Flow {
	for _, back := range []bool{false, true} {
		f.Segments = append(f.Segments, Segment{Back: back, Seq: f.next[side(back)], FIN: true, ACK: true})
		f.next[side(back)]++
	}
	return f
}

// packet is a segment as it looks on a link.
func (f *Flow) packet(t testing.TB, link layers.LinkType, v6 bool, s Segment) []byte {
	t.Helper()
	client, server := net.IP{10, 0, 0, 1}, net.IP{10, 0, 0, 2}
	if v6 {
		client, server = net.ParseIP("2001:db8::1"), net.ParseIP("2001:db8::2")
	}
	from, to, sport, dport := client, server, f.port, uint16(9999)
	if s.Back {
		from, to, sport, dport = server, client, 9999, f.port
	}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(sport), DstPort: layers.TCPPort(dport), Seq: s.Seq, SYN: s.SYN, ACK: s.ACK, FIN: s.FIN, RST: s.RST, Window: 1000}
	var stack []gopacket.SerializableLayer
	etherType, family := layers.EthernetTypeIPv4, byte(2)
	var ip gopacket.SerializableLayer
	if v6 {
		etherType, family = layers.EthernetTypeIPv6, 30
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: from, DstIP: to}
		_ = tcp.SetNetworkLayerForChecksum(l)
		ip = l
	} else {
		l := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from, DstIP: to}
		_ = tcp.SetNetworkLayerForChecksum(l)
		ip = l
	}
	var prefix []byte
	switch link {
	case layers.LinkTypeEthernet:
		stack = append(stack, &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: etherType})
	case layers.LinkTypeNull:
		prefix = []byte{family, 0, 0, 0}
	case layers.LinkTypeLoop:
		prefix = []byte{0, 0, 0, family}
	case layers.LinkTypeLinuxSLL:
		prefix = binary.BigEndian.AppendUint16(make([]byte, 14), uint16(etherType))
		prefix[3], prefix[5] = 1, 6 // Ethernet, six bytes of address
	case layers.LinkTypeLinuxSLL2:
		prefix = binary.BigEndian.AppendUint16(nil, uint16(etherType))
		prefix = append(prefix, make([]byte, 18)...)
		prefix[9], prefix[11] = 1, 6
	}
	buf := gopacket.NewSerializeBuffer()
	stack = append(stack, ip, tcp, gopacket.Payload(s.Payload))
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return append(prefix, buf.Bytes()...)
}

// Form is how a capture is written.
type Form struct {
	Link layers.LinkType
	// V6 for IPv6, NG for the newer format, pcapng.
	V6, NG bool
}

// Capture writes the segments of flows one flow after the other, a millisecond
// apart.
func (o Form) Capture(t testing.TB, flows ...*Flow) []byte {
	t.Helper()
	var out bytes.Buffer
	var write func(gopacket.CaptureInfo, []byte) error
	done := func() error { return nil }
	if o.NG {
		w, err := pcapgo.NewNgWriter(&out, o.Link)
		if err != nil {
			t.Fatal(err)
		}
		write, done = w.WritePacket, w.Flush
	} else {
		w := pcapgo.NewWriterNanos(&out)
		if err := w.WriteFileHeader(1<<18, o.Link); err != nil {
			t.Fatal(err)
		}
		write = w.WritePacket
	}
	at := Started
	for _, f := range flows {
		for _, s := range f.Segments {
			b := f.packet(t, o.Link, o.V6, s)
			at = at.Add(time.Millisecond)
			if err := write(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(b), Length: len(b)}, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
