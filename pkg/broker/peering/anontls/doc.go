// SPDX-License-Identifier: Apache-2.0

// Package anontls encrypts a connection the way Zeek does by default, which crypto/tls can't: TLS 1.2 with the one cipher suite
// TLS_ECDH_anon_WITH_AES_256_CBC_SHA (0xC019) on the one curve P-384, as a client and as a server. Section 10 of the wire
// specification says what the other side, OpenSSL, is configured to.
//
// # What it is worth
//
// Encrypted, NOT authenticated. Nobody presents a certificate, so neither end learns who the other one is. Somebody who only listens
// on the wire reads nothing, now or later: the keys are made for each connection and forgotten. Somebody who can get between the two
// ends reads and changes everything, by making one connection with each of them, and there is no protection against that. Use
// certificates between machines that you care about; this package is for talking to a Zeek that was never given any.
//
// # What it does
//
// The key exchange is ephemeral ECDH (crypto/ecdh), the pseudo-random function is that of RFC 5246 with SHA-256, with the extended
// master secret (RFC 7627) if the peer knows it. Records are AES-256-CBC with an IV of their own and HMAC-SHA1. The MAC is over the
// ciphertext (RFC 7366) if the peer knows that; OpenSSL since 1.1.0 does. Else the MAC is over the plaintext, as TLS 1.2 has it, and
// is then checked together with the padding in a time that doesn't tell how much of the record was padding; see cbcMAC.
//
// There are no sessions to resume, no tickets, no renegotiation (a peer that asks gets the warning no_renegotiation), no compression
// and no other version. Unknown extensions of a client are ignored, as are its other suites and groups.
//
// RFC 8446, section 4.1.3, has servers that know TLS 1.3 mark the random value of a ServerHello for TLS 1.2, and clients that offered
// TLS 1.3 refuse a marked one. This server knows nothing newer than 1.2, so it must not mark; a random value that looks
// marked by accident is drawn again. This client offers nothing newer than 1.2, so it ignores marks, as it must to reach servers
// that know 1.3.
//
// # Ends
//
// Close sends close_notify. The reference sends none and just closes the TCP connection, so the end of the TCP connection between
// two records is reported as io.EOF just like close_notify. An attacker can therefore cut a connection between two records without
// being noticed here (in the middle of a record it is io.ErrUnexpectedEOF). Broker doesn't mind: its frames carry their lengths, and
// a peering that ends without being asked to is lost, whatever the reason.
package anontls
