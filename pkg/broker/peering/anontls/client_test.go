// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"strings"
	"testing"
)

// TestClientRefusesHello has answers to what the client didn't offer.
func TestClientRefusesHello(t *testing.T) {
	const random = "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
	for name, c := range map[string]struct {
		hello string
		want  Alert
	}{
		"TLS 1.1":          {"\x03\x02" + random + "\x00\xc0\x19\x00", AlertProtocolVersion},
		"other suite":      {"\x03\x03" + random + "\x00\xc0\x18\x00", AlertIllegalParameter},
		"compression":      {"\x03\x03" + random + "\x00\xc0\x19\x01", AlertIllegalParameter},
		"compressed point": {"\x03\x03" + random + "\x00\xc0\x19\x00\x00\x06\x00\x0b\x00\x02\x01\x01", AlertIllegalParameter},
		"renegotiation":    {"\x03\x03" + random + "\x00\xc0\x19\x00\x00\x06\xff\x01\x00\x02\x01x", AlertHandshakeFailure},
		"a ticket":         {"\x03\x03" + random + "\x00\xc0\x19\x00\x00\x04\x00\x23\x00\x00", AlertUnsupportedExtension},
		"malformed":        {"\x03\x03" + random + "\x21" + random + "x\xc0\x19\x00", AlertDecodeError},
	} {
		t.Run(name, func(t *testing.T) {
			err := against(t, true, func(p *puppet) {
				_, err := p.receive(typeClientHello)
				p.must(err)
				p.message(typeServerHello, c.hello)
				p.expectAlert(c.want)
			})
			if !isAlert(err, c.want, false) {
				t.Error(err)
			}
		})
	}
}

// TestClientRefuses has servers that go wrong later.
func TestClientRefuses(t *testing.T) {
	hello := func(p *puppet) {
		_, err := p.receive(typeClientHello)
		p.must(err)
		p.must(p.stage(appendServerHello(nil, &someRandom, &extensions{})))
		p.must(p.out.writer.flush())
	}
	point := "\x61" + string(generateKey(t).PublicKey().Bytes())
	for name, c := range map[string]struct {
		play func(p *puppet)
		want Alert
	}{
		"certificate":         {func(p *puppet) { hello(p); p.message(11, "\x00\x00\x00") }, AlertUnexpectedMessage},
		"other curve":         {func(p *puppet) { hello(p); p.message(typeServerKeyExchange, "\x03\x00\x17"+point) }, AlertIllegalParameter},
		"explicit curve":      {func(p *puppet) { hello(p); p.message(typeServerKeyExchange, "\x01\x00\x18"+point) }, AlertIllegalParameter},
		"a signature":         {func(p *puppet) { hello(p); p.message(typeServerKeyExchange, "\x03\x00\x18"+point+"\x04\x03") }, AlertDecodeError},
		"not on the curve":    {func(p *puppet) { hello(p); p.message(typeServerKeyExchange, "\x03\x00\x18\x02\x04x") }, AlertIllegalParameter},
		"certificate request": {func(p *puppet) { hello(p); p.message(typeServerKeyExchange, "\x03\x00\x18"+point); p.message(13, "x") }, AlertUnexpectedMessage},
		"done and more": {func(p *puppet) {
			hello(p)
			p.message(typeServerKeyExchange, "\x03\x00\x18"+point)
			p.message(typeServerHelloDone, "x")
		}, AlertDecodeError},
		"behind the end": {func(p *puppet) {
			hello(p)
			p.message(typeServerKeyExchange, "\x03\x00\x18"+point)
			p.send(recordHandshake, "\x0e\x00\x00\x00\x00")
		}, AlertUnexpectedMessage},
		"requests without end": {func(p *puppet) {
			for range maxIdle + 1 {
				p.send(recordHandshake, "\x00\x00\x00\x00")
			}
		}, AlertUnexpectedMessage},
	} {
		t.Run(name, func(t *testing.T) {
			err := against(t, true, func(p *puppet) {
				c.play(p)
				p.expectAlert(c.want)
			})
			if !isAlert(err, c.want, false) {
				t.Error(err)
			}
		})
	}
	t.Run("wrong Finished", func(t *testing.T) {
		err := against(t, true, func(p *puppet) {
			p.welcome()
			p.takeKey()
			p.must(p.receiveFinished())
			p.master[0]++
			p.must(p.sendFinished())
			p.expectAlert(AlertDecryptError)
		})
		if !isAlert(err, AlertDecryptError, false) {
			t.Error(err)
		}
	})
}

// TestClientIgnoresRequests has a server that asks for the handshake that is going on.
func TestClientIgnoresRequests(t *testing.T) {
	err := against(t, true, func(p *puppet) {
		p.send(recordHandshake, "\x00\x00\x00\x00\x00\x00\x00\x00")
		p.message(99, "")
		p.expectAlert(AlertUnexpectedMessage)
	})
	if !isAlert(err, AlertUnexpectedMessage, false) || !strings.Contains(err.Error(), "99") {
		t.Error(err)
	}
}
