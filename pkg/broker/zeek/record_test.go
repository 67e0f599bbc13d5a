// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"encoding/hex"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func bytesOf(t testing.TB, digits string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func parseText(t testing.TB, text string) data.Value {
	t.Helper()
	v, err := data.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// One column of each type, by the bytes of the specification.
func TestCells(t *testing.T) {
	for _, c := range []struct {
		cell  Cell
		text  string
		bytes string
	}{
		{Cell{Type: ColumnBool}, "T", "00000001 00000000 01 0000000000000001"},
		{Cell{Type: ColumnBool}, "F", "00000001 00000000 01 0000000000000000"},
		{Cell{Type: ColumnInt}, "-1", "00000002 00000000 01 ffffffffffffffff"},
		{Cell{Type: ColumnCount}, "7", "00000003 00000000 01 0000000000000007"},
		{Cell{Type: ColumnDouble}, "1.5", "00000004 00000000 01 3ff8000000000000"},
		{Cell{Type: ColumnTime}, "1970-01-01T00:00:01.5Z", "00000005 00000000 01 3ff8000000000000"},
		{Cell{Type: ColumnInterval}, "-250ms", "00000006 00000000 01 bfd0000000000000"},
		{Cell{Type: ColumnString}, `"C1"`, "00000007 00000000 01 00000002 4331"},
		{Cell{Type: ColumnEnum}, "enum(tcp)", "00000009 00000000 01 00000003 746370"},
		{Cell{Type: ColumnPort}, "80/tcp", "0000000a 00000000 01 0000000000000050 00000001"},
		{Cell{Type: ColumnAddr}, "1.2.3.4", "0000000b 00000000 01 04 01020304"},
		{Cell{Type: ColumnAddr, Subtype: 22}, "1.2.3.4", "0000000b 00000016 01 04 01020304"},
		{Cell{Type: ColumnAddr}, "2001:db8::1", "0000000b 00000000 01 06 20010db8000000000000000000000001"},
		{Cell{Type: ColumnAddr}, "nil", "0000000b 00000000 00"},
		{Cell{Type: ColumnSubnet}, "10.1.2.0/24", "0000000c 00000000 01 78 04 0a010200"},
		{Cell{Type: ColumnSubnet}, "2001:db8::/32", "0000000c 00000000 01 20 06 20010db8000000000000000000000000"},
		{Cell{Type: ColumnSet}, "{1, 2}", "0000000e 00000000 01 0000000000000002 00000003 00000000 01 0000000000000001 00000003 00000000 01 0000000000000002"},
		{Cell{Type: ColumnVector, Subtype: ColumnFile}, `("f")`, "00000013 00000012 01 0000000000000001 00000012 00000000 01 00000001 66"},
		{Cell{Type: ColumnVector}, `(nil)`, "00000013 00000000 01 0000000000000001 00000000 00000000 00"},
		{Cell{Type: ColumnFunc}, `"f"`, "00000011 00000000 01 00000001 66"},
	} {
		c.cell.Value = parseText(t, c.text)
		want := bytesOf(t, "00000001 "+c.bytes)
		if got, err := AppendRecord(nil, []Cell{c.cell}); err != nil || string(got) != want {
			t.Errorf("%s %s: %x, %v, want %x", c.cell.Type, c.text, got, err, want)
		}
		cells, err := ParseRecord(want)
		if err != nil || len(cells) != 1 || cells[0].Type != c.cell.Type || cells[0].Subtype != c.cell.Subtype || !data.Equal(cells[0].Value, c.cell.Value) {
			t.Errorf("%x: %+v, %v, want %s %s", want, cells, err, c.cell.Type, c.text)
		}
		for n := range len(want) {
			if cells, err := ParseRecord(want[:n]); !errors.Is(err, ErrInvalid) || cells != nil {
				t.Errorf("%x without its end at %d: %v, %v", want, n, cells, err)
			}
		}
	}
	// A subnet that the logging framework hasn't written.
	if cells, err := ParseRecord(bytesOf(t, "00000001 0000000c 00000000 01 18 04 0a010200")); err != nil || cells[0].Value.String() != "10.1.2.0/24" {
		t.Errorf("subnet: %v, %v", cells, err)
	}
}

