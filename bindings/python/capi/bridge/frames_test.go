// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"bytes"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// rowOf is a row of frames, as Take hands it out.
func rowOf(msgs ...broker.Message) []byte {
	b := Batch{msgs: msgs}
	for i := range msgs {
		b.size += frameSize(&msgs[i])
	}
	row := b.Append(make([]byte, 0, b.Size()))
	if len(row) != b.Size() {
		panic("the size is wrong")
	}
	return row
}

func TestFrames(t *testing.T) {
	row := rowOf(broker.Message{Topic: "/a", Value: data.Count(1)}, broker.Message{Value: data.None()}, broker.Message{Topic: "/ccc", Value: data.String("x")})
	want := []frame{{[]byte("/a"), data.Count(1).AppendBinary(nil)}, {nil, []byte{0}}, {[]byte("/ccc"), data.String("x").AppendBinary(nil)}}
	at := 0
	for i, w := range want {
		f, err := nextFrame(row[at:])
		if err != nil || !bytes.Equal(f.topic, w.topic) || !bytes.Equal(f.value, w.value) {
			t.Fatalf("frame %d: %q, %v; want %q", i, f, err, w)
		}
		at += f.size()
	}
	if at != len(row) {
		t.Errorf("%d bytes are left", len(row)-at)
	}
	count := 0
	if err := checkFrames(row, func(frame) error { count++; return nil }); err != nil || count != 3 {
		t.Errorf("check: %d frames, %v", count, err)
	}
	for n := range row {
		err := checkFrames(row[:n], func(frame) error { return nil })
		if whole := n == 0 || n == 19 || n == 28; whole != (err == nil) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	row[8+2] = 99
	if err := checkFrames(row, checkTopic); err == nil || !strings.Contains(err.Error(), "frame at byte 0: value: ") {
		t.Errorf("a value that is none: %v", err)
	}
}

func TestCheckTopic(t *testing.T) {
	for _, c := range []struct {
		topic string
		ok    bool
	}{{"/a", true}, {"", false}, {"<$>", false}, {"<$>/local/x", false}, {"<$>x", true}, {strings.Repeat("x", 65535), true}, {strings.Repeat("x", 65536), false}} {
		if err := checkTopic(frame{topic: []byte(c.topic)}); (err == nil) != c.ok || err != nil && Result(err) != BadArg {
			t.Errorf("%.20q: %v", c.topic, err)
		}
	}
}

// FuzzFrames reads any row: what is read is within it, and what is checked can be read and written again.
func FuzzFrames(f *testing.F) {
	f.Add(rowOf(broker.Message{Topic: "/a", Value: data.Count(1)}, broker.Message{Value: data.None()}))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 0})
	f.Fuzz(func(t *testing.T, row []byte) {
		var msgs []broker.Message
		err := checkFrames(row, func(f frame) error {
			if v, err := data.Decode(f.value); err == nil {
				msgs = append(msgs, broker.Message{Topic: string(f.topic), Value: v})
			}
			return nil
		})
		if err == nil && !bytes.Equal(rowOf(msgs...), row) {
			t.Errorf("%x comes back as %x", row, rowOf(msgs...))
		}
	})
}
