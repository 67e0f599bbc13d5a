// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
)

// handshake is what one handshake knows. It is forgotten when that is over.
type handshake struct {
	*Conn
	transcript     hash.Hash // of all messages so far
	clientRandom   [randomLen]byte
	serverRandom   [randomLen]byte
	key            *ecdh.PrivateKey
	encryptThenMAC bool
	extendedMaster bool
	master         [masterLen]byte
	own, peer      keys
}

// handshake runs one, in the role of this end. What fails ends the connection, and the peer is told.
func (c *Conn) handshake() error {
	h := &handshake{Conn: c, transcript: sha256.New()}
	run := h.server
	if c.client {
		run = h.clientSide
	}
	if err := c.usable(); err != nil {
		return err
	}
	if err := run(); err != nil {
		return c.fail(err)
	}
	c.in.idle, c.in.hand, c.extended = 0, nil, h.extendedMaster
	clear(h.master[:])
	return nil
}

// receive is the body of the next message, which has to be of a type, and counts it to what the handshake consisted of.
func (h *handshake) receive(want messageType) ([]byte, error) {
	message, err := h.readMessage(want)
	if err != nil {
		return nil, err
	}
	h.transcript.Write(message)
	return message[messageHeaderLen:], nil
}

// stage makes records of messages, which go out with the next flush.
func (h *handshake) stage(messages []byte) error {
	h.transcript.Write(messages)
	_, err := h.out.writer.append(recordHandshake, messages)
	return err
}

// generate makes the key pair of this handshake.
func (h *handshake) generate() (err error) {
	if h.key, err = ecdh.P384().GenerateKey(rand.Reader); err != nil {
		return fault(AlertInternalError, "make a key: %v", err)
	}
	return nil
}

// agree computes all keys. It has to be called when ClientKeyExchange is the last message in the transcript: that is what the
// extended master secret hashes.
func (h *handshake) agree(peer *ecdh.PublicKey) error {
	premaster, err := h.key.ECDH(peer)
	if err != nil {
		return fault(AlertIllegalParameter, "the peer's key: %v", err)
	}
	h.master = masterSecret(premaster, h.extendedMaster, &h.clientRandom, &h.serverRandom, h.transcript.Sum(nil))
	clear(premaster)
	h.own, h.peer = expandKeys(&h.master, &h.clientRandom, &h.serverRandom)
	if !h.client {
		h.own, h.peer = h.peer, h.own
	}
	return nil
}

// sendFinished changes to encryption and proves that the handshake was seen as the peer saw it. It writes all that is staged.
func (h *handshake) sendFinished() error {
	if _, err := h.out.writer.append(recordChangeCipherSpec, []byte{1}); err != nil {
		return err
	}
	seal, err := newSealer(&h.own, h.encryptThenMAC)
	if err != nil {
		return fault(AlertInternalError, "%v", err)
	}
	h.out.writer.seal = seal
	verify := verifyData(&h.master, h.client, h.transcript.Sum(nil))
	finished := appendMessage(nil, typeFinished, func(dst []byte) []byte { return append(dst, verify...) })
	if err := h.stage(finished); err != nil {
		return err
	}
	return h.out.writer.flush()
}

// receiveFinished expects the same of the peer.
func (h *handshake) receiveFinished() error {
	if len(h.in.hand) > 0 {
		return fault(AlertUnexpectedMessage, "a handshake message before ChangeCipherSpec")
	}
	if err := h.readHandshakeRecord(recordChangeCipherSpec); err != nil {
		return err
	}
	open, err := newOpener(&h.peer, h.encryptThenMAC)
	if err != nil {
		return fault(AlertInternalError, "%v", err)
	}
	h.in.reader.open = open
	want := verifyData(&h.master, !h.client, h.transcript.Sum(nil))
	got, err := h.receive(typeFinished)
	switch {
	case err != nil:
		return err
	case len(got) != verifyLen:
		return fault(AlertDecodeError, "a malformed Finished")
	case !hmac.Equal(got, want):
		return fault(AlertDecryptError, "the handshake has been changed on its way")
	case len(h.in.hand) > 0:
		return fault(AlertUnexpectedMessage, "a handshake message behind Finished")
	}
	return nil
}
