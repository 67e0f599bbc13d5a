// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// basp is how Broker before 2.3 begins as a listener.
var basp = append([]byte{0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 5}, append(make([]byte, 16), "\x01\x09broker.v2 and other things of it, 40 ..."...)...)

// meet runs the handshake with somebody who says these bytes and reads what it gets, on an in-memory connection, in either role.
func meet(t *testing.T, dialer bool, security *TLS, says []byte, hangUp bool) (answer []byte, err *Error) {
	t.Helper()
	ours, theirs := net.Pipe()
	answered := make(chan []byte, 1)
	go func() {
		go func() {
			theirs.Write(says)
			if hangUp {
				theirs.Close()
			}
		}()
		got, _ := io.ReadAll(theirs)
		theirs.Close()
		answered <- got
	}()
	cfg := config(below)
	cfg.TLS = security
	_, failed := Negotiate(t.Context(), ours, dialer, cfg)
	if !errors.As(failed, &err) {
		t.Fatalf("%q: %v", says, failed)
	}
	return <-answered, err
}

// The first frames of a Broker endpoint, and of a TLS client.
var (
	helloFrame  = string(wire.AppendHandshake(nil, &wire.Hello{Sender: above, Min: 1, Max: 1}))
	probeFrame  = string(wire.AppendHandshake(nil, &wire.Probe{}))
	clientHello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
)

// strangers speak something else than they should.
var strangers = []struct {
	name   string
	dialer bool
	tls    bool
	says   string
	class  ErrorClass
	text   string
	answer string // begins so; for a listener with TLS
}{
	{"HTTP client", false, false, "GET /v1/messages/json HTTP/1.1\r\n", Incompatible, TextHTTP, ""},
	{"HTTP client, POST", false, false, "POST / HTTP/1.1\r\n", Incompatible, TextHTTP, ""},
	{"HTTP server", true, false, "HTTP/1.1 400 Bad Request\r\n", Incompatible, TextHTTP, ""},
	{"TLS client", false, false, clientHello, TLSFailed, TextTLSClient, ""},
	{"TLS alert", true, false, "\x15\x03\x03\x00\x02\x02\x46", TLSFailed, TextTLSListener, ""},
	{"SSH client", false, false, "SSH-2.0-OpenSSH_9.2\r\n", Incompatible, TextSSH, ""},
	{"SSH server", true, false, "SSH-2.0-OpenSSH_9.2\r\n", Incompatible, TextSSH, ""},
	{"old listener", true, false, string(basp), Incompatible, TextOld, ""},
	{"old dialer that speaks", false, false, string(basp), Incompatible, TextOld, ""},
	{"garbage", false, false, "hello there\n", Incompatible, TextNotBroker + `"hello there\n"`, ""},
	{"long garbage", true, false, "\xff\xfe\x00\"0123456789abcdefgh", Incompatible, TextNotBroker + `"\xff\xfe\x00\"0123456789ab"`, ""},
	{"three bytes", false, false, "hi\n", Incompatible, TextNotBroker + `"hi\n"`, ""},
	{"nothing, listener", false, false, "", Refused, TextNoWord, ""},
	{"nothing, dialer", true, false, "", Refused, "the listener hung up without a word (does it want TLS?)", ""},
	{"half a hello", false, false, helloFrame[:9], Refused, "connection closed during the handshake", ""},
	{"large frame", true, false, probeFrame + "\x00\x01\x00\x01x", Incompatible, "frame too large in the handshake", ""},

	{"HTTP client on TLS", false, true, "GET / HTTP/1.1\r\n", TLSFailed, TextHTTP, "HTTP/1.1 400 Bad Request"},
	{"HTTP server on TLS", true, true, "HTTP/1.1 400 Bad Request\r\n", TLSFailed, TextHTTP, "\x16\x03"},
	{"plain Broker dialer on TLS", false, true, helloFrame, TLSFailed, TextPlainClient, "\x00\x00\x00\x2a\x09ZEEK"},
	{"plain Broker listener on TLS", true, true, probeFrame, TLSFailed, TextPlainListener, "\x16\x03"},
	{"SSH client on TLS", false, true, "SSH-2.0-x\r\n", TLSFailed, TextSSH, ""},
	{"SSH server on TLS", true, true, "SSH-2.0-x\r\n", TLSFailed, TextSSH, "\x16\x03"},
	{"old listener on TLS", true, true, string(basp), Incompatible, TextOld, "\x16\x03"},
	{"garbage on TLS", false, true, "hello there\n", TLSFailed, TextNotTLS + `"hello there\n"`, ""},
	{"three bytes on TLS", false, true, "hi\n", TLSFailed, TextNotTLS + `"hi\n"`, ""},
	{"nothing on TLS, listener", false, true, "", Refused, TextNoWord, ""},
	{"nothing on TLS, dialer", true, true, "", TLSFailed, "the peer hung up on TLS (does it speak it?)", "\x16\x03"},
}

