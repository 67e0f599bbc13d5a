// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// conversations are the recorded ones of the wire codec.
const conversations = "../../broker/wire/testdata/conversations"

var started = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// segment is one TCP segment on its way.
type segment struct {
	back               bool // from the accepting side
	seq                uint32
	payload            []byte
	syn, fin, ack, rst bool
}

// tcpFlow writes down the segments of one connection.
type tcpFlow struct {
	segments []segment
	next     [2]uint32
	port     uint16
}

func newFlow(port uint16) *tcpFlow { return &tcpFlow{port: port, next: [2]uint32{1<<32 - 100, 7000}} }

func side(back bool) int {
	if back {
		return 1
	}
	return 0
}

func (f *tcpFlow) open() *tcpFlow {
	for i, back := range []bool{false, true} {
		f.segments = append(f.segments, segment{back: back, seq: f.next[i], syn: true, ack: back})
		f.next[i]++
	}
	return f
}

// send sends bytes in segments of at most size.
func (f *tcpFlow) send(back bool, size int, b []byte) *tcpFlow {
	for len(b) > 0 {
		n := min(size, len(b))
		f.segments = append(f.segments, segment{back: back, seq: f.next[side(back)], payload: b[:n], ack: true})
		f.next[side(back)] += uint32(n)
		b = b[n:]
	}
	return f
}

func (f *tcpFlow) close() *tcpFlow {
	for _, back := range []bool{false, true} {
		f.segments = append(f.segments, segment{back: back, seq: f.next[side(back)], fin: true, ack: true})
		f.next[side(back)]++
	}
	return f
}

// packet is a segment as it looks on a link.
func (f *tcpFlow) packet(t testing.TB, link layers.LinkType, v6 bool, s segment) []byte {
	t.Helper()
	client, server := net.IP{10, 0, 0, 1}, net.IP{10, 0, 0, 2}
	if v6 {
		client, server = net.ParseIP("2001:db8::1"), net.ParseIP("2001:db8::2")
	}
	from, to, sport, dport := client, server, f.port, uint16(9999)
	if s.back {
		from, to, sport, dport = server, client, 9999, f.port
	}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(sport), DstPort: layers.TCPPort(dport), Seq: s.seq, SYN: s.syn, ACK: s.ack, FIN: s.fin, RST: s.rst, Window: 1000}
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
	stack = append(stack, ip, tcp, gopacket.Payload(s.payload))
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return append(prefix, buf.Bytes()...)
}

// form is how a capture is written.
type form struct {
	link layers.LinkType
	v6   bool
	ng   bool
}

// capture writes the segments of flows one flow after the other, a millisecond
// apart.
func (o form) capture(t testing.TB, flows ...*tcpFlow) []byte {
	t.Helper()
	var out bytes.Buffer
	var write func(gopacket.CaptureInfo, []byte) error
	done := func() error { return nil }
	if o.ng {
		w, err := pcapgo.NewNgWriter(&out, o.link)
		if err != nil {
			t.Fatal(err)
		}
		write, done = w.WritePacket, w.Flush
	} else {
		w := pcapgo.NewWriterNanos(&out)
		if err := w.WriteFileHeader(1<<18, o.link); err != nil {
			t.Fatal(err)
		}
		write = w.WritePacket
	}
	at := started
	for _, f := range flows {
		for _, s := range f.segments {
			b := f.packet(t, o.link, o.v6, s)
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

// recording is one recorded connection: the bytes of both sides.
type recording struct {
	name string
	ways [2][]byte // of the connecting and the accepting side
}

func recordings(t testing.TB) []recording {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(conversations, "*", "conn*.c2s.bin"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded conversations: %v", err)
	}
	var out []recording
	for _, file := range files {
		r := recording{name: filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)[:5]}
		for i, name := range []string{"c2s", "s2c"} {
			r.ways[i], err = os.ReadFile(file[:len(file)-len("c2s.bin")] + name + ".bin")
			if err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, r)
	}
	return out
}

// frames are the bodies of the frames in bytes.
func frames(t testing.TB, b []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for len(b) > 0 {
		n := wire.FrameHeader + int(binary.BigEndian.Uint32(b))
		out, b = append(out, b[wire.FrameHeader:n]), b[n:]
	}
	return out
}

// find is the recording of that name.
func find(t testing.TB, name string) recording {
	t.Helper()
	for _, r := range recordings(t) {
		if r.name == name {
			return r
		}
	}
	t.Fatal("no such recording:", name)
	return recording{}
}

// read reads a whole capture.
func read(t testing.TB, raw []byte) ([]Event, Summary) {
	t.Helper()
	var events []Event
	s, err := Read(t.Context(), bytes.NewReader(raw), func(e Event) error {
		events = append(events, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events, s
}

// shown are the frames of one side, and all notes.
func shown(events []Event, back bool) (bodies [][]byte, notes []string) {
	for _, e := range events {
		switch {
		case e.Note != "":
			notes = append(notes, e.Note)
		case (e.From.Port() == 9999) == back:
			bodies = append(bodies, e.Frame)
		}
	}
	return bodies, notes
}

func same(got, want [][]byte) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d frames, want %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			return fmt.Errorf("frame %d is %x, want %x", i, got[i], want[i])
		}
	}
	return nil
}
