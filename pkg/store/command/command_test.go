// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

var (
	one  = data.EntityID{Endpoint: data.EndpointID{0: 0x9b, 6: 0x40, 8: 0x80}, Object: 6}
	two  = data.EntityID{Endpoint: data.EndpointID{0: 0xf3, 6: 0x40, 8: 0x80}, Object: 7}
	hdr1 = "9b000000000040008000000000000000" + "0000000000000006"
	hdr2 = "f3000000000040008000000000000000" + "0000000000000007"
)

func snapshotOf(entries ...data.Value) (s Snapshot) {
	for i := 0; i < len(entries); i += 2 {
		s.Add(entries[i], entries[i+1])
	}
	return s
}

// every command with its exact fields on the wire.
var layouts = []struct {
	name   string
	body   Command
	fields string
}{
	{"put", &Put{Key: data.String("a"), Value: data.String("A"), Publisher: two}, "050161" + "050141" + "00" + hdr2},
	{"put with expiry", &Put{Key: data.String("short"), Value: data.String("x"), Expiry: After(300 * time.Millisecond), Publisher: two},
		"050573686f7274" + "050178" + "010000000011e1a300" + hdr2},
	{"handover", &Handover{Handover: 7, Step: HandoverEqual, Flags: HandoverStrand, History: here.History, Epoch: 3, Number: 9, Sum: 0x11, Part: 2},
		"0000000000000007" + "04" + "01" + hex.EncodeToString(here.History[:]) + "0000000000000003" + "0000000000000009" + "0000000000000011" + "00000002"},
	{"handover_state", &HandoverState{Handover: 7, Phase: HandoverFrozen, Position: here, Number: 9, Sum: 1, Entries: 2, Patience: 5, Parts: 1, Reason: "x"},
		"0000000000000007" + "05" + herePosition + "0000000000000009" + "0000000000000001" + "0000000000000002" + "00000005" + "00000001" + "0178"},
	{"handover_part", &HandoverPart{Handover: 7, Part: 1, Values: []NamedValue{{"a", []byte{1, 2}}}}, "0000000000000007" + "00000001" + "01" + "0161" + "020102"},
	{"put_unique", &PutUnique{Key: data.String("u"), Value: data.Count(1), Who: two, Request: 5, Publisher: one},
		"050175" + "020000000000000001" + "00" + hdr2 + "0000000000000005" + hdr1},
	{"put_unique_result", &PutUniqueResult{Inserted: true, Who: one, Request: 1, Publisher: two}, "01" + hdr1 + "0000000000000001" + hdr2},
	{"erase", &Erase{Key: data.String("pre"), Publisher: one}, "0503707265" + hdr1},
	{"expire", &Expire{Key: data.None(), Publisher: one}, "00" + hdr1},
	{"add", &Add{Key: data.String("n"), Operand: data.Count(1), Init: data.KindCount, Publisher: one},
		"05016e" + "020000000000000001" + "02" + "00" + hdr1},
	{"subtract", &Subtract{Key: data.String("a"), Operand: data.Integer(5), Expiry: Expiry{Set: true, After: -1}, Publisher: one},
		"050161" + "030000000000000005" + "01ffffffffffffffff" + hdr1},
	{"clear", &Clear{Publisher: two}, hdr2},
	{"attach_writer", &AttachWriter{Offset: 1, Interval: 5}, "0000000000000001" + "0005"},
	{"keepalive", &Keepalive{Seq: 9}, "0000000000000009"},
	{"cumulative_ack", &CumulativeAck{Seq: 18}, "0000000000000012"},
	{"nack", &Nack{Seqs: []uint64{3, 9}}, "02" + "0000000000000003" + "0000000000000009"},
	{"nack of nothing", &Nack{}, "00"},
	{"ack_clone", &AckClone{Offset: 1, Interval: 5, State: snapshotOf(data.String("b"), data.Integer(1), data.String("a"), data.None())},
		"0000000000000001" + "0005" + "02" + "050162" + "030000000000000001" + "050161" + "00"},
	{"retransmit_failed", &RetransmitFailed{Seq: 2}, "0000000000000002"},
	{"ask", &Ask{Number: 7, Settled: 5, Session: 0x1122, Operation: 3, Args: []data.Value{data.String("k"), data.None()}},
		"0000000000000007" + "0000000000000005" + "0000000000001122" + "03" + "02" + "05016b" + "00"},
	{"ask without arguments", &Ask{Number: 1, Operation: 9}, "0000000000000001" + "0000000000000000" + "0000000000000000" + "09" + "00"},
	{"answer", &Answer{Number: 7, Values: []data.Value{data.Count(3), data.Boolean(true)}},
		"0000000000000007" + "00" + "02" + "020000000000000003" + "0101"},
	{"answer that refuses", &Answer{Number: 8, Code: code.NoSuchKey, Values: []data.Value{data.String("x")}},
		"0000000000000008" + "09" + "01" + "050178"},
	{"resume", &Resume{Offset: 9, Interval: 5, Position: here}, "0000000000000009" + "0005" + herePosition},
	{"other_history", &OtherHistory{Number: 9, Position: here}, "0000000000000009" + herePosition},
	{"unknown_clone", &UnknownClone{here}, herePosition},
	{"snapshot_begin", &SnapshotBegin{Transfer: 1, Offset: 9, Interval: 5, Position: here, Entries: 3, Bytes: 4},
		"0000000000000001" + "0000000000000009" + "0005" + herePosition + "0000000000000003" + "0000000000000004"},
	{"snapshot_part", &SnapshotPart{Transfer: 1, Part: 2, Entries: entriesOf()},
		"0000000000000001" + "0000000000000002" + "02" + "050161" + "030000000000000001" + "00" + "050162" + "00" + "01000000003b9aca00"},
	{"snapshot_part of nothing", &SnapshotPart{Transfer: 1, Part: 2}, "0000000000000001" + "0000000000000002" + "00"},
	{"snapshot_end", &SnapshotEnd{Transfer: 1, Part: 3, Entries: 2, Checksum: 0x01020304},
		"0000000000000001" + "0000000000000003" + "0000000000000002" + "01020304"},
	{"snapshot_ack", &SnapshotAck{Transfer: 1, Next: 4}, "0000000000000001" + "0000000000000004"},
	{"write_result", &WriteResult{Through: 7, Number: 20, Exact: 2, Others: []Outcome{{5, OutcomeNot}, {6, code.TypeClash}}},
		"0000000000000007" + "0000000000000014" + "0000000000000002" + "02" + "0000000000000005" + "c8" + "0000000000000006" + "0b"},
	{"write_result without others", &WriteResult{Through: 7}, "0000000000000007" + "0000000000000000" + "0000000000000000" + "00"},
	{"batch", &Batch{
		Conditions: []Condition{{Key: data.String("a"), Present: true, Value: data.Integer(1)}, {Key: data.String("b")}},
		Writes:     []Command{&Put{Key: data.String("a"), Value: data.None(), Publisher: one}, &Clear{Publisher: one}}, Publisher: two,
	}, "02" + "050161" + "01" + "030000000000000001" + "050162" + "00" + "00" +
		"02" + "1e" + "00" + "050161" + "00" + "00" + hdr1 + "19" + "07" + hdr1 + hdr2},
	{"bundle", &Bundle{Events: []Command{&Erase{Key: data.String("a"), Publisher: one}, &Clear{Publisher: two}}},
		"02" + "1c" + "03" + "050161" + hdr1 + "19" + "07" + hdr2},
}

