// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

const (
	// maxResync is the longest frame by which a search finds its way back.
	maxResync = 1 << 20
	// maxHandshake is the longest frame with a magic number.
	maxHandshake = 64 << 10
	// maxTTL is the largest number of hops that a guess believes in.
	maxTTL = 255
)

// verdict is what bytes look like.
type verdict uint8

const (
	no verdict = iota
	yes
	unsure // more bytes would tell
)

// identify finds out what a way speaks that was seen from its first byte.
func (w *way) identify(at time.Time) {
	if w.midway {
		if looksLikeTLS(w.buf) == yes {
			w.give(protocolTLS, at)
			return
		}
		w.mode = search
		return
	}
	switch greeting(w.buf) {
	case yes:
		w.mode = framed
		w.conn.speaks(protocolBroker, w, at)
		return
	case unsure:
		return
	}
	tls := looksLikeTLS(w.buf)
	switch {
	case tls == unsure:
	case tls == yes:
		w.give(protocolTLS, at)
	case w.conn.protocol == protocolBroker:
		w.mode = search
	case isHTTP(w.buf):
		w.give(protocolHTTP, at)
	case len(w.buf) >= 4 && binary.BigEndian.Uint32(w.buf) == 0:
		w.give(protocolOld, at)
	default:
		w.give(protocolOther, at)
	}
}

// give gives up on a way: it speaks something else.
func (w *way) give(protocol string, at time.Time) {
	w.mode = ignore
	w.conn.skipped += len(w.buf)
	w.skipped += len(w.buf)
	w.buf = nil
	w.conn.speaks(protocol, w, at)
}

// greeting tells whether bytes begin with a message by which strangers know
// that the other speaks Broker.
func greeting(b []byte) verdict {
	const magicAt, magicEnd = 5, 9
	if len(b) >= wire.FrameHeader {
		if size := binary.BigEndian.Uint32(b); size < magicEnd-wire.FrameHeader || size > maxHandshake {
			return no
		}
	} else if len(b) > 0 && b[0] != 0 || len(b) > 1 && b[1] != 0 {
		return no
	}
	if len(b) > wire.FrameHeader {
		if t := wire.Type(b[wire.FrameHeader]); t < wire.TypeHello || t > wire.TypeDropConn {
			return no
		}
	}
	if len(b) < magicEnd {
		return unsure
	}
	if string(b[magicAt:magicEnd]) != "ZEEK" {
		return no
	}
	return yes
}

// looksLikeTLS tells whether bytes begin with the header of a TLS record.
func looksLikeTLS(b []byte) verdict {
	const first, last, header, maxRecord = 0x14, 0x17, 5, 1<<14 + 2048
	switch {
	case len(b) > 0 && (b[0] < first || b[0] > last), len(b) > 1 && b[1] != 3, len(b) > 2 && b[2] > 4:
		return no
	case len(b) < header:
		return unsure
	case binary.BigEndian.Uint16(b[3:]) > maxRecord:
		return no
	}
	return yes
}

func isHTTP(b []byte) bool {
	for _, method := range []string{"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "HTTP/1."} {
		if bytes.HasPrefix(b, []byte(method)) {
			return true
		}
	}
	return false
}

// search passes over bytes until they can only be a frame.
func (w *way) search(at time.Time, last bool) {
	for i := range w.buf {
		v := plausible(w.buf[i:])
		if v == no || v == unsure && last {
			continue
		}
		w.lose(i)
		if v == yes {
			w.found(at)
		} else {
			w.limit(at)
		}
		return
	}
	w.lose(len(w.buf))
	w.limit(at)
}

// found begins to read frames where the search has ended.
func (w *way) found(at time.Time) {
	w.mode = framed
	w.settled = greeting(w.buf) != yes
	w.conn.speaks(protocolBroker, w, at)
	if w.skipped > 0 {
		w.note(at, fmt.Sprintf("%d bytes passed over to the next frame", w.skipped))
	}
	w.skipped = 0
}

// limit gives up on a way that has shown no frame for too long, unless the
// connection is known to speak Broker.
func (w *way) limit(at time.Time) {
	if w.conn.protocol != protocolBroker && w.skipped > searchLimit {
		w.give(protocolOther, at)
	}
}

// plausible tells whether bytes begin with a complete frame that nothing but
// Broker would write.
func plausible(b []byte) verdict {
	if len(b) < wire.FrameHeader {
		return unsure
	}
	size := int(binary.BigEndian.Uint32(b))
	if size < 5 || size > maxResync {
		return no
	}
	switch greeting(b) {
	case unsure:
		return unsure
	case yes:
		if len(b) < wire.FrameHeader+size {
			return unsure
		}
		return yes
	}
	body := b[wire.FrameHeader:]
	if v := plausibleHeader(body, size); v != yes {
		return v
	}
	if len(body) < size {
		return unsure
	}
	if e := decode(body[:size], true); e.Err != nil {
		return no
	}
	return yes
}

// plausibleHeader looks at as much of an envelope's header as there is.
func plausibleHeader(body []byte, size int) verdict {
	if size < wire.HeaderSize {
		return no
	}
	if len(body) < wire.HeaderSize {
		return unsure
	}
	t := wire.Type(body[wire.TypeAt])
	n := int(binary.BigEndian.Uint16(body[wire.TopicLenAt:]))
	switch {
	case !isEnvelope(t), n > size-wire.HeaderSize, n == 0:
		return no
	case binary.BigEndian.Uint16(body[wire.TTLAt:]) > maxTTL, [16]byte(body[wire.SenderAt:]) == [16]byte{}:
		return no
	case len(body) < wire.TopicAt+n:
		return unsure
	}
	name := body[wire.TopicAt : wire.TopicAt+n]
	if isControl(t) && string(name) != topic.Reserved || !isText(name) {
		return no
	}
	return yes
}

func isText(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}
