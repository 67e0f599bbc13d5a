// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func everything() *Trailer {
	return &Trailer{
		Features: FeatureParts | FeatureResults, History: here.History, Epoch: 2, Number: 9, Run: 3, Flags: FlagAdopt, Settled: 4, Writer: two,
		Foreign: 5, Left: 6,
	}
}

// TestTrailer has exact bytes: the commands themselves stay as they are.
func TestTrailer(t *testing.T) {
	head := hex.EncodeToString([]byte("BMST")) + "01"
	u64 := func(tag, n string) string { return tag + "08" + "00000000000000" + n }
	for _, tt := range []struct {
		name    string
		body    Command
		trailer *Trailer
		bytes   string
	}{
		{"nothing to say", &Keepalive{Seq: 1}, &Trailer{}, head},
		{"features", &Nack{Seqs: []uint64{0}}, &Trailer{Features: FeatureResults}, head + u64("01", "02")},
		{"everything", &AttachWriter{Offset: 1, Interval: 5}, everything(), head + u64("01", "03") + "0210" + hex.EncodeToString(here.History[:]) +
			u64("03", "02") + u64("04", "09") + u64("05", "03") + u64("06", "01") + u64("07", "04") + u64("09", "05") + u64("0a", "06") + "0818" + hdr2},
		{"ack", &CumulativeAck{Seq: 7}, &Trailer{Run: 1}, head + u64("05", "01")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain := Message{Sender: one, Body: tt.body}
			m := plain
			m.Trailer = tt.trailer
			surplus, err := hex.DecodeString(tt.bytes)
			if err != nil {
				t.Fatal(err)
			}
			want := append(plain.Marshal(), surplus...)
			if got := m.Marshal(); !bytes.Equal(got, want) || m.Size() != len(want) {
				t.Fatalf("size %d\n got %x\nwant %x", m.Size(), got, want)
			}
			got, err := Parse(want)
			if err != nil || !reflect.DeepEqual(got, m) {
				t.Fatalf("got %+v, %v", got, err)
			}
			for n := len(want) - len(surplus); n < len(want); n++ { // what is cut is no trailer, or has fewer fields; the command stays
				got, err := Parse(want[:n:n])
				if err != nil || !reflect.DeepEqual(got.Body, tt.body) {
					t.Fatalf("%d bytes: %+v, %v", n, got, err)
				}
			}
		})
	}
}

func TestHiddenExpiry(t *testing.T) {
	plain := Message{Seq: 2, Sender: one, Body: &Put{Key: data.String("a"), Value: data.String("A"), Publisher: two}}
	m := plain
	m.Body = &Put{Key: data.String("a"), Value: data.String("A"), Publisher: two, Hidden: After(1)}
	want := append(append(plain.Marshal(), "BMST\x01\x0a\x08"...), 0, 0, 0, 0, 0, 0, 0, 1)
	if got := m.Marshal(); !bytes.Equal(got, want) || m.Size() != len(want) {
		t.Fatalf("size %d\n got %x\nwant %x", m.Size(), got, want)
	}
	if got, err := Parse(want); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Parse(want[:len(want)-1]); err != nil || !reflect.DeepEqual(got, plain) {
		t.Errorf("cut: %+v, %v", got, err)
	}
	two := AppendBundle(nil, 2, one, two, [][]byte{want, plain.Marshal()})
	got, err := Parse(two)
	if err != nil || !reflect.DeepEqual(got.Body.(*Bundle).Events, []Command{m.Body, plain.Body}) {
		t.Errorf("in a bundle: %+v, %v", got, err)
	}
}

func TestSurplusBytesThatAreNoTrailer(t *testing.T) {
	payload := (&Message{Sender: one, Body: &Keepalive{Seq: 1}}).Marshal()
	for _, surplus := range []string{"x", "BMSU\x01", "BMST", "BMST\x02", "BMST\x01\x01", "BMST\x01\x01\x08", "BMST\x01\x01\x01\x00",
		"BMST\x01\x02\x01\x00", "BMST\x01\x08\x00", "BMST\x01\x09\xff\xff\xff\xff\x0f"} {
		m, err := Parse(append(bytes.Clone(payload), surplus...))
		if err != nil || m.Trailer != nil {
			t.Errorf("%q: %+v, %v", surplus, m.Trailer, err)
		}
	}
	m, err := Parse(append(bytes.Clone(payload), "BMST\x01\x63\x02xx\x05\x08\x00\x00\x00\x00\x00\x00\x00\x09"...))
	if err != nil || m.Trailer == nil || *m.Trailer != (Trailer{Run: 9}) {
		t.Errorf("unknown tag: %+v, %v", m.Trailer, err)
	}
	put := Message{Sender: one, Body: &Put{Key: data.None(), Value: data.None()}, Trailer: everything()}
	if m, err := Parse(put.Marshal()); err != nil || m.Trailer != nil {
		t.Errorf("an action has no trailer: %+v, %v", m.Trailer, err)
	}
}

func TestAppendBundle(t *testing.T) {
	events := []Command{&Put{Key: data.String("a"), Value: data.Count(1), Publisher: two}, &Clear{Publisher: one}}
	var payloads [][]byte
	for i, e := range events {
		payloads = append(payloads, (&Message{Seq: uint64(7 + i), Sender: one, Body: e}).Marshal())
	}
	want := (&Message{Seq: 7, Sender: one, Receiver: two, Body: &Bundle{Events: events}}).Marshal()
	if got := AppendBundle(nil, 7, one, two, payloads); !bytes.Equal(got, want) {
		t.Fatalf("\n got %x\nwant %x", got, want)
	}
}

func TestEntries(t *testing.T) {
	e := entriesOf()
	var got []Entry
	for entry := range e.All() {
		got = append(got, entry)
	}
	if len(got) != 2 || e.Len() != 2 || got[0].Left.Set || !got[1].Left.Set || !data.Equal(got[0].Key, data.String("a")) {
		t.Fatalf("%+v", got)
	}
	sum := e.Sum(0)
	e.Reset()
	if e.Len() != 0 || e.Size() != 0 || e.Sum(sum) != sum || sum == 0 {
		t.Fatalf("after Reset: %d entries, %d bytes", e.Len(), e.Size())
	}
}

func FuzzTrailer(f *testing.F) {
	f.Add(everything().append(nil))
	f.Add((&Trailer{}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		trailer := parseTrailer(b)
		if trailer == nil {
			return
		}
		again := trailer.append(nil)
		if len(again) != trailer.size() {
			t.Fatalf("size %d, wrote %d", trailer.size(), len(again))
		}
		if got := parseTrailer(again); got == nil || *got != *trailer {
			t.Fatalf("%+v became %+v", trailer, got)
		}
	})
}
