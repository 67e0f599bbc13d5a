// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"crypto/rand"
	"slices"
)

// server is the handshake of the accepting end.
func (h *handshake) server() error {
	body, err := h.receive(typeClientHello)
	if err != nil {
		return err
	}
	hello, err := parseClientHello(body)
	if err != nil {
		return err
	}
	if err := judgeClientHello(hello); err != nil {
		return err
	}
	if len(h.in.hand) > 0 {
		return fault(AlertUnexpectedMessage, "a handshake message behind ClientHello")
	}
	if err := h.answer(hello); err != nil {
		return err
	}
	if body, err = h.receive(typeClientKeyExchange); err != nil {
		return err
	}
	peer, err := parseClientKeyExchange(body)
	if err != nil {
		return err
	}
	if err := h.agree(peer); err != nil {
		return err
	}
	if err := h.receiveFinished(); err != nil {
		return err
	}
	return h.sendFinished()
}

// answer sends the server's flight, with the extensions that the client has asked for.
func (h *handshake) answer(hello *clientHello) error {
	h.clientRandom, h.serverRandom = hello.random, serverRandom()
	h.encryptThenMAC, h.extendedMaster = hello.encryptThenMAC, hello.extendedMaster
	if err := h.generate(); err != nil {
		return err
	}
	answers := hello.extensions
	if slices.Contains(hello.suites, suiteRenegotiation) && answers.renegotiation == nil {
		answers.renegotiation = []byte{}
	}
	flight := appendServerHello(nil, &h.serverRandom, &answers)
	flight = appendServerKeyExchange(flight, h.key.PublicKey())
	flight = appendMessage(flight, typeServerHelloDone, func(dst []byte) []byte { return dst })
	if err := h.stage(flight); err != nil {
		return err
	}
	return h.out.writer.flush()
}

// judgeClientHello says what is missing for a connection. A client without supported_groups leaves the choice to us (RFC 8422,
// section 4). One that names versions has to name 1.2 among them; which newer ones it knows doesn't matter.
func judgeClientHello(hello *clientHello) error {
	switch {
	case hello.version < versionTLS12:
		return fault(AlertProtocolVersion, "the client knows nothing newer than version %04x", hello.version)
	case hello.versions != nil && !slices.Contains(hello.versions, versionTLS12):
		return fault(AlertProtocolVersion, "the client doesn't offer TLS 1.2")
	case !slices.Contains(hello.suites, suiteAnonAES256SHA):
		return fault(AlertHandshakeFailure, "the client doesn't offer the anonymous cipher suite")
	case hello.groups != nil && !slices.Contains(hello.groups, groupP384):
		return fault(AlertHandshakeFailure, "the client doesn't offer P-384")
	case hello.pointFormats != nil && !bytes.Contains(hello.pointFormats, []byte{uncompressed}):
		return fault(AlertIllegalParameter, "the client doesn't read uncompressed points")
	case !bytes.Contains(hello.compression, []byte{noCompression}):
		return fault(AlertIllegalParameter, "the client insists on compression")
	case len(hello.renegotiation) > 0:
		return fault(AlertHandshakeFailure, "the client means to renegotiate a connection")
	}
	return nil
}

// serverRandom draws the server's random value. Clients that offered TLS 1.3 take two endings of it for the mark of a server that
// knows 1.3 and was kept from using it.
func serverRandom() (random [randomLen]byte) {
	for {
		rand.Read(random[:])
		if !isMarked(&random) {
			return random
		}
	}
}

func isMarked(random *[randomLen]byte) bool {
	mark, ok := bytes.CutPrefix(random[randomLen-8:], []byte("DOWNGRD"))
	return ok && mark[0] <= 1
}
