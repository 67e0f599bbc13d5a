// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/brokermesh/brokermesh/pkg/ctl/capture/capturetest"
)

// FuzzRead reads anything as a capture.
func FuzzRead(f *testing.F) {
	r := find(f, "pubsub.connecting-is-originator/conn0")
	flow := capturetest.New(4000).Open().Send(true, 200, r.ways[1]).Send(false, 200, r.ways[0]).Close()
	for _, o := range []capturetest.Form{
		{Link: layers.LinkTypeEthernet}, {Link: layers.LinkTypeEthernet, V6: true, NG: true}, {Link: layers.LinkTypeNull},
		{Link: layers.LinkTypeLinuxSLL}, {Link: layers.LinkTypeLinuxSLL2}, {Link: layers.LinkTypeRaw, V6: true},
	} {
		f.Add(o.Capture(f, flow))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := 0
		s, err := Read(t.Context(), bytes.NewReader(raw), func(e Event) error {
			if n++; n > 10000 {
				return io.ErrShortBuffer
			}
			if e.Note == "" && e.Err == nil && e.Type == 0 {
				t.Error("a frame without type or error")
			}
			return nil
		})
		if err == nil && s.Frames > n {
			t.Errorf("%d events for %d frames", n, s.Frames)
		}
	})
}

// FuzzWay feeds one way of a connection with bytes in pieces, with gaps.
func FuzzWay(f *testing.F) {
	r := find(f, "pubsub.connecting-is-originator/conn0")
	f.Add(r.ways[0], uint8(100), uint16(0), false)
	f.Add(r.ways[1], uint8(3), uint16(50), true)
	f.Add(r.ways[0][30:], uint8(200), uint16(3), true)
	f.Fuzz(func(t *testing.T, b []byte, size uint8, gap uint16, midway bool) {
		frames := 0
		c := &collector{yield: func(e Event) error {
			if e.Note == "" {
				frames++
			}
			return nil
		}, live: make(map[*connection]bool)}
		c.Others = make(map[string]int)
		conn := &connection{c: c, number: 1}
		conn.ways[0], conn.ways[1] = way{conn: conn, midway: midway}, way{conn: conn}
		fed := 0
		for w := &conn.ways[0]; fed < len(b); {
			n := min(int(size)+1, len(b)-fed)
			w.feed(b[fed:fed+n], time.Time{})
			fed += n
			if gap > 0 && fed%7 == 0 {
				w.gap(int(gap), time.Time{})
			}
		}
		conn.ReassemblyComplete(nil)
		if conn.skipped > len(b) || frames*4 > len(b) {
			t.Errorf("%d frames and %d bytes skipped in %d", frames, conn.skipped, len(b))
		}
	})
}