func TestRecordErrors(t *testing.T) {
	deep := "00000001 " + strings.Repeat("00000013 00000000 01 0000000000000001 ", 200) + "00000003 00000000 00"
	for digits, want := range map[string]string{
		"00000000 00":                                             "1 bytes after a log record",
		"00000002 00000003 00000000 00":                           "claims 2 columns in 13 bytes",
		"00000001 00000008 00000000 01 00000000":                  "a value of type(8)",
		"00000001 0000000a 00000000 01 0000000000010000 00000001": "port 65536 of protocol 1",
		"00000001 0000000a 00000000 01 0000000000000001 00000004": "port 1 of protocol 4",
		"00000001 0000000b 00000000 01 05 01020304":               "address family 5",
		"00000001 0000000c 00000000 01 28 04 0a010200":            "subnet 10.1.2.0 with length 40",
		"00000001 00000005 00000000 01 7ff8000000000000":          "a time of NaN seconds",
		"00000001 00000006 00000000 01 43f0000000000000":          "a time of 1.8446744073709552e+19 seconds",
		"00000001 0000000e 00000000 01 00000000ffffffff":          "a set claims 4294967295 elements in 25 bytes",
		"00000001 00000013 00000000 01 7fffffffffffffff":          "a vector claims",
		deep: "nested too deeply",
	} {
		want = strings.ReplaceAll(want, "in 25 bytes", "in 0 bytes")
		if _, err := ParseRecord(bytesOf(t, digits)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", digits, err, want)
		}
	}
	for _, c := range []Cell{
		{Type: ColumnCount, Value: data.Integer(1)},
		{Type: 15, Value: data.Vector()},
		{Type: ColumnVector, Value: data.Vector(data.Table())},
		{Type: ColumnVector, Subtype: ColumnCount, Value: data.Vector(data.String("x"))},
		{Type: ColumnSubnet, Value: parseText(t, "10.0.0.0/170!")},
	} {
		if got, err := NewLogWrite("S", "W", "p", []Cell{c}); !errors.Is(err, ErrInvalid) || got.Record != "" {
			t.Errorf("%+v became %q, %v", c, got.Record, err)
		}
	}
}

// What Zeek has logged is read, fits the announced columns, and is written as
// Zeek wrote it.
func TestRecordedLogs(t *testing.T) {
	paths, err := filepath.Glob("testdata/zeek8-*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for _, path := range paths {
		columns := map[string][]Column{}
		for _, v := range recorded(t, path) {
			for m := range Messages(v) {
				switch TypeOf(m) {
				case TypeLogCreate:
					l, _ := ParseLogCreate(m)
					columns[l.Stream] = checkLogCreate(t, l)
				case TypeLogWrite:
					records++
					checkLogWrite(t, m, columns)
				}
			}
		}
	}
	if records < 20 {
		t.Errorf("only %d records", records)
	}
}

func checkLogCreate(t *testing.T, l LogCreate) []Column {
	t.Helper()
	info, err := l.WriterInfo()
	columns, err2 := l.Columns()
	if err != nil || err2 != nil || info.Path == "" || len(columns) == 0 {
		t.Fatalf("%s: %+v, %v, %v, %v", l.Stream, info, columns, err, err2)
	}
	again, err := NewLogCreate(l.Stream, l.Writer, info, columns)
	if err != nil || !data.Equal(again.Message(), l.Message()) {
		t.Errorf("%s: made again it is %s, %v", l.Stream, again.Message().Text(), err)
	}
	return columns
}

func checkLogWrite(t *testing.T, m data.Value, columns map[string][]Column) {
	t.Helper()
	l, _ := ParseLogWrite(m)
	cells, err := l.Cells()
	if err != nil {
		t.Fatalf("%s: %v", l.Path, err)
	}
	if again, err := NewLogWrite(l.Stream, l.Writer, l.Path, cells); err != nil || again != l {
		t.Errorf("%s: written again it is %x, %v, want %x", l.Path, again.Record, err, l.Record)
	}
	announced := columns[l.Stream]
	if len(announced) != len(cells) {
		t.Fatalf("%s: %d columns are announced, %d are there", l.Path, len(announced), len(cells))
	}
	for i, c := range cells {
		if c.Type != announced[i].Type || c.Value.IsNone() && !announced[i].Optional {
			t.Errorf("%s: column %s is a %s: %s", l.Path, announced[i].Name, c.Type, c.Value.Text())
		}
	}
}

func TestLogCreateOfOtherLayout(t *testing.T) {
	l := LogCreate{Stream: "S", Writer: "W", Info: data.Vector(), Fields: data.Count(1)}
	if _, err := l.WriterInfo(); !errors.Is(err, ErrInvalid) {
		t.Errorf("info: %v", err)
	}
	if _, err := l.Columns(); !errors.Is(err, ErrInvalid) {
		t.Errorf("columns: %v", err)
	}
	if ColumnSet.String() != "set" || ColumnType(99).String() != "type(99)" {
		t.Error("names of types")
	}
}

// FuzzRecord checks that no record panics, and that what is read is written and
// read again the same.
func FuzzRecord(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.jsonl")
	for _, path := range paths {
		for _, v := range recorded(f, path) {
			for m := range Messages(v) {
				if l, err := ParseLogWrite(m); err == nil {
					f.Add([]byte(l.Record))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cells, err := ParseRecord(string(b))
		if err != nil {
			return
		}
		again, err := AppendRecord(nil, cells)
		if err != nil {
			t.Fatalf("%x is read as %v, which isn't written: %v", b, cells, err)
		}
		next, err := ParseRecord(string(again))
		if err != nil || len(next) != len(cells) {
			t.Fatalf("%x is written as %x: %v", b, again, err)
		}
		for i := range cells {
			if !reflect.DeepEqual(next[i].Type, cells[i].Type) || !data.Equal(next[i].Value, cells[i].Value) {
				t.Fatalf("%x: column %d is %s, then %s", b, i, cells[i].Value.Text(), next[i].Value.Text())
			}
		}
	})
}
