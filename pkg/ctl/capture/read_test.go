// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/brokermesh/brokermesh/pkg/ctl/capture/capturetest"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Every frame of every recorded conversation comes out, in order and readable,
// whatever the link and however TCP cuts it.
func TestRecordings(t *testing.T) {
	forms := []capturetest.Form{
		{Link: layers.LinkTypeEthernet}, {Link: layers.LinkTypeEthernet, V6: true, NG: true}, {Link: layers.LinkTypeNull},
		{Link: layers.LinkTypeLoop, V6: true}, {Link: layers.LinkTypeLinuxSLL}, {Link: layers.LinkTypeLinuxSLL2, V6: true},
		{Link: layers.LinkTypeLinuxSLL2, NG: true}, {Link: layers.LinkTypeRaw}, {Link: layers.LinkTypeRaw, V6: true},
	}
	for i, r := range recordings(t) {
		o, size := forms[i%len(forms)], []int{1, 7, 100, 1400, 60000}[i%5]
		f := capturetest.New(4000).Open().Send(true, size, r.ways[1]).Send(false, size, r.ways[0]).Close()
		events, s := read(t, o.Capture(t, f))
		for i, back := range []bool{false, true} {
			got, notes := shown(events, back)
			if err := same(got, frames(t, r.ways[i])); err != nil {
				t.Errorf("%s, side %d, %+v: %v", r.name, i, o, err)
			}
			if len(notes) > 0 {
				t.Errorf("%s: notes %q", r.name, notes)
			}
		}
		if s.Bad != 0 || s.Connections != 1 || s.Frames != len(events) || s.Gaps+s.Lost+s.Skipped+s.NoTCP != 0 || s.Packets != len(f.Segments) {
			t.Errorf("%s: %+v", r.name, s)
		}
	}
}

// What frames hold is decoded.
func TestContents(t *testing.T) {
	r := find(t, "zeek8-cluster.to-manager/conn0")
	events, _ := read(t, capturetest.Form{Link: layers.LinkTypeEthernet}.Capture(t, capturetest.New(4000).Open().Send(true, 900, r.ways[1]).Send(false, 900, r.ways[0])))
	seen := map[wire.Type]int{}
	for _, e := range events {
		seen[e.Type]++
		switch e.Type {
		case wire.TypeHello:
			if _, ok := e.Handshake.(*wire.Hello); !ok {
				t.Errorf("hello is %T", e.Handshake)
			}
		case wire.TypeData:
			if e.Value.IsNone() || len(e.Envelope.Topic) == 0 {
				t.Errorf("data: %+v", e.Envelope)
			}
		case wire.TypeCommand:
			if e.Command == nil || !strings.Contains(string(e.Envelope.Topic), "/<$>/data/") {
				t.Errorf("command on %s: %v", e.Envelope.Topic, e.Err)
			}
		case wire.TypePing:
			if string(e.Envelope.Topic) != topic.Reserved {
				t.Errorf("ping on %s", e.Envelope.Topic)
			}
		}
		if e.From.Port() != 4000 && e.To.Port() != 4000 || e.Conn != 1 || e.Time.Before(capturetest.Started) {
			t.Errorf("%v > %v, connection %d at %v", e.From, e.To, e.Conn, e.Time)
		}
	}
	for _, want := range []wire.Type{wire.TypeHello, wire.TypeProbe, wire.TypeVersionSelect, wire.TypeData, wire.TypeCommand, wire.TypePing, wire.TypePong} {
		if seen[want] == 0 {
			t.Errorf("no %v among %v", want, seen)
		}
	}
}