var (
	here         = Position{History: History{0: 0xaa, 15: 0xbb}, Epoch: 2, Run: 3, Volatile: true}
	herePosition = "aa0000000000000000000000000000bb" + "0000000000000002" + "0000000000000003" + "01"
)

func entriesOf() (e Entries) {
	e.Add(data.String("a"), data.Integer(1), Expiry{})
	e.Add(data.String("b"), data.None(), After(time.Second))
	return e
}

func payloadOf(t *testing.T, kind Kind, fields string) []byte {
	t.Helper()
	b, err := hex.DecodeString("0000000000000017" + hdr1 + hdr2 + hex.EncodeToString([]byte{byte(kind)}) + fields)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLayout(t *testing.T) {
	kinds := map[Kind]bool{}
	for _, tt := range layouts {
		t.Run(tt.name, func(t *testing.T) {
			kinds[tt.body.Kind()] = true
			m := Message{Seq: 0x17, Sender: one, Receiver: two, Body: tt.body}
			want := payloadOf(t, tt.body.Kind(), tt.fields)
			if got := m.Marshal(); !bytes.Equal(got, want) || m.Size() != len(got) {
				t.Fatalf("size %d\n got %x\nwant %x", m.Size(), got, want)
			}
			got, err := Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			if again := got.Marshal(); !bytes.Equal(again, want) {
				t.Fatalf("parsed and written again\n got %x\nwant %x", again, want)
			}
			if got.Seq != m.Seq || got.Sender != one || got.Receiver != two || reflect.TypeOf(got.Body) != reflect.TypeOf(tt.body) {
				t.Fatalf("got %+v", got)
			}
			kind, sender, receiver, ok := Peek(want)
			if !ok || kind != tt.body.Kind() || sender != one || receiver != two {
				t.Fatalf("peek: %v %v %v %v", kind, sender, receiver, ok)
			}
			for n := range want {
				if _, err := Parse(want[:n:n]); err == nil {
					t.Fatalf("prefix of %d bytes accepted", n)
				}
			}
			if _, err := Parse(append(bytes.Clone(want), 1, 2, 3)); err != nil {
				t.Fatalf("surplus bytes: %v", err)
			}
		})
	}
	if want := int(kindLast) + 1 + len(extensionNames); len(kinds) != want {
		t.Errorf("%d of %d commands tried", len(kinds), want)
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		payload []byte
		offset  int
		msg     string
	}{
		{"empty", nil, 0, "sequence number"},
		{"command 14", payloadOf(t, 14, ""), 56, "unknown command"},
		{"command 255", payloadOf(t, 255, ""), 56, "unknown command"},
		{"init type 15", payloadOf(t, KindAdd, "050161"+"00"+"0f"+"00"+hdr1), 61, "init type"},
		{"key that is no value", payloadOf(t, KindErase, "0f"+hdr1), 57, "key"},
		{"set with a duplicate", payloadOf(t, KindPut, "050161"+"0c0201000100"+"00"+hdr1), 64, "value"},
		{"bundle with a write of a clone", payloadOf(t, KindBundle, "01"+"01"+"05"), 59, "does not belong"},
		{"bundle in a bundle", payloadOf(t, KindBundle, "01"+"02"+"59"+"00"), 59, "does not belong"},
		{"bundle whose command is longer than its length", payloadOf(t, KindBundle, "01"+"03"+"07"+hdr1), 62, "publisher"},
		{"batch in a batch", payloadOf(t, KindBatch, "00"+"01"+"02"+"58"+"00"), 60, "does not belong"},
		{"batch that claims 2^32-1 conditions", payloadOf(t, KindBatch, "ffffffff0f"+"0000"), 64, "conditions"},
		{"snapshot_part that claims 2^32-1 entries", payloadOf(t, KindSnapshotPart, "00000000000000010000000000000002"+"ffffffff0f"+"0000"), 80, "entries"},
		{"nack that claims 2^32-1 numbers", payloadOf(t, KindNack, "ffffffff0f"+"0000000000000001"), 70, "list"},
		{"command 63", payloadOf(t, 63, ""), 56, "unknown command"},
		{"ask that claims 2^32-1 arguments", payloadOf(t, KindAsk, strings.Repeat("00", 25)+"ffffffff0f"+"00"), 88, "arguments"},
		{"answer with 65537 values", payloadOf(t, KindAnswer, strings.Repeat("00", 9)+"818004"+strings.Repeat("00", 65537)), 66, "too many values"},
		{"snapshot that claims 2^32-1 entries", payloadOf(t, KindAckClone, "0000000000000001"+"0005"+"ffffffff0f"+"0000"), 74, "snapshot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.payload)
			syntax, ok := err.(*Error)
			if !ok || syntax.Offset != tt.offset || !strings.Contains(syntax.Msg, tt.msg) {
				t.Fatalf("got %v, want %q at %d", err, tt.msg, tt.offset)
			}
		})
	}
}

