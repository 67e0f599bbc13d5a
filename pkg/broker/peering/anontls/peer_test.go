// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"context"
	"crypto/sha256"
	"io"
	"net"
	"sync"
	"testing"
)

// connect makes both ends of a TCP connection.
func connect(t testing.TB) (dialed, accepted net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if dialed, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return dialed, accepted
}

// pair makes both ends of an encrypted connection, after the handshake.
func pair(t testing.TB) (client, server *Conn) {
	t.Helper()
	a, b := connect(t)
	client, server = Client(a), Server(b)
	var both sync.WaitGroup
	defer both.Wait()
	for _, c := range []*Conn{client, server} {
		both.Go(func() {
			if err := c.HandshakeContext(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	return client, server
}

// puppet is a peer whose handshake goes step by step, so that a test can do something else at any of them.
type puppet struct {
	*handshake
	t testing.TB
}

func newPuppet(t testing.TB, c *Conn) *puppet {
	return &puppet{&handshake{Conn: c, transcript: sha256.New()}, t}
}

func (p *puppet) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Error(err)
	}
}

// send writes a record, whatever it may be.
func (p *puppet) send(typ recordType, content string) {
	p.t.Helper()
	_, err := p.out.writer.append(typ, []byte(content))
	p.must(err)
	p.must(p.out.writer.flush())
}

// message writes a handshake message.
func (p *puppet) message(typ messageType, body string) {
	p.t.Helper()
	p.must(p.stage(appendMessage(nil, typ, func(dst []byte) []byte { return append(dst, body...) })))
	p.must(p.out.writer.flush())
}

// expectAlert reads up to a fatal alert, and checks which one it is.
func (p *puppet) expectAlert(want Alert) {
	p.t.Helper()
	for {
		if _, _, err := p.nextRecord(); err != nil {
			if !isAlert(err, want, true) {
				p.t.Errorf("the puppet sees: %v, want %v", err, want)
			}
			return
		}
	}
}

// expectEnd reads up to the end of the connection.
func (p *puppet) expectEnd() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.conn); err != nil {
		p.t.Error(err)
	}
}

// greet is what a client does before its key is due, with a hello of its own.
func (p *puppet) greet(hello []byte) {
	p.t.Helper()
	copy(p.clientRandom[:], hello[messageHeaderLen+2:])
	p.must(p.stage(hello))
	p.must(p.out.writer.flush())
	p.must(p.receiveHello())
	body, err := p.receive(typeServerKeyExchange)
	p.must(err)
	peer, err := parseServerKeyExchange(body)
	p.must(err)
	_, err = p.receive(typeServerHelloDone)
	p.must(err)
	p.must(p.generate())
	if !p.t.Failed() {
		p.must(p.stage(appendClientKeyExchange(nil, p.key.PublicKey())))
		p.must(p.agree(peer))
	}
}

// welcome is what a server does before it waits for the client's key.
func (p *puppet) welcome() {
	p.t.Helper()
	body, err := p.receive(typeClientHello)
	p.must(err)
	hello, err := parseClientHello(body)
	p.must(err)
	p.must(p.answer(hello))
}

// takeKey takes in the client's key.
func (p *puppet) takeKey() {
	p.t.Helper()
	body, err := p.receive(typeClientKeyExchange)
	p.must(err)
	peer, err := parseClientKeyExchange(body)
	p.must(err)
	p.must(p.agree(peer))
}
