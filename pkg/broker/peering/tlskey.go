// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
)

// What may be wrong with a private key. The errors never hold any of it.
var (
	errNoKey           = errors.New("no PEM private key in it")
	errNeedsPassphrase = errors.New("it is protected, and no passphrase is configured")
	errPassphrase      = errors.New("wrong passphrase, or the key is damaged")
)

// parseKey reads the first private key of a PEM text: PKCS#8, PKCS#1 or SEC 1, protected or not.
func parseKey(b []byte, passphrase string) (crypto.Signer, error) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return nil, errNoKey
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return parseKeyBlock(block, passphrase)
		}
	}
}

func parseKeyBlock(block *pem.Block, passphrase string) (crypto.Signer, error) {
	protected := block.Type == "ENCRYPTED PRIVATE KEY"
	//lint:ignore SA1019 people have such keys, and the file is read by its owner alone
	legacy := x509.IsEncryptedPEMBlock(block)
	if (protected || legacy) && passphrase == "" {
		return nil, errNeedsPassphrase
	}
	if protected {
		return signer(decryptPKCS8(block.Bytes, passphrase))
	}
	der := block.Bytes
	if legacy {
		var err error
		//lint:ignore SA1019 as above
		if der, err = x509.DecryptPEMBlock(block, []byte(passphrase)); errors.Is(err, x509.IncorrectPasswordError) {
			return nil, errPassphrase
		} else if err != nil {
			return nil, err
		}
	}
	key, err := parseDER(block.Type, der)
	if err != nil && legacy {
		err = errPassphrase // a wrong one leaves a padding that looks right once in 256 times
	}
	return signer(key, err)
}

func parseDER(kind string, der []byte) (any, error) {
	switch kind {
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(der)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(der)
	}
	return nil, fmt.Errorf("PEM block %q is not supported", kind)
}

// decryptPKCS8 opens a protected key. The library takes sizes in the file at their word and panics on wrong ones.
func decryptPKCS8(der []byte, passphrase string) (key any, err error) {
	defer func() {
		if recover() != nil {
			key, err = nil, errors.New("the protected key is malformed")
		}
	}()
	key, err = pkcs8.ParsePKCS8PrivateKey(der, []byte(passphrase))
	if err != nil && err.Error() == "pkcs8: incorrect password" {
		err = errPassphrase
	}
	return key, err
}

func signer(key any, err error) (crypto.Signer, error) {
	if err != nil {
		return nil, err
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return s, nil
}