func TestBooleansOtherThanZeroAreTrue(t *testing.T) {
	m, err := Parse(payloadOf(t, KindPutUniqueResult, "07"+hdr1+"0000000000000001"+hdr2))
	if err != nil || !m.Body.(*PutUniqueResult).Inserted {
		t.Fatalf("%+v, %v", m.Body, err)
	}
}

func TestSnapshotKeepsRepeatedKeys(t *testing.T) {
	want := snapshotOf(data.Real(0), data.Count(1), data.String("k"), data.Count(2), data.String("k"), data.Count(3))
	m, err := Parse((&Message{Body: &AckClone{State: want}}).Marshal())
	if err != nil {
		t.Fatal(err)
	}
	got := m.Body.(*AckClone).State
	var last []uint64
	for _, v := range got.Entries() {
		n, _ := v.AsCount()
		last = append(last, n)
	}
	if got.Len() != 3 || got.Size() != want.Size() || !reflect.DeepEqual(last, []uint64{1, 2, 3}) {
		t.Fatalf("%d entries in %d bytes: %v", got.Len(), got.Size(), last)
	}
}

func TestSetReceiver(t *testing.T) {
	b := payloadOf(t, KindKeepalive, "0000000000000001")
	SetReceiver(b, one)
	if _, _, receiver, _ := Peek(b); receiver != one || len(b) != HeaderSize+8 {
		t.Fatalf("receiver %v in %x", receiver, b)
	}
}

func FuzzParse(f *testing.F) {
	for _, payload := range recorded(f) {
		if len(payload) < 400 {
			f.Add(payload)
		}
	}
	for _, l := range layouts {
		f.Add((&Message{Seq: 0x17, Sender: one, Receiver: two, Body: l.body}).Marshal())
	}
	for _, l := range layouts {
		f.Add((&Message{Seq: 2, Sender: one, Body: l.body}).Marshal())
	}
	f.Add((&Message{Body: &Nack{Seqs: []uint64{0}}, Trailer: everything()}).Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again := m.Marshal()
		if len(again) != m.Size() {
			t.Fatalf("size %d, wrote %d", m.Size(), len(again))
		}
		m2, err := Parse(again)
		if err != nil {
			t.Fatalf("wrote %x: %v", again, err)
		}
		if !bytes.Equal(m2.Marshal(), again) {
			t.Fatal("not stable")
		}
		if c, ok := m.Body.(*AckClone); ok {
			n := 0
			for range c.State.Entries() {
				n++
			}
			if n != c.State.Len() {
				t.Fatalf("%d entries of %d", n, c.State.Len())
			}
		}
	})
}
