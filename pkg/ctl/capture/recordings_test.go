// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// conversations are the recorded ones of the wire codec.
const conversations = "../../broker/wire/testdata/conversations"

// recording is one recorded connection: the bytes of both sides.
type recording struct {
	name string
	ways [2][]byte // of the connecting and the accepting side
}

func recordings(t testing.TB) []recording {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(conversations, "*", "conn*.c2s.bin"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded conversations: %v", err)
	}
	var out []recording
	for _, file := range files {
		r := recording{name: filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)[:5]}
		for i, name := range []string{"c2s", "s2c"} {
			r.ways[i], err = os.ReadFile(file[:len(file)-len("c2s.bin")] + name + ".bin")
			if err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, r)
	}
	return out
}

// frames are the bodies of the frames in bytes.
func frames(t testing.TB, b []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for len(b) > 0 {
		n := wire.FrameHeader + int(binary.BigEndian.Uint32(b))
		out, b = append(out, b[wire.FrameHeader:n]), b[n:]
	}
	return out
}

// find is the recording of that name.
func find(t testing.TB, name string) recording {
	t.Helper()
	for _, r := range recordings(t) {
		if r.name == name {
			return r
		}
	}
	t.Fatal("no such recording:", name)
	return recording{}
}

// read reads a whole capture.
func read(t testing.TB, raw []byte) ([]Event, Summary) {
	t.Helper()
	var events []Event
	s, err := Read(t.Context(), bytes.NewReader(raw), func(e Event) error {
		events = append(events, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events, s
}

// shown are the frames of one side, and all notes.
func shown(events []Event, back bool) (bodies [][]byte, notes []string) {
	for _, e := range events {
		switch {
		case e.Note != "":
			notes = append(notes, e.Note)
		case (e.From.Port() == 9999) == back:
			bodies = append(bodies, e.Frame)
		}
	}
	return bodies, notes
}

func same(got, want [][]byte) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d frames, want %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			return fmt.Errorf("frame %d is %x, want %x", i, got[i], want[i])
		}
	}
	return nil
}
