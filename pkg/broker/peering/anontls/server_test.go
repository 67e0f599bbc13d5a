// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"strings"
	"testing"
)

// makeClientHello makes a hello from its parts.
func makeClientHello(version, suites, compression, extensions string) string {
	random := strings.Repeat("r", randomLen)
	vector := func(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }
	return version + random + "\x00" + vector(suites) + vector(compression)[1:] + vector(extensions)
}

// TestServerRefusesHello has hellos that are well-formed and no use, and the alert for each.
func TestServerRefusesHello(t *testing.T) {
	const v12, suite, p384 = "\x03\x03", "\xc0\x19", "\x00\x0a\x00\x04\x00\x02\x00\x18"
	for _, c := range []struct {
		name, hello string
		want        Alert
	}{
		{"TLS 1.1", makeClientHello("\x03\x02", suite, "\x00", p384), AlertProtocolVersion},
		{"only TLS 1.3", makeClientHello(v12, suite, "\x00", p384+"\x00\x2b\x00\x03\x02\x03\x04"), AlertProtocolVersion},
		{"other suites", makeClientHello(v12, "\xc0\x18\xc0\x14\x13\x01", "\x00", p384), AlertHandshakeFailure},
		{"other groups", makeClientHello(v12, suite, "\x00", "\x00\x0a\x00\x06\x00\x04\x00\x17\x00\x1d"), AlertHandshakeFailure},
		{"compressed points", makeClientHello(v12, suite, "\x00", p384+"\x00\x0b\x00\x02\x01\x01"), AlertIllegalParameter},
		{"compression", makeClientHello(v12, suite, "\x01", p384), AlertIllegalParameter},
		{"renegotiation", makeClientHello(v12, suite, "\x00", p384+"\xff\x01\x00\x02\x01x"), AlertHandshakeFailure},
		{"malformed", "\x03\x03", AlertDecodeError},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := against(t, false, func(p *puppet) {
				p.message(typeClientHello, c.hello)
				p.expectAlert(c.want)
			})
			if !isAlert(err, c.want, false) {
				t.Error(err)
			}
		})
	}
}

