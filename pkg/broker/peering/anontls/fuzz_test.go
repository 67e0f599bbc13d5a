// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// script is a connection whose peer says what a fuzzer thought of, and reads everything.
type script struct {
	io.Reader
	net.Conn // nil: whatever else is called is a mistake
}

func (s *script) Read(p []byte) (int, error)       { return s.Reader.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) Close() error                     { return nil }

// plain makes an unprotected record.
func plain(typ recordType, content string) string {
	return string(appendHeader(nil, typ, versionTLS12, len(content))) + content
}

func fuzzHandshake(t *testing.T, c *Conn, input []byte) {
	err := c.HandshakeContext(t.Context())
	if err == nil {
		t.Fatal("the fuzzer has guessed a key")
	}
	if n := cap(c.in.hand) + len(c.in.reader.buf); n > 1<<18+len(input) {
		t.Errorf("%d bytes are held for %d", n, len(input))
	}
	c.Close()
}

// FuzzServer runs the server's handshake on the bytes of a client.
func FuzzServer(f *testing.F) {
	hello := string(appendClientHello(nil, &someRandom))
	f.Add([]byte(plain(recordHandshake, hello)))
	zeek := unhex(f, zeekHello)
	zeek = appendMessage(nil, typeClientHello, func(dst []byte) []byte { return append(dst, zeek...) })
	f.Add([]byte(plain(recordHandshake, string(zeek[:50])) + plain(recordHandshake, string(zeek[50:]))))
	key := string(appendClientKeyExchange(nil, generateKey(f).PublicKey()))
	start := plain(recordHandshake, hello) + plain(recordAlert, "\x01\x70") + plain(recordHandshake, key)
	f.Add([]byte(start + plain(recordChangeCipherSpec, "\x01") + plain(recordHandshake, strings.Repeat("x", 80))))
	f.Add([]byte(plain(recordAlert, "\x02\x28")))
	f.Fuzz(func(t *testing.T, input []byte) {
		fuzzHandshake(t, Server(&script{Reader: bytes.NewReader(input)}), input)
	})
}

// FuzzClient runs the client's handshake on the bytes of a server.
func FuzzClient(f *testing.F) {
	answers := extensions{pointFormats: []byte{0}, encryptThenMAC: true, extendedMaster: true, renegotiation: []byte{}}
	flight := appendServerHello(nil, &someRandom, &answers)
	flight = appendServerKeyExchange(flight, generateKey(f).PublicKey())
	flight = appendMessage(flight, typeServerHelloDone, func(dst []byte) []byte { return dst })
	start := plain(recordHandshake, "\x00\x00\x00\x00"+string(flight))
	f.Add([]byte(start))
	f.Add([]byte(start + plain(recordChangeCipherSpec, "\x01") + plain(recordHandshake, strings.Repeat("x", 80))))
	f.Add([]byte(plain(recordAlert, "\x02\x28")))
	f.Fuzz(func(t *testing.T, input []byte) {
		fuzzHandshake(t, Client(&script{Reader: bytes.NewReader(input)}), input)
	})
}

// FuzzRecordReader reads records until something is wrong.
func FuzzRecordReader(f *testing.F) {
	for _, etm := range []bool{true, false} {
		seal, _ := protection(f, etm)
		stream := sealed(f, seal, recordData, []byte("hello"))
		f.Add(append(stream, sealed(f, seal, recordAlert, []byte{1, 0})...), true, etm)
	}
	f.Add([]byte(plain(recordHandshake, "abc")+plain(recordData, "")), false, false)
	f.Fuzz(func(t *testing.T, input []byte, protect, etm bool) {
		r := recordReader{src: bytes.NewReader(input)}
		if protect {
			_, r.open = protection(t, etm)
		}
		for total := 0; ; {
			_, content, err := r.next()
			if total += len(content) + headerLen; err == nil && (len(content) > maxPlaintext || total > len(input)) {
				t.Fatalf("%d bytes, %d in all, from %d", len(content), total, len(input))
			}
			if len(r.buf) > 2*(headerLen+maxRecord) {
				t.Fatalf("%d bytes are held", len(r.buf))
			}
			if err != nil {
				return
			}
		}
	})
}

// FuzzEstablished seals whatever records the fuzzer thinks of, and has an established connection read them.
func FuzzEstablished(f *testing.F) {
	f.Add([]byte("\x17\x05hello\x17\x00\x15\x02\x01\x5a\x16\x04\x01\x00\x00\x00\x15\x02\x01\x00"))
	f.Add([]byte("\x16\x02\x01\x00\x16\x02\x00\x00\x17\x01x\x16\x01\x01"))
	f.Fuzz(func(t *testing.T, input []byte) {
		seal, open := protection(t, true)
		var stream, want []byte
		for c := (cursor{input, true}); c.ok; {
			typ, content := recordType(c.uint8()), c.vector8()
			if c.ok {
				stream = append(stream, sealed(t, seal, typ, content)...)
			}
			if typ == recordData {
				want = append(want, content...)
			}
		}
		c := Server(&script{Reader: bytes.NewReader(stream)})
		c.complete.Store(true)
		c.in.reader.open, c.in.reader.begun = open, true
		c.out.writer.seal = seal
		got, _ := io.ReadAll(c)
		if !bytes.HasPrefix(want, got) {
			t.Errorf("read %q, sent %q", got, want)
		}
		c.Close()
	})
}

// FuzzCBCMAC compares with the obvious way to check a record, which tells by its time what is wrong.
func FuzzCBCMAC(f *testing.F) {
	key := [macLen]byte(randomBytes(1, macLen))
	f.Add(plainRecord(&key, []byte("hello"), 6), true)
	f.Add([]byte("hello\x01\x01"), true)
	f.Add([]byte(strings.Repeat("\xff", 300)), false)
	m, head := newCBCMAC(&key), macHead(7, recordData, 0)
	f.Fuzz(func(t *testing.T, record []byte, repair bool) {
		if len(record) < macLen+1 || len(record) > maxRecord {
			return
		}
		content, ok := removeObviously(&key, record, repair)
		n, good := m.remove(&head, record)
		if ok != (good == 1) || ok && n != content {
			t.Errorf("%d, %v; want %d, %v", n, good == 1, content, ok)
		}
	})
}

// removeObviously can put the right MAC in its place, so that the fuzzer finds records that are good.
func removeObviously(key *[macLen]byte, record []byte, repair bool) (n int, ok bool) {
	padding := int(record[len(record)-1])
	n = len(record) - padding - 1 - macLen
	if n < 0 {
		return 0, false
	}
	for _, b := range record[n+macLen:] {
		if int(b) != padding {
			return 0, false
		}
	}
	head := macHead(7, recordData, n)
	mac := hmac.New(sha1.New, key[:])
	mac.Write(head[:])
	mac.Write(record[:n])
	if repair {
		copy(record[n:], mac.Sum(nil))
	}
	return n, hmac.Equal(mac.Sum(nil), record[n:n+macLen])
}
