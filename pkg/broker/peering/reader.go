// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
)

const (
	readerMin  = 16 << 10  // first buffer of a connection
	readerBusy = 128 << 10 // buffer of a connection that fills its reads
	readerMax  = 1 << 20   // a larger one is given back after the frame that needed it
	largeFrame = 256 << 10 // what has come of a frame that is larger may cost the connection when memory is short
)

// Reader cuts a stream into frames, many for each read.
type Reader struct {
	src        io.Reader
	max        int
	buf        []byte
	start, end int // the bytes that were read and not handed out
	frames     [][]byte
	account    *Account
	partial    atomic.Int64 // bytes of a large frame that is not complete
	spare      atomic.Bool  // memory is short: a buffer that isn't needed is given back
}

// NewReader reads frames of at most max bytes of body. rest are bytes that were read before.
func NewReader(src io.Reader, rest []byte, max int) *Reader {
	r := &Reader{src: src, max: max, buf: make([]byte, readerMin+len(rest))}
	r.end = copy(r.buf, rest)
	return r
}

// Next waits until at least one frame is complete and answers all complete frames that have come, each with its length in front.
// They are valid until the next call, and the caller may change them in place. Empty frames are skipped. A frame above the limit is
// an error.
func (r *Reader) Next() ([][]byte, error) {
	for {
		if err := r.cut(); err != nil {
			return nil, err
		}
		if len(r.frames) > 0 {
			return r.frames, nil
		}
		r.makeRoom()
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		if n == 0 && err != nil {
			return nil, err
		}
	}
}

// cut finds the complete frames in the buffer.
func (r *Reader) cut() error {
	clear(r.frames)
	r.frames = r.frames[:0]
	for r.end-r.start >= 4 {
		size := binary.BigEndian.Uint32(r.buf[r.start:])
		if uint64(size) > uint64(r.max) {
			if len(r.frames) > 0 {
				return nil // the frames before it first
			}
			return &Error{Class: Lost, Text: fmt.Sprintf("frame of %d bytes, at most %d are allowed", size, r.max)}
		}
		next := r.start + 4 + int(size)
		if next > r.end {
			return nil
		}
		if size > 0 {
			r.frames = append(r.frames, r.buf[r.start:next:next])
		}
		r.start = next
	}
	return nil
}

// makeRoom makes the free part of the buffer worth a read. The buffer grows as bytes arrive: a length alone reserves nothing.
func (r *Reader) makeRoom() {
	full := r.end == len(r.buf)
	rest := r.buf[r.start:r.end]
	size := len(r.buf)
	if n := int64(len(rest)); n > largeFrame || r.partial.Load() != 0 {
		r.partial.Store(n)
	}
	switch {
	case full && len(rest) >= size/2: // a large frame
		size *= 2
	case full && size < readerBusy:
		size *= 2
	case size > readerMax && len(rest) < readerMin, size > 2*readerBusy && len(rest) < readerMin && r.spare.Swap(false):
		size = readerBusy
	}
	if size != len(r.buf) {
		buf := make([]byte, size)
		r.account.Add(int64(size - len(r.buf)))
		r.end = copy(buf, rest)
		r.buf, r.start = buf, 0
		r.account.Check()
	} else if r.start > 0 {
		r.end = copy(r.buf, rest)
		r.start = 0
	}
}
