// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAlertText(t *testing.T) {
	for err, want := range map[error]string{
		&AlertError{Alert: AlertHandshakeFailure, Remote: true}: "anontls: the peer sent handshake_failure (40)",
		&AlertError{Alert: 200, Remote: true}:                   "anontls: the peer sent alert 200",
		fault(AlertProtocolVersion, "version %d", 7):            "anontls: version 7: protocol_version (70)",
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// established makes a connection whose other end is in the hands of the test.
func established(t *testing.T, client bool) (*Conn, *puppet) {
	t.Helper()
	a, b := pair(t)
	if !client {
		a, b = b, a
	}
	return a, newPuppet(t, b)
}

// TestAfterHandshake has records that an established connection must not see, and the alert that both ends then know.
func TestAfterHandshake(t *testing.T) {
	repeat := func(typ recordType, content string) func(p *puppet) {
		return func(p *puppet) {
			for range maxIdle + 1 {
				p.send(typ, content)
			}
		}
	}
	once := func(typ recordType, content string) func(p *puppet) {
		return func(p *puppet) { p.send(typ, content) }
	}
	for name, c := range map[string]struct {
		play func(p *puppet)
		want Alert
	}{
		"ChangeCipherSpec":       {once(recordChangeCipherSpec, "\x01"), AlertUnexpectedMessage},
		"a message":              {once(recordHandshake, "\x14\x00\x00\x00"), AlertUnexpectedMessage},
		"a huge message":         {once(recordHandshake, "\x01\x7f\x00\x00"), AlertIllegalParameter},
		"an empty message":       {once(recordHandshake, ""), AlertUnexpectedMessage},
		"empty data":             {repeat(recordData, ""), AlertUnexpectedMessage},
		"warnings":               {repeat(recordAlert, "\x01\x5a"), AlertUnexpectedMessage},
		"handshakes without end": {repeat(recordHandshake, "\x01\x00\x00\x00"), AlertUnexpectedMessage},
		"a forged record":        {func(p *puppet) { p.out.writer.seal.number++; p.send(recordData, "x") }, AlertBadRecordMAC},
	} {
		c2, p := established(t, false)
		c.play(p)
		_, err := c2.Read(make([]byte, 1))
		if !isAlert(err, c.want, false) {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := c2.Read(make([]byte, 1)); again != err {
			t.Errorf("%s: a second read says %v", name, again)
		}
		if _, again := c2.Write([]byte("x")); again != err {
			t.Errorf("%s: a write says %v", name, again)
		}
		c2.Close()
		p.expectAlert(c.want)
	}
}

// TestRemoteAlert ends both directions.
func TestRemoteAlert(t *testing.T) {
	c, p := established(t, true)
	p.send(recordAlert, "\x02\x50")
	_, err := c.Read(make([]byte, 1))
	if !isAlert(err, AlertInternalError, true) {
		t.Error(err)
	}
	if _, again := c.Write([]byte("x")); again != err {
		t.Error(again)
	}
	c.Close()
	if _, err := io.ReadAll(p.conn); err != nil {
		t.Error(err)
	}
}

// TestRenegotiation is refused with a warning, and the connection goes on. Empty data in between is no end.
func TestRenegotiation(t *testing.T) {
	for _, client := range []bool{true, false} {
		c, p := established(t, client)
		request := "\x00\x00\x00\x00"
		if !client {
			request = string(appendClientHello(nil, &someRandom))
		}
		p.send(recordHandshake, request[:3])
		p.send(recordHandshake, request[3:])
		p.send(recordData, "")
		p.send(recordData, "hello")
		check(t, "read", expect(c, []byte("hello")))
		typ, content, err := p.in.reader.next()
		if err != nil || typ != recordAlert || string(content) != "\x01\x64" {
			t.Errorf("%d %q, %v", typ, content, err)
		}
		check(t, "write", copyAll(c, []byte("hello")))
		check(t, "read", expect(p.Conn, []byte("hello")))
	}
}

// TestAlertWaitsForNoWriter refuses a renegotiation while a Write is stuck: reading goes on, and the writer sends the alert.
func TestAlertWaitsForNoWriter(t *testing.T) {
	c, p := established(t, false)
	c.out.Lock() // as a Write does that waits for the peer
	p.send(recordHandshake, "\x01\x00\x00\x00")
	p.send(recordData, "hello")
	check(t, "read", expect(c, []byte("hello")))
	c.unlockOut()
	if typ, content, err := p.in.reader.next(); err != nil || typ != recordAlert || string(content) != "\x01\x64" {
		t.Errorf("%d %q, %v", typ, content, err)
	}
}

// TestManyAlerts runs alerts, writes, deadlines and the end against each other, for the race detector.
func TestManyAlerts(t *testing.T) {
	c, p := established(t, true)
	var all sync.WaitGroup
	all.Go(func() {
		for i := range 300 {
			if i%(300/maxIdle+1) == 0 { // all the refusals may arrive in a row
				p.send(recordHandshake, "\x00\x00\x00\x00")
			}
			p.send(recordData, "x")
		}
	})
	all.Go(func() {
		for range 300 {
			check(t, "write", copyAll(c, []byte(strings.Repeat("y", 1000))))
			check(t, "deadline", c.SetWriteDeadline(time.Now().Add(time.Hour)))
		}
	})
	all.Go(func() { check(t, "read", expect(c, []byte(strings.Repeat("x", 300)))) })
	all.Go(func() { check(t, "read", expect(p.Conn, []byte(strings.Repeat("y", 300_000)))) })
	all.Wait()
	if wanted := c.deadline.mu.wanted; wanted.IsZero() || c.deadline.mu.borrowed {
		t.Error("the deadline was not given back")
	}
	check(t, "close", c.Close())
	p.expectEnd()
}
