// SPDX-License-Identifier: Apache-2.0

package data

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// EndpointID names an endpoint: 16 bytes, written as a UUID. The zero ID means
// nobody, or everybody where a receiver is asked for.
type EndpointID [16]byte

// uuidLen is the length of an endpoint ID's text.
const uuidLen = 36

// NewEndpointID is a random ID with version nibble 4 and the variant of
// RFC 9562. C++ endpoints can't print IDs with a version above 5.
func NewEndpointID() EndpointID {
	var id EndpointID
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// IsZero reports whether the ID is all zero.
func (id EndpointID) IsZero() bool { return id == EndpointID{} }

// Compare orders IDs by their bytes, as the handshake does.
func (id EndpointID) Compare(other EndpointID) int {
	return bytes.Compare(id[:], other[:])
}

// String is the ID as a lower-case UUID.
func (id EndpointID) String() string { return string(id.append(nil)) }

func (id EndpointID) append(dst []byte) []byte {
	dst = hex.AppendEncode(dst, id[:4])
	for _, part := range [][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		dst = hex.AppendEncode(append(dst, '-'), part)
	}
	return dst
}

// ParseEndpointID reads a UUID of 36 characters, in either case and of any
// version.
func ParseEndpointID(s string) (EndpointID, error) {
	var id EndpointID
	if len(s) != uuidLen || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, fmt.Errorf("endpoint ID %s: want 8-4-4-4-12 hexadecimal digits", quoted(s))
	}
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return EndpointID{}, fmt.Errorf("endpoint ID %s: want 8-4-4-4-12 hexadecimal digits", quoted(s))
	}
	return id, nil
}

// MarshalText is the ID as [EndpointID.String] writes it.
func (id EndpointID) MarshalText() ([]byte, error) { return id.append(nil), nil }

// UnmarshalText reads what [ParseEndpointID] reads.
func (id *EndpointID) UnmarshalText(text []byte) error {
	parsed, err := ParseEndpointID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// EntityID names a publisher or store: an object of an endpoint. The zero
// EntityID is nobody.
type EntityID struct {
	Endpoint EndpointID
	Object   uint64
}

// entitySize is the number of bytes of an encoded EntityID.
const entitySize = 24

var errEntitySize = errors.New("entity ID: input ends too early")

// IsZero reports whether the ID is nobody's.
func (id EntityID) IsZero() bool { return id == EntityID{} }

// String is OBJECT@UUID, or none.
func (id EntityID) String() string {
	if id.IsZero() {
		return "none"
	}
	return string(id.Endpoint.append(append(strconv.AppendUint(nil, id.Object, 10), '@')))
}

// AppendBinary appends the 24 bytes of the wire.
func (id EntityID) AppendBinary(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, id.Endpoint[:]...), id.Object)
}

// DecodeEntityID reads the first 24 bytes of b.
func DecodeEntityID(b []byte) (EntityID, error) {
	if len(b) < entitySize {
		return EntityID{}, errEntitySize
	}
	return EntityID{
		Endpoint: EndpointID(b[:16]),
		Object:   binary.BigEndian.Uint64(b[16:entitySize]),
	}, nil
}