// Packets out of order and repeated make no difference.
func TestDisorder(t *testing.T) {
	r := find(t, "zeek8-cluster.to-logger-1/conn0")
	random := rand.New(rand.NewPCG(1, 2))
	f := capturetest.New(4000).Open().Send(true, 300, r.ways[1]).Send(false, 300, r.ways[0])
	body := f.Segments[2:]
	for i := 0; i+4 <= len(body); i += 4 {
		random.Shuffle(4, func(a, b int) { body[i+a], body[i+b] = body[i+b], body[i+a] })
	}
	f.Segments = append(f.Segments[:len(f.Segments):len(f.Segments)], body[3], body[10])
	events, s := read(t, capturetest.Form{Link: layers.LinkTypeLinuxSLL}.Capture(t, f.Close()))
	for i, back := range []bool{false, true} {
		got, _ := shown(events, back)
		if err := same(got, frames(t, r.ways[i])); err != nil {
			t.Errorf("side %d: %v", i, err)
		}
	}
	if s.Gaps != 0 {
		t.Errorf("%+v", s)
	}
}

// A capture that begins in the middle shows every frame that is whole in it.
func TestMidway(t *testing.T) {
	r := find(t, "zeek8-cluster.to-manager/conn1")
	for _, cut := range []int{1, 3, 200, 400, 555, 1000} {
		f := capturetest.New(4000).Send(true, 500, r.ways[1][cut:]).Send(false, 500, r.ways[0][cut:])
		events, s := read(t, capturetest.Form{Link: layers.LinkTypeRaw}.Capture(t, f))
		for i, back := range []bool{false, true} {
			all := frames(t, r.ways[i])
			begin := 0
			for len(all) > 0 && begin < cut {
				begin += wire.FrameHeader + len(all[0])
				all = all[1:]
			}
			// What remains of a handshake has no mark, except its magic number.
			for len(all) > 0 && len(all[0]) < wire.HeaderSize && !(len(all[0]) > 5 && string(all[0][1:5]) == "ZEEK") {
				all = all[1:]
			}
			got, _ := shown(events, back)
			if err := same(got, all); err != nil {
				t.Errorf("cut at %d, side %d: %v", cut, i, err)
			}
		}
		if s.Connections != 1 || s.Bad != 0 {
			t.Errorf("cut at %d: %+v", cut, s)
		}
	}
}

// A lost packet costs the frames in it, and is said.
func TestGap(t *testing.T) {
	r := find(t, "zeek8-cluster.to-manager/conn1")
	all := frames(t, r.ways[0])
	for _, lost := range []int{1, 2, 5, 9} {
		f := capturetest.New(4000).Open().Send(true, 400, r.ways[1]).Send(false, 400, r.ways[0]).Close()
		at := 0
		for ; f.Segments[at].SYN || f.Segments[at].Back; at++ {
		}
		at += lost
		f.Segments = append(f.Segments[:at:at], f.Segments[at+1:]...)
		events, s := read(t, capturetest.Form{Link: layers.LinkTypeEthernet}.Capture(t, f))
		got, notes := shown(events, false)
		if !strings.Contains(strings.Join(notes, "|"), "400 bytes are missing") || s.Gaps != 1 || s.Lost != 400 {
			t.Errorf("segment %d: %q, %+v", lost, notes, s)
		}
		from, to, touched := lost*400, (lost+1)*400, 0
		offset := 0
		for _, body := range all {
			end := offset + wire.FrameHeader + len(body)
			if offset < to && end > from {
				touched++
			}
			offset = end
		}
		if len(got) != len(all)-touched || s.Bad != 0 {
			t.Errorf("segment %d: %d frames of %d, %d of which were touched; bad %d", lost, len(got), len(all), touched, s.Bad)
		}
	}
}

