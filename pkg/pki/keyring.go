// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"fmt"
	"time"
)

// Keys of the data that a Keyring is kept in.
const (
	caCert       = "ca.crt"
	caKey        = "ca.key"
	nextCert     = "next-ca.crt"
	nextKey      = "next-ca.key"
	previousCert = "previous-ca.crt"
)

// Step is how far the replacement of an authority has come.
type Step int

// The steps of a rotation. From one to the next, every certificate that is in use is trusted by everybody who has reached either.
const (
	// Settled: one authority signs, and it alone is trusted.
	Settled Step = iota
	// Spreading: the old authority signs; old and new one are trusted.
	Spreading
	// Replacing: the new authority signs; old and new one are trusted.
	Replacing
)

// String names the step for people.
func (s Step) String() string {
	switch s {
	case Spreading:
		return "Spreading"
	case Replacing:
		return "Replacing"
	}
	return "Settled"
}

// Keyring is a mesh's authority, with the one that follows or the one that went before while they change. It is immutable.
type Keyring struct {
	current  *Authority
	next     *Authority // in Spreading
	previous []byte     // PEM, in Replacing
}

// NewKeyring holds one authority.
func NewKeyring(a *Authority) Keyring { return Keyring{current: a} }

// ParseKeyring reads what Data gave. Next and previous are optional; a next authority that can't sign is an error, because half of a
// rotation would be worse than none.
func ParseKeyring(data map[string][]byte) (Keyring, error) {
	current, err := ParseAuthority(data[caCert], data[caKey])
	if err != nil {
		return Keyring{}, err
	}
	k := Keyring{current: current}
	if len(data[nextCert]) > 0 || len(data[nextKey]) > 0 {
		if k.next, err = ParseAuthority(data[nextCert], data[nextKey]); err != nil {
			return Keyring{}, fmt.Errorf("the next authority: %w", err)
		}
		return k, nil
	}
	if previous := data[previousCert]; len(previous) > 0 {
		if _, err := parseCert(previous); err != nil {
			return Keyring{}, fmt.Errorf("the previous authority: %w", err)
		}
		k.previous = previous
	}
	return k, nil
}

// Data is the keyring as ParseKeyring reads it. It has a key for everything that it could hold; the value is nil for what it doesn't.
func (k Keyring) Data() (map[string][]byte, error) {
	out := map[string][]byte{nextCert: nil, nextKey: nil, previousCert: k.previous}
	var err error
	if out[caKey], err = k.current.KeyPEM(); err != nil {
		return nil, err
	}
	out[caCert] = k.current.CertPEM()
	if k.next != nil {
		if out[nextKey], err = k.next.KeyPEM(); err != nil {
			return nil, err
		}
		out[nextCert] = k.next.CertPEM()
	}
	return out, nil
}

// Step is the step that the keyring is in.
func (k Keyring) Step() Step {
	switch {
	case k.next != nil:
		return Spreading
	case k.previous != nil:
		return Replacing
	}
	return Settled
}

// Authority signs, and its bundle is what is to be trusted now.
func (k Keyring) Authority() *Authority {
	switch k.Step() {
	case Spreading:
		return k.current.Trusting(k.next.CertPEM())
	case Replacing:
		return k.current.Trusting(k.previous)
	}
	return k.current
}

// RotateAt is when the authority that signs should get a successor.
func (k Keyring) RotateAt() time.Time { return k.current.RotateAt() }

// Begin is the step from Settled to Spreading.
func (k Keyring) Begin(next *Authority) Keyring { return Keyring{current: k.current, next: next} }

// Advance is the step from Spreading to Replacing, and from there to Settled.
func (k Keyring) Advance() Keyring {
	if k.Step() == Spreading {
		return Keyring{current: k.next, previous: k.current.CertPEM()}
	}
	return Keyring{current: k.current}
}

// Deadline is when a rotation can wait no longer, because what it would wait for keeps nothing working: the end of the old authority.
// Spreading ends a little earlier, so that its certificates are replaced before they end. It is the zero time when settled.
func (k Keyring) Deadline() time.Time {
	switch k.Step() {
	case Spreading:
		from, until := k.current.Validity()
		return until.Add(-min(24*time.Hour, until.Sub(from)/20))
	case Replacing:
		if cert, err := parseCert(k.previous); err == nil {
			return cert.NotAfter
		}
	}
	return time.Time{}
}
