// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

var (
	idA = data.EndpointID(bytes.Repeat([]byte{0xa1}, 16))
	idB = data.EndpointID(bytes.Repeat([]byte{0xb2}, 16))
	idC = data.EndpointID(bytes.Repeat([]byte{0xc3}, 16))
)

const hexA, hexB = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"

// stamps of frames that idC sends, and their bytes.
var stamps = []struct {
	name, hex string
	stamp     Stamp
}{
	{"of the sender", "00 01 0000000000000102", Stamp{Origin: idC, Entering: idC, Number: 258, Hops: 1}},
	{"of a leaf of the sender", "01 02 " + hexA + " 0000000000000003", Stamp{Origin: idA, Entering: idC, Number: 3, Hops: 2}},
	{"of a node", "02 05 " + hexB + " ffffffffffffffff", Stamp{Origin: idB, Entering: idB, Number: 1<<64 - 1, Hops: 5}},
	{"of a leaf of a node", "03 ff " + hexA + hexB + " 0000000000000001", Stamp{Origin: idA, Entering: idB, Number: 1, Hops: 255}},
	{"with a time", "04 01 0000000000000009 1797ff7b8ec4a800", Stamp{Origin: idC, Entering: idC, Number: 9, Hops: 1, Sent: 0x1797ff7b8ec4a800}},
	{"with everything", "07 04 " + hexA + hexB + " 0000000000000007 ffffffffffffffff", Stamp{Origin: idA, Entering: idB, Number: 7, Hops: 4, Sent: -1}},
}

func TestStamp(t *testing.T) {
	for _, c := range stamps {
		t.Run(c.name, func(t *testing.T) {
			want := unhex(t, c.hex)
			if got := c.stamp.Append([]byte("x"), idC); !bytes.Equal(got[1:], want) {
				t.Errorf("encoded %x, want %x", got[1:], want)
			}
			var s Stamp
			n, err := ParseStamp(&s, append(bytes.Clone(want), "payload"...), &idC)
			if err != nil || n != len(want) || s != c.stamp {
				t.Errorf("parsed %+v, %d bytes, %v", s, n, err)
			}
			if Relayable(want) != (c.stamp.Entering != idC) {
				t.Error("Relayable is wrong")
			}
			for i := range want {
				var e *Error
				if _, err := ParseStamp(&s, want[:i], &idC); !errors.As(err, &e) {
					t.Errorf("%d of %d bytes: %v", i, len(want), err)
				}
			}
		})
	}
}

func TestOwnStamp(t *testing.T) {
	for _, s := range []Stamp{{Origin: idA, Entering: idA, Number: 5, Hops: 1}, {Origin: idA, Entering: idA, Number: 1 << 60, Hops: 1, Sent: -7}} {
		got, want := AppendOwn(nil, s.Sent), s.Append(nil, idA)
		binary.BigEndian.PutUint64(got[OwnStampSize-NumberSize:], s.Number)
		if !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
	}
}

func TestBadStamps(t *testing.T) {
	for name, in := range map[string]string{
		"unknown flag":       "08 01 0000000000000001 0000000000000000",
		"origin is nobody":   "01 01 00000000000000000000000000000000 0000000000000001",
		"entering is nobody": "03 01 " + hexA + "00000000000000000000000000000000 0000000000000001",
	} {
		var s Stamp
		if _, err := ParseStamp(&s, unhex(t, in), &idC); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func FuzzStamp(f *testing.F) {
	for _, c := range stamps {
		f.Add(unhex(f, c.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again Stamp
		n, err := ParseStamp(&s, b, &idC)
		if err != nil {
			return
		}
		if n > len(b) || n > MaxStampSize {
			t.Fatalf("%d bytes of %d", n, len(b))
		}
		out := s.Append(nil, idC)
		if k, err := ParseStamp(&again, out, &idC); err != nil || k != len(out) || again != s {
			t.Fatalf("%+v became %+v, %v", s, again, err)
		}
	})
}