// TestServerAccepts has hellos that are unusual and good enough.
func TestServerAccepts(t *testing.T) {
	const suite, p384 = "\xc0\x19", "\x00\x0a\x00\x04\x00\x02\x00\x18"
	for name, hello := range map[string]string{
		"minimal":             makeClientHello("\x03\x03", suite+"\x00\xff", "\x00", p384),
		"no extensions":       strings.TrimSuffix(makeClientHello("\x03\x03", suite, "\x00", ""), "\x00\x00"),
		"empty extensions":    makeClientHello("\x03\x03", suite, "\x00", ""),
		"a later version":     makeClientHello("\x03\x04", suite, "\x00", p384),
		"1.3 and 1.2":         makeClientHello("\x03\x03", "\x13\x01"+suite, "\x00", p384+"\x00\x2b\x00\x05\x04\x03\x04\x03\x03"),
		"renegotiation_info":  makeClientHello("\x03\x03", suite, "\x00", p384+"\xff\x01\x00\x01\x00"),
		"a ticket":            makeClientHello("\x03\x03", suite, "\x00", p384+"\x00\x23\x00\x04abcd"),
		"encrypt-then-MAC":    makeClientHello("\x03\x03", suite, "\x00", "\x00\x16\x00\x00"),
		"extended master":     makeClientHello("\x03\x03", suite, "\x00", "\x00\x17\x00\x00"),
		"groups and a GREASE": makeClientHello("\x03\x03", "\x0a\x0a"+suite, "\x00", "\x1a\x1a\x00\x00\x00\x0a\x00\x06\x00\x04\x2a\x2a\x00\x18"),
	} {
		t.Run(name, func(t *testing.T) {
			a, b := connect(t)
			server := Server(b)
			defer server.Close()
			result := make(chan error, 1)
			go func() { result <- server.HandshakeContext(t.Context()) }()
			p := newPuppet(t, Client(a))
			p.greet(appendMessage(nil, typeClientHello, func(dst []byte) []byte { return append(dst, hello...) }))
			if !t.Failed() {
				p.must(p.sendFinished())
				p.must(p.receiveFinished())
			}
			a.Close()
			if err := <-result; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestServerRefuses has clients that go wrong later.
func TestServerRefuses(t *testing.T) {
	hello := appendClientHello(nil, &someRandom)
	finish := func(p *puppet) { // with a key, but nothing else right
		p.greet(hello)
		p.send(recordChangeCipherSpec, "\x01")
		seal, err := newSealer(&p.own, p.encryptThenMAC)
		p.must(err)
		p.out.writer.seal = seal
	}
	cases := map[string]struct {
		play func(p *puppet)
		want Alert
	}{
		"data first":           {func(p *puppet) { p.send(recordData, "x") }, AlertUnexpectedMessage},
		"empty record":         {func(p *puppet) { p.send(recordHandshake, "") }, AlertUnexpectedMessage},
		"another message":      {func(p *puppet) { p.message(typeFinished, "") }, AlertUnexpectedMessage},
		"HelloRequest":         {func(p *puppet) { p.message(typeHelloRequest, "") }, AlertUnexpectedMessage},
		"huge message":         {func(p *puppet) { p.send(recordHandshake, "\x01\x01\x00\x01") }, AlertIllegalParameter},
		"ChangeCipherSpec":     {func(p *puppet) { p.send(recordChangeCipherSpec, "\x01") }, AlertUnexpectedMessage},
		"alert of one byte":    {func(p *puppet) { p.send(recordAlert, "\x02") }, AlertDecodeError},
		"alert without level":  {func(p *puppet) { p.send(recordAlert, "\x03\x28") }, AlertIllegalParameter},
		"two messages at once": {func(p *puppet) { p.send(recordHandshake, string(hello)+"\x10") }, AlertUnexpectedMessage},
		"warnings without end": {func(p *puppet) {
			for range maxIdle + 1 {
				p.send(recordAlert, "\x01\x5a")
			}
		}, AlertUnexpectedMessage},
		"early ChangeCipherSpec": {func(p *puppet) { p.greetOnly(hello); p.send(recordChangeCipherSpec, "\x01") }, AlertUnexpectedMessage},
		"no point":               {func(p *puppet) { p.greetOnly(hello); p.message(typeClientKeyExchange, "\x00") }, AlertIllegalParameter},
		"not on the curve": {func(p *puppet) {
			p.greetOnly(hello)
			p.message(typeClientKeyExchange, "\x61\x04"+strings.Repeat("x", 96))
		}, AlertIllegalParameter},
		"malformed key": {func(p *puppet) { p.greetOnly(hello); p.message(typeClientKeyExchange, "\x61\x04") }, AlertDecodeError},
		"message before ChangeCipherSpec": {func(p *puppet) {
			p.greet(hello)
			p.send(recordHandshake, "\x14")
			p.send(recordChangeCipherSpec, "\x01")
		}, AlertUnexpectedMessage},
		"message and ChangeCipherSpec": {func(p *puppet) {
			p.greetOnly(hello)
			key := appendClientKeyExchange(nil, generateKey(p.t).PublicKey())
			p.send(recordHandshake, string(key)+"\x14")
		}, AlertUnexpectedMessage},
		"malformed ChangeCipherSpec": {func(p *puppet) { p.greet(hello); p.send(recordChangeCipherSpec, "\x02") }, AlertDecodeError},
		"Finished in the clear": {func(p *puppet) {
			p.greet(hello)
			p.send(recordChangeCipherSpec, "\x01")
			p.send(recordHandshake, "\x14\x00\x00\x0c"+strings.Repeat("x", verifyLen))
		}, AlertBadRecordMAC},
		"wrong Finished":      {func(p *puppet) { finish(p); p.message(typeFinished, strings.Repeat("x", verifyLen)) }, AlertDecryptError},
		"short Finished":      {func(p *puppet) { finish(p); p.message(typeFinished, "x") }, AlertDecodeError},
		"data, no Finished":   {func(p *puppet) { finish(p); p.send(recordData, "x") }, AlertUnexpectedMessage},
		"something behind it": {func(p *puppet) { finish(p); p.finishWith("\x00") }, AlertUnexpectedMessage},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := against(t, false, func(p *puppet) {
				c.play(p)
				if p.out.writer.seal == nil && p.in.reader.open == nil {
					p.expectAlert(c.want)
				} else {
					p.expectEnd()
				}
			})
			if !isAlert(err, c.want, false) {
				t.Error(err)
			}
		})
	}
}

// greetOnly gets as far as greet, without a key.
func (p *puppet) greetOnly(hello []byte) {
	p.t.Helper()
	p.must(p.stage(hello))
	p.must(p.out.writer.flush())
	p.must(p.receiveHello())
	for _, typ := range []messageType{typeServerKeyExchange, typeServerHelloDone} {
		_, err := p.receive(typ)
		p.must(err)
	}
}

// finishWith sends the right Finished with something behind it in the same record.
func (p *puppet) finishWith(behind string) {
	p.t.Helper()
	verify := verifyData(&p.master, p.client, p.transcript.Sum(nil))
	p.send(recordHandshake, "\x14\x00\x00\x0c"+string(verify)+behind)
}
