// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReaderAndWriter(t *testing.T) {
	for _, protect := range []bool{false, true} {
		var wire bytes.Buffer
		w := recordWriter{dst: &wire, version: versionTLS12}
		r := recordReader{src: iotest.OneByteReader(&wire)}
		if protect {
			w.seal, r.open = protection(t, true)
		}
		want := randomBytes(9, 5*maxPlaintext+7)
		for rest := want; len(rest) > 0; {
			n, err := w.append(recordData, rest)
			if err != nil || n < maxPlaintext && n < len(rest) {
				t.Fatal(n, err)
			}
			rest = rest[n:]
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
		}
		var got []byte
		for {
			typ, content, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil || typ != recordData || len(content) > maxPlaintext {
				t.Fatal(typ, len(content), err)
			}
			got = append(got, content...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes became %d, or others", len(want), len(got))
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	begin := "\x16\x03\x01\x00\x01x"
	for _, c := range []struct {
		name, input string
		want        Alert
	}{
		{"unknown type", begin + "\x18\x03\x03\x00\x01x", AlertUnexpectedMessage},
		{"other version", begin + "\x16\x02\x03\x00\x01x", AlertProtocolVersion},
		{"too long", begin + "\x16\x03\x03\x40\x01", AlertRecordOverflow},
		{"too long, first", "\x16\x03\x03\xff\xff", AlertRecordOverflow},
	} {
		r := recordReader{src: strings.NewReader(c.input)}
		_, _, err := r.next()
		if err == nil {
			_, _, err = r.next()
		}
		if !isAlert(err, c.want, false) {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(r.buf) > firstBuffer {
			t.Errorf("%s: %d bytes were reserved", c.name, len(r.buf))
		}
	}
	_, open := protection(t, true)
	for input, want := range map[string]Alert{"\x17\x03\x01\x00\x50": AlertProtocolVersion, "\x17\x03\x03\x48\x01": AlertRecordOverflow} {
		r := recordReader{src: strings.NewReader(input), open: open, begun: true}
		if _, _, err := r.next(); !isAlert(err, want, false) {
			t.Error(err)
		}
	}
}

func TestReaderNotTLS(t *testing.T) {
	for _, input := range []string{"GET / HTTP/1.1", "\x00\x00\x00\x16\x06BROKER", "\x80\x2e\x01\x03\x01", "\x16\x02\x00\x00\x01", "SSH-2.0-x"} {
		r := recordReader{src: strings.NewReader(input)}
		if _, _, err := r.next(); !errors.Is(err, ErrNotTLS) {
			t.Errorf("%q: %v", input, err)
		}
	}
}

func TestReaderEnds(t *testing.T) {
	whole := "\x16\x03\x01\x00\x03abc"
	for n := range len(whole) {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		r := recordReader{src: strings.NewReader(whole[:n])}
		if _, _, err := r.next(); err != want {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	r := recordReader{src: iotest.ErrReader(nil)}
	if _, _, err := r.next(); err != io.ErrNoProgress {
		t.Error(err)
	}
}

// TestReaderResumes has a deadline pass after each byte.
func TestReaderResumes(t *testing.T) {
	r := recordReader{src: iotest.OneByteReader(strings.NewReader("\x16\x03\x01\x00\x03abc"))}
	timeouts := 0
	for {
		r.src = &halting{r.src, false}
		typ, content, err := r.next()
		if err == nil {
			if string(content) != "abc" || typ != recordHandshake || timeouts != 7 {
				t.Errorf("%d %q after %d timeouts", typ, content, timeouts)
			}
			return
		}
		if err != os.ErrDeadlineExceeded {
			t.Fatal(err)
		}
		timeouts++
		r.src = r.src.(*halting).Reader
	}
}

// halting reads once, and then a deadline has passed.
type halting struct {
	io.Reader
	done bool
}

func (h *halting) Read(p []byte) (int, error) {
	if h.done {
		return 0, os.ErrDeadlineExceeded
	}
	h.done = true
	return h.Reader.Read(p)
}

// narrow takes a few bytes with each write before its deadline passes.
type narrow struct {
	bytes.Buffer
	limit int
}

func (n *narrow) Write(p []byte) (int, error) {
	if len(p) <= n.limit {
		return n.Buffer.Write(p)
	}
	n.Buffer.Write(p[:n.limit])
	return n.limit, os.ErrDeadlineExceeded
}

func TestWriterResumes(t *testing.T) {
	var wire narrow
	wire.limit = 3
	w := recordWriter{dst: &wire, version: versionTLS12}
	if n, err := w.append(recordData, []byte("hello")); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	tries := 1
	for ; w.flush() != nil; tries++ {
	}
	if got := wire.String(); got != "\x17\x03\x03\x00\x05hello" || tries != 4 {
		t.Errorf("%q after %d tries", got, tries)
	}
}
