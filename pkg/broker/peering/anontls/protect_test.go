// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"errors"
	"math"
	"testing"
)

func testKeys() *keys {
	return &keys{mac: [macLen]byte(randomBytes(1, macLen)), key: [keyLen]byte(randomBytes(2, keyLen))}
}

// protection is a pair that belongs together.
func protection(t testing.TB, etm bool) (*sealer, *opener) {
	t.Helper()
	seal, err := newSealer(testKeys(), etm)
	if err != nil {
		t.Fatal(err)
	}
	open, err := newOpener(testKeys(), etm)
	if err != nil {
		t.Fatal(err)
	}
	return seal, open
}

func sealed(t testing.TB, s *sealer, typ recordType, content []byte) []byte {
	t.Helper()
	record, err := s.seal(nil, typ, content)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func TestSealOpen(t *testing.T) {
	for _, etm := range []bool{true, false} {
		seal, open := protection(t, etm)
		for i, size := range []int{0, 1, 11, 12, 15, 16, 17, 100, 1000, maxPlaintext - 1, maxPlaintext} {
			content := randomBytes(5, size)
			record := sealed(t, seal, recordData, content)
			if len(record) > headerLen+maxRecord || seal.number != uint64(i+1) {
				t.Errorf("a record of %d bytes, number %d", len(record), seal.number)
			}
			got, err := open.open(recordData, record[headerLen:])
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("encrypt-then-MAC %v, %d bytes: %d bytes, %v", etm, size, len(got), err)
			}
		}
	}
}

// TestSealed takes records apart with nothing of this package: as RFC 5246, section 6.2.3.2, and RFC 7366, section 3, have them.
func TestSealed(t *testing.T) {
	k := testKeys()
	block, err := aes.NewCipher(k.key[:])
	if err != nil {
		t.Fatal(err)
	}
	hash := func(parts ...[]byte) []byte {
		mac := hmac.New(sha1.New, k.mac[:])
		mac.Write(bytes.Join(parts, nil))
		return mac.Sum(nil)
	}
	for _, etm := range []bool{true, false} {
		seal, _ := protection(t, etm)
		for number := range byte(3) {
			record := sealed(t, seal, recordData, []byte("attack at dawn"))
			head, body := append([]byte{0, 0, 0, 0, 0, 0, 0, number}, record[:headerLen]...), record[headerLen:]
			if !bytes.Equal(record[:3], []byte{23, 3, 3}) || int(record[3])<<8|int(record[4]) != len(body) {
				t.Errorf("header %x for %d bytes", record[:headerLen], len(body))
			}
			if etm {
				head[12] -= macLen
				if mac := body[len(body)-macLen:]; !bytes.Equal(mac, hash(head, body[:len(body)-macLen])) {
					t.Errorf("the MAC %x", mac)
				}
				body = body[:len(body)-macLen]
			}
			plain := make([]byte, len(body)-aes.BlockSize)
			cipher.NewCBCDecrypter(block, body[:aes.BlockSize]).CryptBlocks(plain, body[aes.BlockSize:])
			head[12] = 14
			want := []byte("attack at dawn\x01\x01")
			if !etm {
				want = append(append(want[:14:14], hash(head, want[:14])...), bytes.Repeat([]byte{13}, 14)...)
			}
			if !bytes.Equal(plain, want) {
				t.Errorf("%q, want %q", plain, want)
			}
		}
	}
}

// TestOpenRefuses changes each byte of a record, cuts it everywhere, replays it, and gives it another type: always the one same error.
func TestOpenRefuses(t *testing.T) {
	refused := func(etm bool, typ recordType, record []byte, number uint64) {
		t.Helper()
		_, open := protection(t, etm)
		open.number = number
		_, err := open.open(typ, bytes.Clone(record))
		if want := fault(AlertBadRecordMAC, "a record has been changed on its way"); err == nil || err.Error() != want.Error() {
			t.Errorf("encrypt-then-MAC %v: %v", etm, err)
		}
	}
	for _, etm := range []bool{true, false} {
		seal, _ := protection(t, etm)
		record := sealed(t, seal, recordData, randomBytes(1, 70))[headerLen:]
		for i := range record {
			record[i] ^= 0x10
			refused(etm, recordData, record, 0)
			record[i] ^= 0x10
			refused(etm, recordData, record[:i], 0)
		}
		refused(etm, recordAlert, record, 0)
		refused(etm, recordData, record, 1)
	}
}

// TestOpenPadding seals wrong padding with the right MAC: only a broken peer does that, and it is refused too.
func TestOpenPadding(t *testing.T) {
	for _, last := range [][]byte{{1, 2, 2}, {255}, {16}} {
		k := testKeys()
		block, err := aes.NewCipher(k.key[:])
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 32)
		copy(b[32-len(last):], last)
		cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(b, b)
		seal, open := protection(t, true)
		b = seal.appendMAC(b, recordData, b)
		if _, err := open.open(recordData, b); err == nil {
			t.Errorf("padding %x was accepted", last)
		}
	}
}

func TestOpenLimits(t *testing.T) {
	for _, etm := range []bool{true, false} {
		seal, open := protection(t, etm)
		record := sealed(t, seal, recordData, make([]byte, maxPlaintext+1))
		if _, err := open.open(recordData, record[headerLen:]); !isAlert(err, AlertRecordOverflow, false) {
			t.Error(err)
		}
		seal.number, open.number = math.MaxUint64, math.MaxUint64
		if _, err := seal.seal(nil, recordData, nil); !isAlert(err, AlertInternalError, false) {
			t.Error(err)
		}
		if _, err := open.open(recordData, nil); !isAlert(err, AlertInternalError, false) {
			t.Error(err)
		}
	}
}

func isAlert(err error, want Alert, remote bool) bool {
	var e *AlertError
	return errors.As(err, &e) && e.Alert == want && e.Remote == remote
}