// TestStrangers meets those who speak something else, as listener and as dialer, with both kinds of TLS and without.
func TestStrangers(t *testing.T) {
	for _, c := range strangers {
		kinds := []string{"plain"}
		if c.tls {
			kinds = []string{"authenticated", "anonymous"}
		}
		for _, kind := range kinds {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var security *TLS
					switch kind {
					case "authenticated":
						security = newAuthority(t).tls("a")
					case "anonymous":
						security = &TLS{Anonymous: true}
					}
					first, _, _ := strings.Cut(c.name, " ")
					hangUp := slices.Contains([]string{"nothing,", "nothing", "three", "half"}, first)
					answer, err := meet(t, c.dialer, security, []byte(c.says), hangUp)
					if err.Class != c.class || err.Text != c.text {
						t.Errorf("%s: %v, want %s: %s", err.Class, err, c.class, c.text)
					}
					if c.tls && !strings.HasPrefix(string(answer), c.answer) {
						t.Errorf("answer %q, want %q", answer, c.answer)
					}
				})
			})
		}
	}
}

// TestPlainDialerIsTold reads the refusal that a plain dialer gets at a port with TLS.
func TestPlainDialerIsTold(t *testing.T) {
	l := listen(t)
	serving := make(chan error, 1)
	cfg := config(below)
	cfg.TLS = newAuthority(t).tls("a")
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = Negotiate(t.Context(), c, false, cfg)
		}
		serving <- err
	}()
	_, err := Dialer{}.Dial(t.Context(), l.Addr().String(), config(above))
	var e *Error
	if !errors.As(err, &e) || !e.Remote || e.Class != Incompatible || e.Text != "this port wants TLS" {
		t.Errorf("dialer: %v", err)
	}
	if err := <-serving; !errors.As(err, &e) || e.Text != TextPlainClient {
		t.Errorf("listener: %v", err)
	}
}

// TestSilence waits for somebody who says nothing, in fake time: exactly the time of the handshake, and no longer.
func TestSilence(t *testing.T) {
	ca := newAuthority(t)
	security := ca.tls("a")
	if err := security.Start(discard); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		dialer bool
		tls    *TLS
		says   []byte
		text   string
	}{
		{"old dialer", false, nil, nil, TextSilent},
		{"listener", true, nil, nil, "the listener said nothing"},
		{"after a probe", true, nil, wire.AppendHandshake(nil, &wire.Probe{}), "handshake"},
		{"half a frame", false, nil, []byte{0, 0}, "handshake"},
		{"dialer on TLS", false, &TLS{Anonymous: true}, nil, TextSilent},
		{"listener on TLS", true, &TLS{Anonymous: true}, nil, "TLS handshake"},
		{"half a TLS handshake", false, &TLS{Anonymous: true}, []byte{0x16, 3, 1, 0, 100}, "TLS handshake"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := meet(t, c.dialer, c.tls, c.says, false)
				if waited := time.Since(began); err.Class != Timeout || err.Text != c.text || waited < HandshakeTimeout || waited > HandshakeTimeout+2*time.Second {
					t.Errorf("%s: %v after %v", err.Class, err, waited)
				}
			})
		})
	}
}

// TestParkedTimesOut leaves a parked connection waiting for a handshake that never ends: both are given up.
func TestParkedTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(below)
		results := make(chan error, 2)
		for range 2 {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			go func() {
				_, err := Negotiate(t.Context(), ours, false, cfg)
				results <- err
				theirs.Close()
			}()
			theirs.Write(wire.AppendHandshake(nil, &wire.Hello{Sender: above, Min: 1, Max: 1}))
			synctest.Wait()
		}
		for range 2 {
			var e *Error
			if err := <-results; !errors.As(err, &e) || e.Class != Timeout && e.Class != Redundant {
				t.Errorf("%v", err)
			}
		}
		if cfg.Registry.Known(above) {
			t.Error("still registered")
		}
	})
}

