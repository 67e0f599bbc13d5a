// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// The cipher suites that are looked at. The second one is the mark of a client that knows secure renegotiation (RFC 5746).
const (
	suiteAnonAES256SHA   = 0xc019
	suiteRenegotiation   = 0x00ff
	uncompressed         = 0 // a point format
	noCompression        = 0
	maxSessionID         = 32
	maxExtensionsInHello = 256
)

// The extensions that are looked at.
const (
	extSupportedGroups      = 10
	extPointFormats         = 11
	extEncryptThenMAC       = 22
	extExtendedMasterSecret = 23
	extSupportedVersions    = 43
	extRenegotiationInfo    = 0xff01
)

// extensions are those of either hello. A nil slice means that the extension was absent; an empty one that it was there.
type extensions struct {
	types          []uint16
	groups         []uint16
	pointFormats   []byte
	versions       []uint16
	renegotiation  []byte
	encryptThenMAC bool
	extendedMaster bool
}

// clientHello is what matters of a ClientHello.
type clientHello struct {
	version     uint16
	random      [randomLen]byte
	suites      []uint16
	compression []byte
	extensions
}

// serverHello is what matters of a ServerHello.
type serverHello struct {
	version     uint16
	random      [randomLen]byte
	suite       uint16
	compression int
	extensions
}

// appendClientHello appends the only hello that this package's client ever sends.
func appendClientHello(dst []byte, random *[randomLen]byte) []byte {
	return appendMessage(dst, typeClientHello, func(dst []byte) []byte {
		dst = binary.BigEndian.AppendUint16(dst, versionTLS12)
		dst = append(dst, random[:]...)
		dst = append(dst, 0) // no session to resume
		dst = append(dst, 0, 4, suiteAnonAES256SHA>>8, suiteAnonAES256SHA&0xff, suiteRenegotiation>>8, suiteRenegotiation&0xff)
		dst = append(dst, 1, noCompression)
		return appendVector16(dst, func(dst []byte) []byte {
			dst = append(dst, 0, extPointFormats, 0, 2, 1, uncompressed)
			dst = append(dst, 0, extSupportedGroups, 0, 4, 0, 2, groupP384>>8, groupP384&0xff)
			dst = append(dst, 0, extEncryptThenMAC, 0, 0)
			return append(dst, 0, extExtendedMasterSecret, 0, 0)
		})
	})
}

func parseClientHello(body []byte) (*clientHello, error) {
	c := cursor{body, true}
	h := &clientHello{version: uint16(c.uint16())}
	copy(h.random[:], c.take(randomLen))
	session, suites := c.vector8(), c.vector16()
	h.compression = bytes.Clone(c.vector8())
	var ok bool
	if h.suites, ok = numbers(suites); !ok || !c.ok || len(session) > maxSessionID || len(h.compression) == 0 {
		return nil, fault(AlertDecodeError, "a malformed ClientHello")
	}
	return h, h.extensions.parse(&c, true)
}

// appendServerHello appends the answer to a client, with the extensions that are given, in the order of their numbers.
func appendServerHello(dst []byte, random *[randomLen]byte, e *extensions) []byte {
	return appendMessage(dst, typeServerHello, func(dst []byte) []byte {
		dst = binary.BigEndian.AppendUint16(dst, versionTLS12)
		dst = append(dst, random[:]...)
		dst = append(dst, 0) // the session can't be resumed
		dst = append(dst, suiteAnonAES256SHA>>8, suiteAnonAES256SHA&0xff, noCompression)
		list := e.appendAnswers(nil)
		if len(list) == 0 {
			return dst // for a client that may know no extensions at all
		}
		return appendVector16(dst, func(dst []byte) []byte { return append(dst, list...) })
	})
}

func (e *extensions) appendAnswers(dst []byte) []byte {
	if e.pointFormats != nil {
		dst = append(dst, 0, extPointFormats, 0, 2, 1, uncompressed)
	}
	if e.encryptThenMAC {
		dst = append(dst, 0, extEncryptThenMAC, 0, 0)
	}
	if e.extendedMaster {
		dst = append(dst, 0, extExtendedMasterSecret, 0, 0)
	}
	if e.renegotiation != nil {
		dst = append(dst, extRenegotiationInfo>>8, extRenegotiationInfo&0xff, 0, 1, 0)
	}
	return dst
}

func parseServerHello(body []byte) (*serverHello, error) {
	c := cursor{body, true}
	h := &serverHello{version: uint16(c.uint16())}
	copy(h.random[:], c.take(randomLen))
	session := c.vector8()
	h.suite, h.compression = uint16(c.uint16()), c.uint8()
	if !c.ok || len(session) > maxSessionID {
		return nil, fault(AlertDecodeError, "a malformed ServerHello")
	}
	return h, h.extensions.parse(&c, false)
}

// parse reads the list at the end of a hello, which may be absent.
func (e *extensions) parse(c *cursor, fromClient bool) error {
	if c.done() {
		return nil
	}
	list := cursor{c.vector16(), true}
	if !c.done() {
		return fault(AlertDecodeError, "a malformed list of extensions")
	}
	for len(list.rest) > 0 && len(e.types) < maxExtensionsInHello {
		typ, body := uint16(list.uint16()), cursor{list.vector16(), true}
		if slices.Contains(e.types, typ) {
			return fault(AlertIllegalParameter, "the extension %d is there twice", typ)
		}
		e.types = append(e.types, typ)
		if list.ok && !e.parseOne(typ, &body, fromClient) {
			return fault(AlertDecodeError, "a malformed extension %d", typ)
		}
	}
	if !list.done() {
		return fault(AlertDecodeError, "a malformed list of extensions")
	}
	return nil
}

// parseOne says whether an extension is well-formed. Unknown ones are.
func (e *extensions) parseOne(typ uint16, c *cursor, fromClient bool) (ok bool) {
	ok = true
	switch {
	case typ == extEncryptThenMAC:
		e.encryptThenMAC = true
	case typ == extExtendedMasterSecret:
		e.extendedMaster = true
	case typ == extPointFormats:
		e.pointFormats = clone(c.vector8())
	case typ == extRenegotiationInfo:
		e.renegotiation = clone(c.vector8())
	case typ == extSupportedGroups && fromClient:
		e.groups, ok = numbers(c.vector16())
	case typ == extSupportedVersions && fromClient:
		e.versions, ok = numbers(c.vector8())
	default:
		return true
	}
	return ok && c.done()
}

// clone copies a slice, and makes an empty one of nil.
func clone(b []byte) []byte { return append([]byte{}, b...) }
