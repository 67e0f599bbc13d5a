// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

const entitySize = 24

// Error says where and why a payload is no command.
type Error struct {
	// Offset is the index in the payload of what is at fault.
	Offset int
	// Msg says what is wrong there.
	Msg string
}

// Error is the message with its offset.
func (e *Error) Error() string { return fmt.Sprintf("store command: byte %d: %s", e.Offset, e.Msg) }

// reader reads fields from the front of b[at:]. After the first failure all reads answer zero.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(at int, msg string) {
	if r.err == nil {
		r.err = &Error{Offset: at, Msg: msg}
		r.b = r.b[:r.at]
	}
}

// take is the next n bytes, or nil if fewer are left.
func (r *reader) take(n int, what string) []byte {
	if len(r.b)-r.at < n {
		r.fail(len(r.b), "ends within the "+what)
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) u8(what string) uint8 {
	if b := r.take(1, what); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16(what string) uint16 {
	if b := r.take(2, what); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64(what string) uint64 {
	if b := r.take(8, what); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) entity(what string) data.EntityID {
	b := r.take(entitySize, what)
	if b == nil {
		return data.EntityID{}
	}
	return data.EntityID{Endpoint: data.EndpointID(b[:16]), Object: binary.BigEndian.Uint64(b[16:])}
}

func (r *reader) value(what string) data.Value {
	if r.err != nil {
		return data.Value{}
	}
	v, n, err := data.DecodePrefix(r.b[r.at:])
	if err != nil {
		at, msg := r.at, err.Error()
		var syntax *data.SyntaxError
		if errors.As(err, &syntax) {
			at, msg = at+syntax.Offset, syntax.Msg
		}
		r.fail(at, what+": "+msg)
		return data.Value{}
	}
	r.at += n
	return v
}

// count is the length of a list whose entries take at least size bytes each.
func (r *reader) count(size int, what string) int {
	if r.err != nil {
		return 0
	}
	n, used, err := data.Varbyte(r.b[r.at:])
	if err != nil {
		r.fail(r.at, what+": "+err.Error())
		return 0
	}
	r.at += used
	if uint64(n)*uint64(size) > uint64(len(r.b)-r.at) {
		r.fail(len(r.b), "ends within the "+what)
		return 0
	}
	return int(n)
}

func (r *reader) expiry() Expiry {
	if r.u8("expiry") == 0 {
		return Expiry{}
	}
	return Expiry{Set: true, After: time.Duration(r.u64("expiry"))}
}
