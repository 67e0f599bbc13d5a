// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"crypto/ecdh"
	"encoding/binary"
)

// messageType is the first byte of a handshake message.
type messageType uint8

const (
	typeHelloRequest      messageType = 0
	typeClientHello       messageType = 1
	typeServerHello       messageType = 2
	typeServerKeyExchange messageType = 12
	typeServerHelloDone   messageType = 14
	typeClientKeyExchange messageType = 16
	typeFinished          messageType = 20
)

const (
	messageHeaderLen = 4
	// maxMessage bounds what a handshake message may announce. The largest sensible one is a ClientHello with all kinds of extensions.
	maxMessage = 1 << 16

	namedCurve = 3
	groupP384  = 0x0018
	pointLen   = 97 // of an uncompressed point on P-384
)

// appendMessage appends a handshake message, whose body the function appends.
func appendMessage(dst []byte, typ messageType, body func([]byte) []byte) []byte {
	dst = append(dst, byte(typ), 0)
	return appendVector16(dst, body)
}

// appendVector16 appends a vector with a length of 16 bits. What this package sends always fits.
func appendVector16(dst []byte, body func([]byte) []byte) []byte {
	at := len(dst)
	dst = body(append(dst, 0, 0))
	binary.BigEndian.PutUint16(dst[at:], uint16(len(dst)-at-2))
	return dst
}

// cursor reads a message from the front. ok turns false with the first read beyond the end, and then all reads are of nothing.
type cursor struct {
	rest []byte
	ok   bool
}

func (c *cursor) take(n int) []byte {
	if !c.ok || n > len(c.rest) {
		c.rest, c.ok = nil, false
		return nil
	}
	var out []byte
	out, c.rest = c.rest[:n], c.rest[n:]
	return out
}

func (c *cursor) uint8() int {
	if b := c.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (c *cursor) uint16() int {
	if b := c.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

// vector8 reads bytes behind a length of 8 bits, vector16 behind one of 16.
func (c *cursor) vector8() []byte  { return c.take(c.uint8()) }
func (c *cursor) vector16() []byte { return c.take(c.uint16()) }

// done says that all was read, and that there was enough.
func (c *cursor) done() bool { return c.ok && len(c.rest) == 0 }

// numbers makes 16-bit numbers of a vector; it is false if the vector is empty or odd.
func numbers(b []byte) ([]uint16, bool) {
	if len(b) == 0 || len(b)%2 != 0 {
		return nil, false
	}
	out := make([]uint16, 0, len(b)/2)
	for ; len(b) > 0; b = b[2:] {
		out = append(out, binary.BigEndian.Uint16(b))
	}
	return out, true
}

// appendServerKeyExchange appends the message with the server's point. An anonymous server doesn't sign it.
func appendServerKeyExchange(dst []byte, key *ecdh.PublicKey) []byte {
	return appendMessage(dst, typeServerKeyExchange, func(dst []byte) []byte {
		return appendPoint(append(dst, namedCurve, groupP384>>8, groupP384&0xff), key)
	})
}

func parseServerKeyExchange(body []byte) (*ecdh.PublicKey, error) {
	c := cursor{body, true}
	kind, group, point := c.uint8(), c.uint16(), c.vector8()
	switch {
	case c.ok && (kind != namedCurve || group != groupP384):
		return nil, fault(AlertIllegalParameter, "the server's key is of curve type %d, group %04x", kind, group)
	case !c.done():
		return nil, fault(AlertDecodeError, "a malformed ServerKeyExchange")
	}
	return parsePoint(point)
}

func appendClientKeyExchange(dst []byte, key *ecdh.PublicKey) []byte {
	return appendMessage(dst, typeClientKeyExchange, func(dst []byte) []byte { return appendPoint(dst, key) })
}

func parseClientKeyExchange(body []byte) (*ecdh.PublicKey, error) {
	c := cursor{body, true}
	point := c.vector8()
	if !c.done() {
		return nil, fault(AlertDecodeError, "a malformed ClientKeyExchange")
	}
	return parsePoint(point)
}

func appendPoint(dst []byte, key *ecdh.PublicKey) []byte {
	return append(append(dst, pointLen), key.Bytes()...)
}

// parsePoint refuses what is not a point of the curve: a secret shared through such a thing could be guessed.
func parsePoint(point []byte) (*ecdh.PublicKey, error) {
	key, err := ecdh.P384().NewPublicKey(point)
	if err != nil {
		return nil, fault(AlertIllegalParameter, "the peer's key: %v", err)
	}
	return key, nil
}
