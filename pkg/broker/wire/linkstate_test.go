// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

var fullLinkState = LinkState{
	Node: idA, Version: 0x0102030405060708, Times: true, Neighbours: []data.EndpointID{idB, idC}, Wants: []string{"/a", "/bc"},
	Leaves: []Leaf{{idC, LeafForeign, []string{""}}, {idB, LeafClient, []string{}}},
}

const fullLinkStateHex = "01" + hexA + "0102030405060708 01 02" + hexB + hexC + "02 022f61 032f6263 02" + hexC + "03 01 00" + hexB + "02 00"

const hexC = "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3"

func TestLinkState(t *testing.T) {
	for name, c := range map[string]struct {
		state LinkState
		hex   string
	}{
		"full":  {fullLinkState, fullLinkStateHex},
		"empty": {LinkState{Node: idB, Version: 1, Wants: []string{}}, "01" + hexB + "0000000000000001 00 00 00 00"},
	} {
		t.Run(name, func(t *testing.T) {
			want := unhex(t, c.hex)
			if got := c.state.Append([]byte("x")); !bytes.Equal(got[1:], want) {
				t.Errorf("encoded %x, want %x", got[1:], want)
			}
			got, err := ParseLinkState(want)
			if err != nil || !reflect.DeepEqual(*got, c.state) {
				t.Errorf("parsed %+v, %v", got, err)
			}
			for i := range want {
				var e *Error
				if l, err := ParseLinkState(want[:i]); !errors.As(err, &e) {
					t.Errorf("%d of %d bytes: %+v, %v", i, len(want), l, err)
				}
			}
		})
	}
}

// TestLaterLinkState reads what it knows of a later format.
func TestLaterLinkState(t *testing.T) {
	b := append(unhex(t, fullLinkStateHex), 1, 2, 3)
	if _, err := ParseLinkState(b); err == nil {
		t.Error("bytes after format 1 were accepted")
	}
	b[0] = 2
	b[25] |= 0x80 // a flag that is not known
	if got, err := ParseLinkState(b); err != nil || !reflect.DeepEqual(*got, fullLinkState) {
		t.Errorf("parsed %+v, %v", got, err)
	}
}

func TestBadLinkStates(t *testing.T) {
	const head = "01" + hexA + "0000000000000001 00"
	for name, in := range map[string][]byte{
		"format 0":                     append([]byte{0}, unhex(t, fullLinkStateHex)[1:]...),
		"node is nobody":               unhex(t, "01"+strings.Repeat("00", 16)+"0000000000000001 00 00 00 00"),
		"neighbour is nobody":          unhex(t, head+"01"+strings.Repeat("00", 16)+"00 00"),
		"leaf is nobody":               unhex(t, head+"00 00 01"+strings.Repeat("00", 16)+"03 00"),
		"too many neighbours":          unhex(t, head+"ffffffff0f"),
		"neighbours that do not fit":   unhex(t, head+"02"+hexB+"00 00"),
		"more neighbours than allowed": slices.Concat(unhex(t, head+"914e"), bytes.Repeat([]byte{1}, 16*10_001), []byte{0, 0}),
		"too large":                    append(unhex(t, fullLinkStateHex), make([]byte, MaxLinkState)...),
		"broken filter":                unhex(t, head+"00 05 00"),
	} {
		if l, err := ParseLinkState(in); err == nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func FuzzLinkState(f *testing.F) {
	f.Add(unhex(f, fullLinkStateHex))
	f.Add((&LinkState{Node: idB, Version: 1}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLinkState(b)
		if err != nil {
			return
		}
		again, err := ParseLinkState(l.Append(nil))
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Fatalf("%+v became %+v, %v", l, again, err)
		}
	})
}
