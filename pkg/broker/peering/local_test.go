// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func localLinks(limit Limit) (a, b *Link) {
	return NewLocalLinks(End{ID: data.EndpointID{1}, Filter: []string{"/a"}, Limit: limit}, End{ID: data.EndpointID{2}, Filter: []string{"/b"}, Limit: limit})
}

// next takes frames without waiting for ever.
func next(t *testing.T, l *Link) [][]byte {
	t.Helper()
	frames, err := l.Next()
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// received names the frames of a read: their head or their bytes, with the value if it is one.
func received(t *testing.T, l *Link) (out []string) {
	t.Helper()
	for i, f := range next(t, l) {
		text := string(f[4:])
		if a := l.Attached(i); a != nil {
			if size := len(f) - 4 + a.Size; size != int(binary.BigEndian.Uint32(f)) {
				t.Errorf("%s is said to have %d bytes, and has %d", text, binary.BigEndian.Uint32(f), size)
			}
			text += "+" + a.Value.String()
		}
		if len(text) > 30 {
			text = fmt.Sprintf("%s...%d", text[:3], len(text))
		}
		out = append(out, text)
	}
	return out
}

func framed(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func putValue(q *Queue, head string, v data.Value) Result {
	return q.Put(LaneData, &Frame{Head: []byte(head), Value: v, Encoded: v.BinarySize()}, ByPolicy)
}

// TestLocalLinks carries frames of every kind in the order of a queue, and values as they are.
func TestLocalLinks(t *testing.T) {
	a, b := localLinks(Limit{Messages: 100, Bytes: 1 << 20})
	if a.Peer != (data.EndpointID{2}) || b.Peer != (data.EndpointID{1}) || a.Role != Originator || b.Role != Responder ||
		a.Filter[0] != "/b" || a.Announced[0] != "/a" || !a.Local() {
		t.Errorf("links %+v, %+v", a.Established, b.Established)
	}
	text := strings.Repeat("x", 10)
	putValue(a.Queue, "h1", data.Vector(data.Count(1)))
	a.Queue.Put(LaneData, &Frame{Head: []byte("h2"), Stamp: []byte("st"), Value: data.String(text), Encoded: data.String(text).BinarySize()}, ByPolicy)
	a.Queue.Put(LaneData, &Frame{Head: []byte("h3"), Payload: []byte("bytes")}, ByPolicy)
	large := strings.Repeat("y", 5000)
	a.Queue.Put(LaneData, &Frame{Head: []byte("h4"), Payload: []byte(large), Shared: true}, ByPolicy)
	putValue(a.Queue, "h5", data.None())
	a.Queue.Put(LaneCommand, &Frame{Head: []byte("c"), Payload: []byte("md")}, ByPolicy)
	a.Queue.Last(framed("last"))
	a.Queue.Control(framed("ping"))
	a.Queue.Update(framed("update"))
	a.Start(framed("hello"))
	b.Start(nil)
	if got := received(t, b); len(got) != 1 || got[0] != "hello" {
		t.Errorf("first: %q", got)
	}
	want := `["update" "ping" "cmd" "h1+(1)" "h2st+xxxxxxxxxx" "h3bytes" "h4y...5002" "h5+nil" "last"]`
	if got := fmt.Sprintf("%q", received(t, b)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s, _ := b.Attached(4).Value.AsString()
	if unsafe.StringData(s) != unsafe.StringData(text) {
		t.Error("the string was copied")
	}
	if _, err := a.NextWithin(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the other end says nothing first: %v", err)
	}
	flushed := a.Queue.Flushed()
	putValue(b.Queue, "back", data.None())
	if got := received(t, a); len(got) != 1 || got[0] != "back+nil" {
		t.Errorf("back: %q", got)
	}
	putValue(a.Queue, "h6", data.None())
	received(t, b)
	<-flushed // what was queued before has been handled
	if st := a.Queue.Stats(); st.Messages != 0 || st.Bytes != 0 || st.Dropped != 0 || st.Written != 7 {
		t.Errorf("after it all: %+v", st)
	}
}

// TestLocalLinkEnds ends both ends, whoever does it.
func TestLocalLinkEnds(t *testing.T) {
	for name, end := range map[string]func(l *Link){"Close": func(l *Link) { l.Close() }, "Fail": func(l *Link) { l.Fail(errors.New("mine")) }} {
		for _, greeted := range []bool{true, false} {
			a, b := localLinks(Limit{Messages: 100, Bytes: 1 << 20})
			if greeted {
				a.Start(nil)
				b.Start(nil)
			}
			putValue(a.Queue, "lost", data.None())
			putValue(b.Queue, "lost too", data.None())
			done := make(chan error)
			go func() { done <- a.waitForEnd() }()
			end(b)
			end(b)
			if err := <-done; !errors.Is(err, io.EOF) {
				t.Errorf("%s: the other end's Next: %v", name, err)
			}
			if cause, ok := a.Cause(io.EOF).(*Error); !ok || cause.Class != Lost {
				t.Errorf("%s: cause %v", name, cause)
			}
			if r := putValue(a.Queue, "x", data.None()); r != Closed {
				t.Errorf("%s: queued at the other end: %v", name, r)
			}
			if _, err := b.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("%s: own Next: %v", name, err)
			}
			a.Close()
			a.Wait()
			b.Wait()
		}
	}
}

// waitForEnd reads until the error.
func (l *Link) waitForEnd() error {
	for {
		if _, err := l.Next(); err != nil {
			return err
		}
	}
}

// TestLocalQueueModel queues values and bytes at random, drops some by policy, and compares what comes out with a list.
func TestLocalQueueModel(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 0))
	a, b := localLinks(Limit{Messages: 20, Bytes: 40_000, Overflow: DropOldest})
	a.Start(nil)
	b.Start(nil)
	type message struct {
		text string
		size int
	}
	var model []message
	bytes := 0
	for i := range 20_000 {
		if r.IntN(8) == 0 && len(model) > 0 {
			for j, f := range next(t, b) {
				text := string(f[4:])
				if at := b.Attached(j); at != nil {
					s, _ := at.Value.AsString()
					text += s
				}
				if text != model[j].text {
					t.Fatalf("step %d: got %.40q, want %.40q", i, text, model[j].text)
				}
			}
			model, bytes = nil, 0
			continue
		}
		n := 1 + r.IntN(100)
		if r.IntN(10) == 0 {
			n = ShareAbove + r.IntN(4000)
		}
		head, body := fmt.Sprintf("%06d", i), strings.Repeat("z", n)
		f := &Frame{Head: []byte(head), Payload: []byte(body), Shared: n > ShareAbove}
		if r.IntN(2) == 0 {
			f = &Frame{Head: []byte(head), Value: data.String(body), Encoded: data.String(body).BinarySize()}
		}
		for len(model) > 0 && (len(model) >= 20 || bytes+f.Size() > 40_000) {
			bytes -= model[0].size
			model = model[1:]
		}
		a.Queue.Put(LaneData, f, ByPolicy)
		model = append(model, message{head + body, f.Size()})
		bytes += f.Size()
		if st := a.Queue.Stats(); st.Messages != len(model) || st.Bytes != bytes {
			t.Fatalf("step %d: %+v, want %d messages of %d bytes", i, st, len(model), bytes)
		}
	}
}

// TestClaim lets no second link to an endpoint come up.
func TestClaim(t *testing.T) {
	r, id := NewRegistry(), data.EndpointID{1}
	if !r.Claim(id) || r.Claim(id) || !r.Known(id) {
		t.Error("claimed twice")
	}
	r.Forget(id)
	if !r.Claim(id) {
		t.Error("not forgotten")
	}
	r.Forget(id)
	r.Shutdown()
	if r.Claim(id) {
		t.Error("claimed after the end")
	}
}