// Other protocols are told apart and not shown.
func TestOthers(t *testing.T) {
	tls := append([]byte{0x16, 3, 1, 0, 200}, make([]byte, 200)...)
	appData := append([]byte{0x17, 3, 3, 1, 0}, bytes.Repeat([]byte{0xab}, 256)...)
	noise := make([]byte, 800<<10)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	flows := []*capturetest.Flow{
		capturetest.New(4001).Open().Send(false, 500, tls).Send(true, 500, tls).Close(),
		capturetest.New(4002).Send(true, 500, appData),
		capturetest.New(4003).Open().Send(false, 500, []byte("GET /v1/messages/json HTTP/1.1\r\n\r\n")).Close(),
		capturetest.New(4004).Open().Send(true, 500, append(make([]byte, 32), "broker.v2"...)),
		capturetest.New(4005).Open().Send(false, 500, []byte("SSH-2.0-OpenSSH_9.6\r\n")),
		capturetest.New(4006).Send(false, 60000, noise),
		capturetest.New(4007).Open().Close(),
	}
	events, s := read(t, capturetest.Form{Link: layers.LinkTypeEthernet}.Capture(t, flows...))
	want := map[string]int{"TLS": 2, "HTTP": 1, "Broker before 2.3": 1, "something else": 3}
	for name, n := range want {
		if s.Others[name] != n {
			t.Errorf("%s: %d, want %d", name, s.Others[name], n)
		}
	}
	if len(events) != 2 || events[0].Note != "TLS: its content can't be seen" || events[1].From.Port() != 9999 || s.Connections+s.Frames != 0 {
		t.Errorf("%v, %+v", events, s)
	}
}

// A frame that can't be read is shown as such, and those after it are shown.
func TestBadFrames(t *testing.T) {
	r := find(t, "pubsub.connecting-is-originator/conn0")
	bad := append([]byte{0, 0, 0, 40}, make([]byte, 40)...)
	n := len(frames(t, r.ways[0]))
	tail := r.ways[0]
	for _, f := range frames(t, r.ways[0])[:n-1] {
		tail = tail[wire.FrameHeader+len(f):]
	}
	whole := append(append(append(bytes.Clone(r.ways[0]), bad...), 0, 0, 0, 0), tail...)
	events, s := read(t, capturetest.Form{Link: layers.LinkTypeEthernet}.Capture(t, capturetest.New(4000).Open().Send(true, 1000, r.ways[1]).Send(false, 1000, whole).Close()))
	got, _ := shown(events, false)
	if len(got) != n+2 || s.Bad != 1 || s.Skipped != 0 {
		t.Errorf("%d frames after %d: %+v", len(got), n, s)
	}
	huge := append(bytes.Clone(r.ways[0]), 0x7f, 0xff, 0xff, 0xff, 1, 2, 3)
	events, s = read(t, capturetest.Form{Link: layers.LinkTypeEthernet}.Capture(t, capturetest.New(4000).Open().Send(false, 1000, huge)))
	if last := events[len(events)-1]; last.Note != "the capture ends within a frame" || s.Bad != 1 {
		t.Errorf("%+v: %+v", last, s)
	}
}

func TestFormats(t *testing.T) {
	r := find(t, "pubsub.connecting-is-originator/conn0")
	raw := capturetest.Form{Link: layers.LinkTypeEthernet}.Capture(t, capturetest.New(4000).Open().Send(false, 1000, r.ways[0]))
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(raw); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if events, _ := read(t, zipped.Bytes()); len(events) != len(frames(t, r.ways[0])) {
		t.Errorf("compressed: %d events", len(events))
	}
	if _, s := read(t, raw[:len(raw)-5]); !s.Truncated {
		t.Errorf("cut off: %+v", s)
	}
	ieee := capturetest.Form{Link: layers.LinkTypeEthernet}.Capture(t)
	ieee[20] = 105
	for name, b := range map[string][]byte{"nothing": nil, "three bytes": {1, 2, 3}, "text": []byte("these are no packets at all"), "another link": ieee} {
		if _, err := Read(t.Context(), bytes.NewReader(b), nil); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(t.Context(), io.MultiReader(bytes.NewReader(raw), failing{}), func(Event) error { return nil }); !errors.Is(err, errFailing) {
		t.Errorf("a reader that fails: %v", err)
	}
	n := 0
	if _, err := Read(t.Context(), bytes.NewReader(raw), func(Event) error { n++; return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) || n != 1 {
		t.Errorf("stopped after %d: %v", n, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ended, bytes.NewReader(raw), func(Event) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }
