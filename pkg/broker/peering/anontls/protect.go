// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"hash"
	"math"
)

// recordType is the first byte of a record.
type recordType uint8

const (
	recordChangeCipherSpec recordType = 20
	recordAlert            recordType = 21
	recordHandshake        recordType = 22
	recordData             recordType = 23
)

const (
	versionTLS10 = 0x0301
	versionTLS12 = 0x0303

	headerLen    = 5
	maxPlaintext = 1 << 14
	maxRecord    = maxPlaintext + 2048 // of a protected record, without the header
)

// appendHeader begins a record.
func appendHeader(dst []byte, typ recordType, version uint16, length int) []byte {
	dst = append(dst, byte(typ))
	dst = binary.BigEndian.AppendUint16(dst, version)
	return binary.BigEndian.AppendUint16(dst, uint16(length))
}

// macHead is what the MAC covers besides the content.
func macHead(number uint64, typ recordType, length int) (head [macHeadLen]byte) {
	binary.BigEndian.PutUint64(head[:], number)
	appendHeader(head[:8], typ, versionTLS12, length)
	return head
}

// newCBC makes both directions of AES-256-CBC. The initial chaining value doesn't matter: see sealer and opener.
func newCBC(key *[keyLen]byte) (enc, dec cipher.BlockMode, err error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, nil, err
	}
	var iv [aes.BlockSize]byte
	return cipher.NewCBCEncrypter(block, iv[:]), cipher.NewCBCDecrypter(block, iv[:]), nil
}

// sealer protects the records of one direction. It belongs to the writer.
//
// The explicit IV of a record is made by encrypting a random block in front of the content: what CBC makes of it is as random,
// and the chain needs no new start for each record.
type sealer struct {
	number uint64
	enc    cipher.BlockMode
	mac    hash.Hash
	etm    bool
	head   [macHeadLen]byte // here, so that it isn't allocated for each record
}

func newSealer(k *keys, etm bool) (*sealer, error) {
	enc, _, err := newCBC(&k.key)
	if err != nil {
		return nil, err
	}
	return &sealer{enc: enc, mac: hmac.New(sha1.New, k.mac[:]), etm: etm}, nil
}

// seal appends a record with at most maxPlaintext bytes of content.
func (s *sealer) seal(dst []byte, typ recordType, content []byte) ([]byte, error) {
	if s.number == math.MaxUint64 {
		return dst, fault(AlertInternalError, "no record numbers are left")
	}
	start := len(dst)
	dst = appendHeader(dst, typ, versionTLS12, 0)
	body := len(dst)
	var random [aes.BlockSize]byte
	dst = append(dst, random[:]...)
	rand.Read(dst[body:])
	dst = append(dst, content...)
	if !s.etm {
		dst = s.appendMAC(dst, typ, content)
	}
	padding := aes.BlockSize - (len(dst)-body)%aes.BlockSize
	for range padding {
		dst = append(dst, byte(padding-1))
	}
	s.enc.CryptBlocks(dst[body:], dst[body:])
	if s.etm {
		dst = s.appendMAC(dst, typ, dst[body:])
	}
	binary.BigEndian.PutUint16(dst[start+3:], uint16(len(dst)-body))
	s.number++
	return dst, nil
}

func (s *sealer) appendMAC(dst []byte, typ recordType, content []byte) []byte {
	s.head = macHead(s.number, typ, len(content))
	s.mac.Reset()
	s.mac.Write(s.head[:])
	s.mac.Write(content)
	return s.mac.Sum(dst)
}

// opener is the other end of a sealer. It belongs to the reader.
//
// The explicit IV is decrypted like a block of content and thrown away. That leaves it as the chaining value of the block behind it,
// which is what an IV is.
type opener struct {
	number uint64
	dec    cipher.BlockMode
	mac    hash.Hash // with encrypt-then-MAC, else
	cbc    *cbcMAC
	head   [macHeadLen]byte
	sum    [macLen]byte
}

func newOpener(k *keys, etm bool) (*opener, error) {
	_, dec, err := newCBC(&k.key)
	if err != nil {
		return nil, err
	}
	if etm {
		return &opener{dec: dec, mac: hmac.New(sha1.New, k.mac[:])}, nil
	}
	return &opener{dec: dec, cbc: newCBCMAC(&k.mac)}, nil
}

// open decrypts a record in its place and answers the content, a part of b. All ways in which it can be wrong are one error.
func (o *opener) open(typ recordType, b []byte) ([]byte, error) {
	if o.number == math.MaxUint64 {
		return nil, fault(AlertInternalError, "no record numbers are left")
	}
	var content []byte
	var ok bool
	if o.mac != nil {
		content, ok = o.openEncryptThenMAC(typ, b)
	} else {
		content, ok = o.openMACThenEncrypt(typ, b)
	}
	if !ok {
		return nil, fault(AlertBadRecordMAC, "a record has been changed on its way")
	}
	o.number++
	if len(content) > maxPlaintext {
		return nil, fault(AlertRecordOverflow, "a record has %d bytes of content", len(content))
	}
	return content, nil
}

func (o *opener) openEncryptThenMAC(typ recordType, b []byte) ([]byte, bool) {
	n := len(b) - macLen
	if n < 2*aes.BlockSize || n%aes.BlockSize != 0 {
		return nil, false
	}
	o.head = macHead(o.number, typ, n)
	o.mac.Reset()
	o.mac.Write(o.head[:])
	o.mac.Write(b[:n])
	if !hmac.Equal(o.mac.Sum(o.sum[:0]), b[n:]) {
		return nil, false
	}
	// From here on only what the peer meant to send is looked at: there is nothing to hide from it.
	o.dec.CryptBlocks(b[:n], b[:n])
	b = b[aes.BlockSize:n]
	padding := int(b[len(b)-1])
	if padding+1 > len(b) {
		return nil, false
	}
	for _, p := range b[len(b)-padding-1:] {
		if int(p) != padding {
			return nil, false
		}
	}
	return b[:len(b)-padding-1], true
}

func (o *opener) openMACThenEncrypt(typ recordType, b []byte) ([]byte, bool) {
	if len(b)%aes.BlockSize != 0 || len(b) < aes.BlockSize+macLen+1 {
		return nil, false
	}
	o.dec.CryptBlocks(b, b)
	b = b[aes.BlockSize:]
	o.head = macHead(o.number, typ, 0)
	n, good := o.cbc.remove(&o.head, b)
	return b[:n], good == 1
}
