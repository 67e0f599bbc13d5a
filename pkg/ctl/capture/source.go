// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// ErrFormat says that the input is no capture that this package knows.
var ErrFormat = errors.New("not a capture of tcpdump")

// packet is one packet with the kind of link that it was seen on.
type packet struct {
	data []byte
	info gopacket.CaptureInfo
	link layers.LinkType
}

// source reads packets until io.EOF.
type source interface{ next() (packet, error) }

// The first four bytes of a pcapng file, in either byte order.
const ngMagic = 0x0A0D0D0A

// open finds out which format the input has: pcap, which may be compressed
// with gzip, or pcapng.
func open(r io.Reader) (source, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	magic, err := in.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: it has only %d bytes", ErrFormat, len(magic))
		}
		return nil, err
	}
	if binary.BigEndian.Uint32(magic) == ngMagic {
		ng, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return ngSource{ng}, nil
	}
	p, err := pcapgo.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !known(p.LinkType()) {
		return nil, fmt.Errorf("%w: link type %d: want Ethernet, loopback, Linux cooked or raw IP", ErrFormat, p.LinkType())
	}
	return pcapSource{p}, nil
}

type pcapSource struct{ *pcapgo.Reader }

func (s pcapSource) next() (packet, error) {
	data, info, err := s.ZeroCopyReadPacketData()
	return packet{data, info, s.LinkType()}, err
}

type ngSource struct{ *pcapgo.NgReader }

func (s ngSource) next() (packet, error) {
	data, info, err := s.ZeroCopyReadPacketData()
	if err != nil {
		return packet{}, err
	}
	p := packet{data: data, info: info}
	if len(info.AncillaryData) > 0 {
		p.link, _ = info.AncillaryData[0].(layers.LinkType)
	}
	return p, nil
}

// Raw IP has had several numbers.
const (
	linkRaw12 layers.LinkType = 12
	linkRaw14 layers.LinkType = 14
)

// known tells whether packets of a link can be read.
func known(l layers.LinkType) bool {
	switch l {
	case layers.LinkTypeEthernet, layers.LinkTypeNull, layers.LinkTypeLoop, layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2:
		return true
	default:
		return isRaw(l)
	}
}

func isRaw(l layers.LinkType) bool {
	switch l {
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, linkRaw12, linkRaw14:
		return true
	default:
		return false
	}
}

// decoder is what takes the packets of a link apart.
func decoder(p packet) gopacket.Decoder {
	if !isRaw(p.link) {
		return p.link
	}
	if len(p.data) > 0 && p.data[0]>>4 == 6 {
		return layers.LayerTypeIPv6
	}
	return layers.LayerTypeIPv4
}
