// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"encoding/binary"
	"fmt"
	"io"
)

// recordReader cuts a stream into records and opens them. It has no lock: it belongs to whoever reads.
//
// A read that fails, with a deadline that has passed, say, loses nothing: the next call goes on where it ended.
type recordReader struct {
	src  io.Reader
	buf  []byte // buf[r:w] has been read and not been used
	r, w int
	open *opener // nil until the peer has changed to encryption
	// begun says that the first record has come, so that the peer does speak TLS.
	begun bool
}

// firstBuffer is what a reader begins with: enough for a handshake, and for most of Broker's messages.
const firstBuffer = 4096

// next answers a record's type and its content, which is valid until the next call. Content may be empty.
func (r *recordReader) next() (recordType, []byte, error) {
	header, err := r.fill(headerLen)
	if err != nil {
		return 0, nil, err
	}
	typ, length := recordType(header[0]), int(binary.BigEndian.Uint16(header[3:]))
	if err := r.check(typ, binary.BigEndian.Uint16(header[1:]), length, header); err != nil {
		return 0, nil, err
	}
	record, err := r.fill(headerLen + length)
	if err != nil {
		return 0, nil, err
	}
	r.begun = true
	r.r += len(record)
	content := record[headerLen:]
	if r.open != nil {
		if content, err = r.open.open(typ, content); err != nil {
			return 0, nil, err
		}
	}
	return typ, content, nil
}

// check judges a header, before anything is allocated for what it promises.
func (r *recordReader) check(typ recordType, version uint16, length int, header []byte) error {
	known := typ >= recordChangeCipherSpec && typ <= recordData
	switch {
	case !r.begun && (!known || version>>8 != 3):
		return fmt.Errorf("anontls: %w: it began with %q", ErrNotTLS, header)
	case !known:
		return fault(AlertUnexpectedMessage, "a record of the unknown type %d", typ)
	case version>>8 != 3, r.open != nil && version != versionTLS12:
		return fault(AlertProtocolVersion, "a record of version %04x", version)
	case r.open == nil && length > maxPlaintext, length > maxRecord:
		return fault(AlertRecordOverflow, "a record of %d bytes", length)
	}
	return nil
}

// fill answers the next n bytes without using them up. n is at most a header and a record.
func (r *recordReader) fill(n int) ([]byte, error) {
	if r.r+n > len(r.buf) {
		r.makeRoom(n)
	}
	for tries := 0; r.w-r.r < n; {
		got, err := r.src.Read(r.buf[r.w:])
		r.w += got
		if r.w-r.r >= n {
			break // an error comes again
		}
		if err == io.EOF && r.w > r.r {
			err = io.ErrUnexpectedEOF
		}
		if tries++; err == nil && got == 0 && tries >= 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			return nil, err
		}
	}
	return r.buf[r.r : r.r+n], nil
}

// makeRoom moves what is unread to the front of the buffer, and of a larger one if n bytes don't fit.
func (r *recordReader) makeRoom(n int) {
	to := r.buf
	if n > len(to) {
		to = make([]byte, max(firstBuffer, 2*n))
	}
	r.w = copy(to, r.buf[r.r:r.w])
	r.r, r.buf = 0, to
}

// recordWriter makes records and writes them. It has no lock: it belongs to whoever holds the right to write.
//
// out is what has been made and not been written. A write that fails because a deadline passed in the middle of a record leaves the
// rest there, and it goes out before anything else.
type recordWriter struct {
	dst  io.Writer
	out  []byte
	seal *sealer // nil until we have changed to encryption
	// version is what unprotected records name.
	version uint16
}

// maxBatch is how many bytes of records are collected for one write; a record that begins below it is finished.
const maxBatch = 3 * maxPlaintext

// append makes records of as much of p as fits in a batch, and at least one. It answers how much it took.
func (w *recordWriter) append(typ recordType, p []byte) (n int, err error) {
	for first := true; first || n < len(p) && len(w.out) < maxBatch; first = false {
		part := p[n:min(len(p), n+maxPlaintext)]
		if w.seal == nil {
			w.out = append(appendHeader(w.out, typ, w.version, len(part)), part...)
		} else if w.out, err = w.seal.seal(w.out, typ, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// flush writes what has been made.
func (w *recordWriter) flush() error {
	for len(w.out) > 0 {
		n, err := w.dst.Write(w.out)
		rest := copy(w.out, w.out[n:])
		w.out = w.out[:rest]
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
	}
	return nil
}
