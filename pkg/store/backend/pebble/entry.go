// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// First bytes of keys. The byte behind each is the end of its range.
const (
	factPrefix     = 'm'
	entryPrefix    = 'e'
	metaPrefix     = 'n'
	deadlinePrefix = 'x'
)

var (
	versionKey = []byte("mversion")
	stateKey   = []byte("mstate")
)

// hasDeadline is the flag of entries that expire. There are no others.
const hasDeadline = 1

const checksumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is the cause of failures that only damage of the folder explains.
var errDamaged = errors.New("the content is damaged")

// bodySize is the length of what appendBody appends.
func bodySize(e *backend.Entry) int {
	n := 1 + e.Value.BinarySize() + checksumSize
	if e.Deadline != backend.Never {
		n += 8
	}
	return n
}

// appendBody appends what is stored under key for an entry.
func appendBody(dst, key []byte, e *backend.Entry) []byte {
	begin := len(dst)
	if e.Deadline == backend.Never {
		dst = append(dst, 0)
	} else {
		dst = appendDeadline(append(dst, hasDeadline), e.Deadline)
	}
	dst = e.Value.AppendBinary(dst)
	return binary.BigEndian.AppendUint32(dst, checksum(key, dst[begin:]))
}

// checksum is that of an entry's key, without prefix, and body.
func checksum(key, body []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, key[1:]), castagnoli, body)
}

// body is a stored entry, cut into its parts.
type body struct {
	deadline backend.Deadline
	// value is its encoded form.
	value []byte
}

// cut takes a body apart without looking at the checksum.
func cut(raw []byte) (body, error) {
	switch {
	case len(raw) > 1+checksumSize && raw[0] == 0:
		return body{backend.Never, raw[1 : len(raw)-checksumSize]}, nil
	case len(raw) > 9+checksumSize && raw[0] == hasDeadline:
		return body{decodeDeadline(raw[1:]), raw[9 : len(raw)-checksumSize]}, nil
	}
	return body{}, errDamaged
}

// decodeBody is the entry under a key, checked.
func decodeBody(key, raw []byte) (value data.Value, deadline backend.Deadline, err error) {
	b, err := cut(raw)
	if err != nil {
		return value, 0, err
	}
	end := len(raw) - checksumSize
	if checksum(key, raw[:end]) != binary.BigEndian.Uint32(raw[end:]) {
		return value, 0, errDamaged
	}
	value, err = data.Decode(b.value)
	return value, b.deadline, err
}

// decodeEntry is a whole entry.
func decodeEntry(key, raw []byte) (e backend.Entry, err error) {
	if e.Value, e.Deadline, err = decodeBody(key, raw); err == nil {
		e.Key, err = data.Decode(key[1:])
	}
	return e, err
}

// deadlineKey appends the place of an entry in the order of deadlines.
func deadlineKey(dst []byte, d backend.Deadline, key []byte) []byte {
	return append(appendDeadline(append(dst, deadlinePrefix), d), key[1:]...)
}

// decodeDeadlineKey is the reverse of deadlineKey.
func decodeDeadlineKey(raw []byte) (e backend.Entry, err error) {
	if len(raw) < 10 {
		return e, errDamaged
	}
	e.Deadline = decodeDeadline(raw[1:])
	e.Key, err = data.Decode(raw[9:])
	return e, err
}

// appendDeadline appends a deadline so that bytes sort as deadlines do.
func appendDeadline(dst []byte, d backend.Deadline) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(d)^1<<63)
}

func decodeDeadline(b []byte) backend.Deadline {
	return backend.Deadline(binary.BigEndian.Uint64(b) ^ 1<<63)
}

// state is the fact that every commit writes.
type state struct {
	size    backend.Size
	commits uint64
}

func (s *state) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.size.Entries))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.size.Bytes))
	return binary.BigEndian.AppendUint64(dst, s.commits)
}

func decodeState(b []byte) (s state, err error) {
	if len(b) != 24 {
		return s, errDamaged
	}
	s.size.Entries = int64(binary.BigEndian.Uint64(b))
	s.size.Bytes = int64(binary.BigEndian.Uint64(b[8:]))
	s.commits = binary.BigEndian.Uint64(b[16:])
	if s.size.Entries < 0 || s.size.Bytes < 0 {
		return s, errDamaged
	}
	return s, nil
}