// TestWrongTLS has both ends speak TLS of different kinds or with certificates that don't do.
func TestWrongTLS(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	ours, strange := ca.tls("listener"), foreign.tls("other")
	mixed := foreign.tls("mixed") // trusts us, but we don't trust it
	mixed.CAPEM = ca.CertPEM()
	anonymous := &TLS{Anonymous: true}
	uri := "brokermesh://test/node/"
	for _, c := range []struct {
		name             string
		listener, dialer *TLS
		uri, host        string
		// what the error of each end says; empty for no error
		listens, dials string
		remote         bool // the dialer was refused
	}{
		{"good", ours, ca.tls("dialer"), "", "", "", "", false},
		{"good name", ours, ca.tls("dialer"), uri + "listener", "peer.example", "", "", false},
		{"other URI", ours, ca.tls("dialer"), uri + "other", "", "TLS alert: bad certificate", `not for "brokermesh://test/node/other"`, false},
		{"other host", ours, ca.tls("dialer"), "", "other.example", "TLS alert: bad certificate", "other.example", false},
		{"dialer of another CA", ours, mixed, "", "", "unknown authority", "TLS alert: unknown certificate authority", true},
		{"listener of another CA", ours, strange, "", "", "TLS alert: bad certificate", "unknown authority", false},
		{"anonymous", anonymous, anonymous, "", "", "", "", false},
		{"anonymous with name", anonymous, anonymous, uri + "x", "", TextNoWord, "anonymous TLS cannot tell", false},
		{"anonymous dialer", ours, anonymous, "", "", "a dialer in Zeek's default mode", "TLS alert: handshake_failure (40) (does the listener want certificates?)", true},
		{"anonymous listener", anonymous, ours, "", "", "TLS handshake", "TLS alert: handshake failure (so answers a listener in Zeek's default mode, which is anonymous TLS)", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := listen(t)
			listened := make(chan error, 1)
			serve := func(cfg Config) error {
				conn, err := l.Accept()
				if err != nil {
					return err
				}
				est, err := Negotiate(t.Context(), conn, false, cfg)
				if err == nil {
					defer est.Conn.Close()
					io.Copy(io.Discard, est.Conn)
					if want := map[bool]string{true: "anonymous TLS 1.2", false: "TLS 1.3"}[c.listener.Anonymous]; est.Security != want {
						t.Errorf("security %q", est.Security)
					}
				}
				return err
			}
			there, here := config(below), config(above)
			there.TLS, here.TLS, here.ServerURI, here.ServerName = c.listener, c.dialer, c.uri, c.host
			go func() { listened <- serve(there) }()
			est, err := Dialer{}.Dial(t.Context(), l.Addr().String(), here)
			if err == nil {
				est.Conn.Close()
			}
			check(t, "dialer", err, c.dials, c.remote)
			check(t, "listener", <-listened, c.listens, strings.HasPrefix(c.listens, "TLS alert"))
		})
	}
}

func check(t *testing.T, end string, err error, says string, remote bool) {
	t.Helper()
	var e *Error
	switch {
	case says == "" && err != nil, says != "" && !errors.As(err, &e):
		t.Errorf("%s: %v, want %q", end, err, says)
	case says != "" && (!strings.Contains(e.Error(), says) || e.Remote != remote || e.Class != TLSFailed && e.Text != TextNoWord):
		t.Errorf("%s: %s, %v (remote %v), want %q", end, e.Class, e, e.Remote, says)
	}
}

// FuzzStranger says arbitrary first bytes: the answer has a class and a text, and Broker's own first frames pass.
func FuzzStranger(f *testing.F) {
	for _, seed := range []string{"GET / HTTP", "\x16\x03\x01\x00", "SSH-2.0", "\x00\x00\x00\x17\x06", "\x00\x00\x00\x05\x07ZEEK", "\x00\x00\x00\x00", "junk"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, dialer bool) {
		if len(b) < 4 {
			return
		}
		plain, secure := stranger(b, dialer), strangerTLS(b, dialer)
		for _, err := range []error{plain, secure} {
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Class == "" || e.Text == "" || len(e.Text) > 200) {
				t.Fatalf("%q: %v", b, err)
			}
		}
		if broker := b[0] == 0 && b[1] == 0 && b[2]|b[3] != 0; broker != (plain == nil) {
			t.Fatalf("%q: %v", b, plain)
		}
		if (plain == nil) && (secure == nil) {
			t.Fatalf("%q passes for both", b)
		}
	})
}
