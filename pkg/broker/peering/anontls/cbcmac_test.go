// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"testing"
)

func TestCompress(t *testing.T) {
	message := randomBytes(1, 64*5)
	state := sha1Start
	for i := 0; i < len(message); i += 64 {
		state.compress((*[64]byte)(message[i:]))
	}
	end := [64]byte{0: 0x80, 62: 0x0a} // 320 bytes are 0xa00 bits
	state.compress(&end)
	if got, want := state.bytes(), sha1.Sum(message); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

// plainRecord is what a record of TLS 1.2 decrypts to: content, MAC, padding bytes, and how many they are.
func plainRecord(key *[macLen]byte, content []byte, padding int) []byte {
	head := macHead(7, recordData, len(content))
	mac := hmac.New(sha1.New, key[:])
	mac.Write(head[:])
	mac.Write(content)
	return append(mac.Sum(bytes.Clone(content)), bytes.Repeat([]byte{byte(padding)}, padding+1)...)
}

// TestCBCMAC goes through all paddings, of contents around the borders of SHA-1's blocks. Lengths that no record can have are included.
func TestCBCMAC(t *testing.T) {
	key := [macLen]byte(randomBytes(2, macLen))
	m, head := newCBCMAC(&key), macHead(7, recordData, 0)
	data := randomBytes(3, 1000)
	for _, size := range []int{0, 1, 15, 16, 41, 42, 43, 50, 51, 52, 63, 64, 100, 106, 107, 255, 256, 257, 300, 554, 555, 556, 1000} {
		for padding := range 256 {
			record := plainRecord(&key, data[:size], padding)
			if n, good := m.remove(&head, record); n != size || good != 1 {
				t.Fatalf("content %d, padding %d: %d, %d", size, padding, n, good)
			}
		}
	}
}

// TestCBCMACRefuses changes each byte of records, and the header.
func TestCBCMACRefuses(t *testing.T) {
	key := [macLen]byte(randomBytes(2, macLen))
	m, head := newCBCMAC(&key), macHead(7, recordData, 0)
	for _, padding := range []int{0, 1, 60, 255} {
		record := plainRecord(&key, randomBytes(4, 90), padding)
		for i := range record {
			for _, flip := range []byte{1, 0x80, 0xff} {
				record[i] ^= flip
				if n, good := m.remove(&head, record); good != 0 || n < 0 || n > len(record) {
					t.Errorf("padding %d: byte %d changed by %#x: %d, %d", padding, i, flip, n, good)
				}
				record[i] ^= flip
			}
		}
		for i := range 11 {
			head[i]++
			if _, good := m.remove(&head, record); good != 0 {
				t.Errorf("another header byte %d is accepted", i)
			}
			head[i]--
		}
	}
}

// TestCBCMACShort has records that are nothing but padding, or whose padding claims to be longer than the record.
func TestCBCMACShort(t *testing.T) {
	key := [macLen]byte(randomBytes(2, macLen))
	m, head := newCBCMAC(&key), macHead(7, recordData, 0)
	for size := macLen + 1; size < 600; size++ {
		for _, fill := range []byte{0, 1, byte(size - 1), byte(size), 200, 255} {
			if n, good := m.remove(&head, bytes.Repeat([]byte{fill}, size)); good != 0 || n < 0 || n > size-macLen-1 {
				t.Fatalf("%d bytes of %#x: %d, %d", size, fill, n, good)
			}
		}
	}
}
