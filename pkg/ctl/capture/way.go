// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

const (
	// maxFrame is the longest frame that is shown; longer ones are passed over.
	maxFrame = 64 << 20
	// searchLimit is how much of a connection is looked at before it counts as
	// something else, if it was not seen from its beginning.
	searchLimit = 256 << 10
	// trusted is the number of good frames in a row after which a bad one is
	// the sender's fault, and not that of a wrong guess where frames begin.
	trusted = 8
)

// mode is what a way does with bytes.
type mode uint8

const (
	identify mode = iota // the first bytes are awaited
	framed               // frames follow each other
	search               // bytes are looked at for the beginning of a frame
	ignore               // this is not Broker
)

// way is one direction of a connection: bytes in, frames out.
type way struct {
	conn     *connection
	from, to netip.AddrPort

	mode   mode
	midway bool // the beginning is not in the capture
	// buf holds bytes that are not decoded yet.
	buf []byte
	// pass is the rest of a frame that is not shown.
	pass int
	// settled: the sender's handshake is over.
	settled bool
	// good counts frames that could be read since the last search.
	good int
	// skipped counts bytes that the search has passed over.
	skipped int
	last    time.Time // of the newest bytes
}

// feed takes the next bytes.
func (w *way) feed(b []byte, at time.Time) {
	if n := min(w.pass, len(b)); n > 0 {
		w.pass -= n
		b = b[n:]
	}
	if w.mode == ignore || len(b) == 0 {
		return
	}
	w.buf = append(w.buf, b...)
	w.last = at
	w.step(at, false)
}

// gap takes note of bytes that the capture doesn't have.
func (w *way) gap(n int, at time.Time) {
	w.conn.gaps++
	w.conn.lost += n
	switch {
	case w.mode == ignore:
		return
	case w.mode == framed && w.within(n):
		w.note(at, fmt.Sprintf("%d bytes are missing in the capture, and with them one frame", n))
	default:
		if w.conn.protocol == protocolBroker {
			w.note(at, fmt.Sprintf("%d bytes are missing in the capture", n))
		}
		w.step(at, true)
		w.lose(len(w.buf))
		w.mode, w.midway, w.good = search, true, 0
	}
}

// within tells whether all n missing bytes belong to the frame that has begun;
// if so, the rest of it is passed over.
func (w *way) within(n int) bool {
	if n <= w.pass {
		w.pass -= n
		return true
	}
	if w.pass > 0 || len(w.buf) < wire.FrameHeader {
		return false
	}
	left := int64(binary.BigEndian.Uint32(w.buf)) + wire.FrameHeader - int64(len(w.buf))
	if int64(n) > left {
		return false
	}
	w.pass = int(left) - n
	w.buf = nil
	return true
}

// end takes what is left when no more bytes will come.
func (w *way) end() {
	if w.mode == search {
		w.step(w.last, true)
	}
	if w.mode == framed && (len(w.buf) > 0 || w.pass > 0) {
		w.note(w.last, "the capture ends within a frame")
	}
	w.lose(len(w.buf))
}

// recall makes a way that was taken for something else look again.
func (w *way) recall() {
	if w.mode == ignore {
		w.mode = search
	}
}

// step does all that can be done with the buffered bytes. last says that what
// follows is not theirs.
func (w *way) step(at time.Time, last bool) {
	for w.conn.c.err == nil {
		before, left := w.mode, len(w.buf)
		switch w.mode {
		case identify:
			w.identify(at)
		case framed:
			w.frame(at)
		case search:
			w.search(at, last)
		case ignore:
			w.buf = nil
			return
		}
		if w.mode == before && len(w.buf) == left {
			return
		}
	}
}

// take removes bytes from the front of the buffer.
func (w *way) take(n int) []byte {
	b := w.buf[:n:n]
	w.buf = w.buf[n:]
	if len(w.buf) == 0 {
		w.buf = nil
	}
	return b
}

// lose passes over bytes that are no frame.
func (w *way) lose(n int) {
	w.take(n)
	w.skipped += n
	w.conn.skipped += n
}

// frame shows the frame at the front of the buffer.
func (w *way) frame(at time.Time) {
	if len(w.buf) < wire.FrameHeader {
		return
	}
	size := int64(binary.BigEndian.Uint32(w.buf))
	switch {
	case size == 0:
		w.take(wire.FrameHeader)
		return
	case w.good < trusted && size > maxResync && !w.fromStart():
		w.resume()
		return
	case size > maxFrame:
		w.pass = int(size + wire.FrameHeader - int64(len(w.buf))) // far more than is buffered
		w.event(Event{Time: at, Err: fmt.Errorf("a frame of %d bytes is not shown: the limit is %d", size, maxFrame)})
		w.buf = nil
		return
	case int64(len(w.buf)) < wire.FrameHeader+size:
		return
	}
	e := decode(w.buf[wire.FrameHeader:wire.FrameHeader+size], w.settled)
	if e.Err != nil && e.Type == 0 && w.good < trusted && !w.fromStart() {
		w.resume()
		return
	}
	w.take(wire.FrameHeader + int(size))
	if e.Err == nil {
		w.good++
	}
	if e.Type == wire.TypeOriginatorAck || e.Type == wire.TypeResponderSynAck {
		w.settled = true
	}
	e.Time = at
	w.event(e)
}

// fromStart tells whether it is certain where frames begin.
func (w *way) fromStart() bool { return !w.midway }

// resume searches again, after the guess where frames begin was wrong.
func (w *way) resume() {
	w.lose(1)
	w.mode, w.good = search, 0
}

func (w *way) event(e Event) {
	e.Conn, e.From, e.To = w.conn.number, w.from, w.to
	w.conn.c.event(e)
}

func (w *way) note(at time.Time, text string) { w.event(Event{Time: at, Note: text}) }
