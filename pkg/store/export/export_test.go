// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

func entries() []backend.Entry {
	return []backend.Entry{
		{Key: data.String("a"), Value: data.Count(1), Deadline: backend.Never},
		{Key: data.Count(2), Value: data.String("<b>"), Deadline: 1_700_000_000_000_000_000},
	}
}

func written(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, "s")
	for _, e := range entries() {
		err = errors.Join(err, w.Put(e))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestThereAndBack(t *testing.T) {
	text := written(t)
	var got []backend.Entry
	if err := Read(bytes.NewReader(text), func(e backend.Entry) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	for i, want := range entries() {
		if len(got) != 2 || !data.Equal(got[i].Key, want.Key) || !data.Equal(got[i].Value, want.Value) || got[i].Deadline != want.Deadline {
			t.Fatalf("got %v", got)
		}
	}
	for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		if _, header, err := Parse(line); err != nil || header != (i == 0 || i == 3) {
			t.Errorf("line %d: header %v, %v", i, header, err)
		}
	}
}

func TestDamage(t *testing.T) {
	whole := string(written(t))
	for name, text := range map[string]string{
		"nothing":       "",
		"cut off":       whole[:len(whole)-10],
		"no footer":     whole[:strings.LastIndex(whole[:len(whole)-1], "\n")+1],
		"a digit":       strings.Replace(whole, `"data":1`, `"data":2`, 1),
		"a line less":   whole[strings.Index(whole, "\n")+1:],
		"goes on":       whole + "x",
		"no JSON":       "x\n",
		"neither":       "{}\n",
		"not a value":   `{"key":1,"value":2}` + "\n",
		"only a footer": `{"brokermeshStore":1,"count":0,"sha256":""}` + "\n",
	} {
		if err := Read(strings.NewReader(text), func(backend.Entry) error { return nil }); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Read(strings.NewReader(`{"brokermeshStore":2}`+"\n"), nil); !errors.Is(err, ErrFormat) {
		t.Errorf("a newer format: %v", err)
	}
	full := errors.New("full")
	if err := Read(strings.NewReader(whole), func(backend.Entry) error { return full }); !errors.Is(err, full) {
		t.Errorf("an error of who takes entries: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(written(f))
	f.Add([]byte(`{"brokermeshStore":1,"store":"s"}` + "\n"))
	f.Add([]byte(`{"key":{"@data-type":"count","data":1},"value":null,"expires":"2026-01-01T00:00:00Z"}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		err := Read(bytes.NewReader(text), func(backend.Entry) error { n++; return nil })
		if err == nil && n > len(text) {
			t.Error("more entries than bytes")
		}
	})
}
