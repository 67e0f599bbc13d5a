// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// against runs a handshake against a puppet and answers how it ended.
func against(t *testing.T, client bool, play func(p *puppet)) error {
	t.Helper()
	a, b := connect(t)
	c, other := newConn(a, client), newConn(b, !client)
	played := make(chan struct{})
	go func() {
		defer close(played)
		play(newPuppet(t, other))
	}()
	err := c.HandshakeContext(t.Context())
	if again := c.HandshakeContext(t.Context()); again != err {
		t.Errorf("a second handshake says %v", again)
	}
	if _, got := c.Write([]byte("x")); got != err {
		t.Errorf("a write says %v", got)
	}
	c.Close()
	<-played
	return err
}

// TestHandshakeEnds has peers that give up.
func TestHandshakeEnds(t *testing.T) {
	for _, client := range []bool{true, false} {
		for name, c := range map[string]struct {
			input string
			check func(error) bool
		}{
			"closed":       {"", func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
			"half":         {"\x16\x03", func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
			"close_notify": {"\x15\x03\x03\x00\x02\x01\x00", func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
			"alert":        {"\x15\x03\x03\x00\x02\x02\x28", func(err error) bool { return isAlert(err, AlertHandshakeFailure, true) }},
			"HTTP":         {"HTTP/1.1 400 Bad Request", func(err error) bool { return errors.Is(err, ErrNotTLS) }},
		} {
			err := against(t, client, func(p *puppet) {
				if client {
					if _, err := io.ReadFull(p.conn, make([]byte, headerLen+len(appendClientHello(nil, &someRandom)))); err != nil {
						t.Error(err)
					}
				}
				p.conn.Write([]byte(c.input))
				p.conn.(*net.TCPConn).CloseWrite()
				p.expectEnd()
			})
			if err == nil || !c.check(err) {
				t.Errorf("%s, client %v: %v", name, client, err)
			}
		}
	}
}

func TestHandshakeContext(t *testing.T) {
	a, b := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := Client(a)
	result := make(chan error)
	go func() { result <- c.HandshakeContext(ctx) }()
	if _, err := io.ReadFull(b, make([]byte, headerLen)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := io.ReadAll(b); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestFragmentedHandshake puts each byte of the client's messages into a record of its own.
func TestFragmentedHandshake(t *testing.T) {
	a, b := connect(t)
	server := Server(b)
	result := make(chan error, 1)
	go func() { result <- server.HandshakeContext(t.Context()) }()
	p := newPuppet(t, Client(a))
	hello := appendClientHello(nil, &someRandom)
	for i := range hello {
		p.send(recordHandshake, string(hello[i:i+1]))
	}
	p.transcript.Write(hello)
	p.must(p.receiveHello())
	a.Close()
	if err := <-result; err == nil {
		t.Error("a handshake without an end")
	}
}
