// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"crypto/rand"
	"slices"
)

// clientSide is the handshake of the dialing end.
func (h *handshake) clientSide() error {
	if err := h.sendHello(); err != nil {
		return err
	}
	if err := h.receiveHello(); err != nil {
		return err
	}
	body, err := h.receive(typeServerKeyExchange)
	if err != nil {
		return err
	}
	peer, err := parseServerKeyExchange(body)
	if err != nil {
		return err
	}
	if body, err = h.receive(typeServerHelloDone); err != nil {
		return err
	}
	if len(body) > 0 {
		return fault(AlertDecodeError, "a malformed ServerHelloDone")
	}
	if len(h.in.hand) > 0 {
		return fault(AlertUnexpectedMessage, "a handshake message behind ServerHelloDone")
	}
	if err := h.generate(); err != nil {
		return err
	}
	if err := h.stage(appendClientKeyExchange(nil, h.key.PublicKey())); err != nil {
		return err
	}
	if err := h.agree(peer); err != nil {
		return err
	}
	if err := h.sendFinished(); err != nil {
		return err
	}
	return h.receiveFinished()
}

// sendHello sends the first message. Its record names TLS 1.0, as all clients do, for the sake of servers that expect that.
func (h *handshake) sendHello() error {
	rand.Read(h.clientRandom[:])
	h.out.writer.version = versionTLS10
	if err := h.stage(appendClientHello(nil, &h.clientRandom)); err != nil {
		return err
	}
	h.out.writer.version = versionTLS12
	return h.out.writer.flush()
}

// offered are the extensions that a server may answer. The last one stands for the suite that means the same.
var offered = []uint16{extPointFormats, extSupportedGroups, extEncryptThenMAC, extExtendedMasterSecret, extRenegotiationInfo}

func (h *handshake) receiveHello() error {
	body, err := h.receive(typeServerHello)
	if err != nil {
		return err
	}
	hello, err := parseServerHello(body)
	if err != nil {
		return err
	}
	if err := judgeServerHello(hello); err != nil {
		return err
	}
	h.serverRandom = hello.random
	h.encryptThenMAC, h.extendedMaster = hello.encryptThenMAC, hello.extendedMaster
	return nil
}

// judgeServerHello makes sure that the server has chosen what was offered. A server that doesn't know secure renegotiation is
// accepted: there is no renegotiation to protect.
func judgeServerHello(hello *serverHello) error {
	switch {
	case hello.version != versionTLS12:
		return fault(AlertProtocolVersion, "the server wants version %04x", hello.version)
	case hello.suite != suiteAnonAES256SHA:
		return fault(AlertIllegalParameter, "the server wants cipher suite %04x", hello.suite)
	case hello.compression != noCompression:
		return fault(AlertIllegalParameter, "the server wants compression")
	case hello.pointFormats != nil && !bytes.Contains(hello.pointFormats, []byte{uncompressed}):
		return fault(AlertIllegalParameter, "the server doesn't read uncompressed points")
	case len(hello.renegotiation) > 0:
		return fault(AlertHandshakeFailure, "the server means to renegotiate a connection")
	}
	for _, typ := range hello.types {
		if !slices.Contains(offered, typ) {
			return fault(AlertUnsupportedExtension, "the server answers extension %d, which was not offered", typ)
		}
	}
	return nil
}
