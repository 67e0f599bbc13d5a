// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// frameHead is what stands before the topic and value of a frame: their lengths.
const frameHead = 8

// frame is one message of a row.
type frame struct {
	topic, value []byte
}

func (f *frame) size() int { return frameHead + len(f.topic) + len(f.value) }

// nextFrame reads the frame at the front of a row.
func nextFrame(row []byte) (f frame, err error) {
	if len(row) < frameHead {
		return f, wrong("%d bytes are left, a frame begins with %d", len(row), frameHead)
	}
	nt, nv := uint64(binary.NativeEndian.Uint32(row)), uint64(binary.NativeEndian.Uint32(row[4:]))
	if rest := uint64(len(row) - frameHead); nt+nv > rest {
		return f, wrong("a frame says %d + %d bytes, %d are left", nt, nv, rest)
	}
	row = row[frameHead:]
	return frame{row[:nt:nt], row[nt : nt+nv : nt+nv]}, nil
}

// checkFrames looks at all frames of a row: that they are whole, that values are values, and what check says.
func checkFrames(row []byte, check func(f frame) error) error {
	for at := 0; at < len(row); {
		f, err := nextFrame(row[at:])
		if err == nil {
			err = check(f)
		}
		if err == nil {
			if bad := data.Validate(f.value); bad != nil {
				err = wrong("value: %v", bad)
			}
		}
		if err != nil {
			return wrong("frame at byte %d: %v", at, err)
		}
		at += f.size()
	}
	return nil
}

// Batch is a number of messages that were taken.
type Batch struct {
	msgs []broker.Message
	size int
}

// frameSize is the size of a message as a frame.
func frameSize(m *broker.Message) int { return frameHead + len(m.Topic) + m.Value.BinarySize() }

// Count is the number of messages.
func (b *Batch) Count() int { return len(b.msgs) }

// Size is the number of bytes that Append appends.
func (b *Batch) Size() int { return b.size }

// Append appends the messages as frames.
func (b *Batch) Append(dst []byte) []byte {
	for i := range b.msgs {
		m := &b.msgs[i]
		dst = binary.NativeEndian.AppendUint32(dst, uint32(len(m.Topic)))
		dst = binary.NativeEndian.AppendUint32(dst, uint32(m.Value.BinarySize()))
		dst = append(dst, m.Topic...)
		dst = m.Value.AppendBinary(dst)
	}
	return dst
}
