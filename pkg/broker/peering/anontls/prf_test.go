// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPRF uses the test vector that was posted to the TLS working group for RFC 5246; `openssl kdf ... TLS1-PRF` agrees with it.
func TestPRF(t *testing.T) {
	want := unhex(t, "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4f"+
		"bc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66")
	secret, seed := unhex(t, "9bbe436ba940f017b17652849a71db35"), unhex(t, "a0ba9f936cda311827a6f796ffd5198c")
	for n := range want {
		got := make([]byte, n)
		prf(got, secret, "test label", seed[:5], seed[5:])
		if !bytes.Equal(got, want[:n]) {
			t.Fatalf("%d bytes: %x", n, got)
		}
	}
}

// TestKeySchedule compares with `openssl kdf -kdfopt digest:SHA256 -kdfopt hexsecret:... -kdfopt hexseed:... TLS1-PRF`, where the seed
// starts with the label.
func TestKeySchedule(t *testing.T) {
	premaster := bytes.Repeat([]byte{0x11}, 48)
	client, server := [randomLen]byte(bytes.Repeat([]byte{0x22}, randomLen)), [randomLen]byte(bytes.Repeat([]byte{0x33}, randomLen))
	hash := bytes.Repeat([]byte{0x44}, 32)

	master := masterSecret(premaster, false, &client, &server, hash)
	clientKeys, serverKeys := expandKeys(&master, &client, &server)
	block := bytes.Join([][]byte{clientKeys.mac[:], serverKeys.mac[:], clientKeys.key[:], serverKeys.key[:]}, nil)
	extended := masterSecret(premaster, true, &client, &server, hash)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"master secret", master[:], "6d2d60ca3e5f0374ed941798626ba2ac56b02af55f3a1e19074d242d25d8f66ab69d9c014fe47b7112f3034aafee052f"},
		{"key block", block, "618a6fb338f15ac035f3dd8ac120cb898e909fb9e8a51e33fa6043b28940dde88a35f46bca719c7b48cca67c1ed064a472010388ee5911a4f2edc493110bbeec551c881a70e4bc78da841a461be348fd8466dc2ca54a5629957a7444ed13c62a9c72a50bff9c0c67"},
		{"extended master secret", extended[:], "4d395322d05e9ea99f04868c785bb0307200d887b1489c3705ef8f80d4a1cdfc702b9c43df584ff02372a95af48d4be8"},
		{"client finished", verifyData(&master, true, hash), "d39100f3cd8ab7fb0b1982a4"},
		{"server finished", verifyData(&master, false, hash), "b4f19a55ebef86ed9222afbc"},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("%s is %x, want %s", c.name, c.got, c.want)
		}
	}
}
