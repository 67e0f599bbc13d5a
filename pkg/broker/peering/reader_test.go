// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// readAll reads frames until the stream ends.
func readAll(r *Reader) (bodies [][]byte, err error) {
	for {
		frames, err := r.Next()
		if err != nil {
			return bodies, err
		}
		for _, f := range frames {
			bodies = append(bodies, bytes.Clone(f[4:]))
		}
	}
}

func frameOf(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestReader(t *testing.T) {
	var want [][]byte
	var stream []byte
	for _, n := range []int{1, 0, 37, 100, 20_000, 0, 300_000, 3_000_000, 5, 5} {
		body := bytes.Repeat([]byte{byte(n)}, n)
		stream = append(stream, frameOf(body)...)
		if n > 0 {
			want = append(want, body) // empty frames are skipped
		}
	}
	for name, src := range map[string]io.Reader{
		"at once": bytes.NewReader(stream), "half reads": iotest.HalfReader(bytes.NewReader(stream)),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)), "error with data": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		got, err := readAll(NewReader(src, nil, 4<<20))
		if err != io.EOF || !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%s: %d frames, %v", name, len(got), err)
		}
	}
	// What the handshake read beyond its end comes first.
	got, err := readAll(NewReader(bytes.NewReader(stream[50:]), stream[:50], 4<<20))
	if err != io.EOF || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("with rest: %d frames, %v", len(got), err)
	}
}

func TestReaderLimit(t *testing.T) {
	stream := append(frameOf([]byte("good")), frameOf(make([]byte, 101))...)
	got, err := readAll(NewReader(bytes.NewReader(stream), nil, 100))
	var pe *Error
	if len(got) != 1 || !errors.As(err, &pe) || pe.Class != Lost {
		t.Errorf("%q, %v", got, err)
	}
}

// TestReaderMemory claims a large frame and sends little of it: the buffer grows with what arrives only.
func TestReaderMemory(t *testing.T) {
	src := io.MultiReader(bytes.NewReader([]byte{3, 0xff, 0xff, 0xff}), bytes.NewReader(make([]byte, 10_000)))
	r := NewReader(src, nil, 64<<20)
	if _, err := readAll(r); err != io.EOF {
		t.Fatal(err)
	}
	if len(r.buf) > 64<<10 {
		t.Errorf("buffer of %d bytes for 10,000 received", len(r.buf))
	}
}

// FuzzReader cuts arbitrary bytes: the frames and the order must not depend on how they arrive, and nothing panics.
func FuzzReader(f *testing.F) {
	f.Add(append(frameOf([]byte("abc")), frameOf(make([]byte, 50))...))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Add(make([]byte, 9))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, errA := readAll(NewReader(bytes.NewReader(in), nil, 1000))
		b, errB := readAll(NewReader(iotest.OneByteReader(bytes.NewReader(in)), nil, 1000))
		if !slices.EqualFunc(a, b, bytes.Equal) || (errA == io.EOF) != (errB == io.EOF) {
			t.Fatalf("%d frames (%v) at once, %d (%v) byte by byte", len(a), errA, len(b), errB)
		}
	})
}
