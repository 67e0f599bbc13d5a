// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"crypto/hmac"
	"crypto/sha256"
)

// The sizes of RFC 5246 for the one cipher suite.
const (
	masterLen   = 48
	verifyLen   = 12
	macLen      = 20 // also the length of its key
	keyLen      = 32
	randomLen   = 32
	keyBlockLen = 2*macLen + 2*keyLen
)

// prf fills out from the pseudo-random function of TLS 1.2 (RFC 5246, section 5) with SHA-256. The seed comes in parts.
//
// With A(0) the label and seed, and A(i) the HMAC of A(i-1), the output is the HMACs of A(i) followed by label and seed, from i = 1.
func prf(out, secret []byte, label string, seed ...[]byte) {
	whole := []byte(label)
	for _, part := range seed {
		whole = append(whole, part...)
	}
	mac := hmac.New(sha256.New, secret)
	hash := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, part := range parts {
			mac.Write(part)
		}
		return mac.Sum(nil)
	}
	for a := hash(whole); len(out) > 0; a = hash(a) {
		out = out[copy(out, hash(a, whole)):]
	}
}

// masterSecret derives the 48 bytes that all keys come from. sessionHash is that of the handshake up to ClientKeyExchange; with the
// extended master secret (RFC 7627) it takes the place of the two random values.
func masterSecret(premaster []byte, extended bool, client, server *[randomLen]byte, sessionHash []byte) (master [masterLen]byte) {
	if extended {
		prf(master[:], premaster, "extended master secret", sessionHash)
	} else {
		prf(master[:], premaster, "master secret", client[:], server[:])
	}
	return master
}

// keys protect what one side writes.
type keys struct {
	mac [macLen]byte
	key [keyLen]byte
}

// expandKeys makes the keys of both sides. There are no IVs among them: since TLS 1.1 each record brings its own.
func expandKeys(master *[masterLen]byte, client, server *[randomLen]byte) (clientKeys, serverKeys keys) {
	var block [keyBlockLen]byte
	prf(block[:], master[:], "key expansion", server[:], client[:])
	rest := block[:]
	for _, part := range [][]byte{clientKeys.mac[:], serverKeys.mac[:], clientKeys.key[:], serverKeys.key[:]} {
		rest = rest[copy(part, rest):]
	}
	clear(block[:])
	return clientKeys, serverKeys
}

// verifyData is the content of a Finished message: a proof of having seen the same handshake, whose hash transcript is.
func verifyData(master *[masterLen]byte, byClient bool, transcript []byte) []byte {
	label := "server finished"
	if byClient {
		label = "client finished"
	}
	out := make([]byte, verifyLen)
	prf(out, master[:], label, transcript)
	return out
}
