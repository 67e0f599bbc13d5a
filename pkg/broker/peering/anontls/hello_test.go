// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"strings"
	"testing"
)

var someRandom = [randomLen]byte(bytes.Repeat([]byte{0xab}, randomLen))

func TestClientHelloBytes(t *testing.T) {
	want := unhex(t, "01000043"+"0303"+strings.Repeat("ab", randomLen)+"00"+"0004c01900ff"+"0100"+
		"0016"+"000b00020100"+"000a000400020018"+"00160000"+"00170000")
	got := appendClientHello(nil, &someRandom)
	if !bytes.Equal(got, want) {
		t.Fatalf("%x, want %x", got, want)
	}
	hello, err := parseClientHello(got[messageHeaderLen:])
	if err != nil || hello.random != someRandom || judgeClientHello(hello) != nil {
		t.Errorf("%+v, %v", hello, err)
	}
}

func TestServerHelloBytes(t *testing.T) {
	head := "0303" + strings.Repeat("ab", randomLen) + "00" + "c019" + "00"
	for _, c := range []struct {
		extensions extensions
		want       string
	}{
		{extensions{}, "02000026" + head},
		{extensions{encryptThenMAC: true}, "0200002c" + head + "0004" + "00160000"},
		{extensions{pointFormats: []byte{0, 1}, encryptThenMAC: true, extendedMaster: true, renegotiation: []byte{}},
			"0200003b" + head + "0013" + "000b00020100" + "00160000" + "00170000" + "ff01000100"},
	} {
		got := appendServerHello(nil, &someRandom, &c.extensions)
		if !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%x, want %s", got, c.want)
		}
		hello, err := parseServerHello(got[messageHeaderLen:])
		if err != nil || hello.random != someRandom || hello.encryptThenMAC != c.extensions.encryptThenMAC || judgeServerHello(hello) != nil {
			t.Errorf("%+v, %v", hello, err)
		}
	}
}

// zeekHello is a ClientHello as the reference sends it: OpenSSL 3.0, with TLS 1.3 among the versions.
const zeekHello = "0303abababababababababababababababababababababababababababababababab" + "20" +
	"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd" + "000a130213031301c01900ff" + "0100" +
	"0057" + "000b000403000102" + "000a000400020018" + "00230000" + "00160000" + "00170000" + "000d001e001c" +
	"040305030603080708080809080a080b080408050806040105010601" + "002b00050403040303" + "002d00020101" + "00330006000400180000"

func TestParseReferenceHello(t *testing.T) {
	hello, err := parseClientHello(unhex(t, zeekHello))
	if err != nil {
		t.Fatal(err)
	}
	if err := judgeClientHello(hello); err != nil || !hello.encryptThenMAC || !hello.extendedMaster || len(hello.types) != 9 {
		t.Errorf("%+v, %v", hello, err)
	}
}

// TestTruncated cuts each message everywhere. Without its list of extensions a hello is whole.
func TestTruncated(t *testing.T) {
	key := generateKey(t).PublicKey()
	server := extensions{pointFormats: []byte{0}, renegotiation: []byte{}}
	for name, c := range map[string]struct {
		body  []byte
		parse func([]byte) error
		whole int // a length at which it may be cut
	}{
		"ClientHello":       {appendClientHello(nil, &someRandom)[4:], func(b []byte) error { _, err := parseClientHello(b); return err }, 43},
		"reference hello":   {unhex(t, zeekHello), func(b []byte) error { _, err := parseClientHello(b); return err }, 81},
		"ServerHello":       {appendServerHello(nil, &someRandom, &server)[4:], func(b []byte) error { _, err := parseServerHello(b); return err }, 38},
		"ServerKeyExchange": {appendServerKeyExchange(nil, key)[4:], func(b []byte) error { _, err := parseServerKeyExchange(b); return err }, -1},
		"ClientKeyExchange": {appendClientKeyExchange(nil, key)[4:], func(b []byte) error { _, err := parseClientKeyExchange(b); return err }, -1},
	} {
		if err := c.parse(c.body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n := range c.body {
			if err := c.parse(c.body[:n]); !isAlert(err, AlertDecodeError, false) && n != c.whole {
				t.Errorf("%s cut after %d bytes: %v", name, n, err)
			}
		}
		if err := c.parse(append(bytes.Clone(c.body), 0)); !isAlert(err, AlertDecodeError, false) {
			t.Errorf("%s with another byte: %v", name, err)
		}
	}
}

func generateKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.P384().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestBadExtensions(t *testing.T) {
	many := strings.Builder{}
	for i := range maxExtensionsInHello + 1 {
		many.Write([]byte{0x40 + byte(i>>8), byte(i), 0, 0})
	}
	for list, want := range map[string]Alert{
		"\x00\x16\x00\x01x":                 AlertDecodeError,      // encrypt_then_mac has no content
		"\x00\x17\x00\x01x":                 AlertDecodeError,      // nor has extended_master_secret
		"\x00\x0a\x00\x02\x00\x00":          AlertDecodeError,      // no group
		"\x00\x0a\x00\x03\x00\x01x":         AlertDecodeError,      // half a group
		"\x00\x2b\x00\x01\x00":              AlertDecodeError,      // no version
		"\x00\x0b\x00\x03\x01\x00\x00":      AlertDecodeError,      // a byte too many
		"\xff\x01\x00\x00":                  AlertDecodeError,      // no length
		"\x00\x16\x00\x00\x00\x16\x00\x00":  AlertIllegalParameter, // twice
		"\x77\x77\x00\x01x\x77\x77\x00\x01": AlertIllegalParameter, // unknown, but twice
		"\x00\x16\x00":                      AlertDecodeError,
		many.String():                       AlertDecodeError,
	} {
		hello := unhex(t, "0303"+strings.Repeat("ab", randomLen)+"00"+"0002c019"+"0100")
		hello = appendVector16(hello, func(dst []byte) []byte { return append(dst, list...) })
		if _, err := parseClientHello(hello); !isAlert(err, want, false) {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestServerRandom(t *testing.T) {
	for ending, want := range map[string]bool{"DOWNGRD\x00": true, "DOWNGRD\x01": true, "DOWNGRD\x02": false, "DOWNGRE\x01": false} {
		random := someRandom
		copy(random[randomLen-8:], ending)
		if isMarked(&random) != want {
			t.Errorf("%q: marked is not %v", ending, want)
		}
	}
	if one, two := serverRandom(), serverRandom(); one == two {
		t.Error("the random value isn't random")
	}
}
