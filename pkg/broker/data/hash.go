// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding/binary"
	"hash/maphash"
	"math"
)

// Hash is a number that is the same for values that are [Equal], whatever order
// and encoding they came in, and most likely another one for others. It holds
// within this process and for this seed. It allocates only for sets and tables
// that were received out of order or in an encoding that no writer makes.
func (v Value) Hash(seed maphash.Seed) uint64 {
	k := v.m.kind()
	switch {
	case k == KindString || k == KindEnum:
		return maphash.String(seed, v.s) ^ uint64(k)<<56
	case k.IsContainer():
		return inOrder(v).hashContainer(seed)
	}
	var b [1 + 8 + 8 + 1]byte
	b[0] = byte(k)
	switch k {
	case KindBoolean:
		if v.n != 0 {
			b[1] = 1
		}
	case KindReal:
		binary.BigEndian.PutUint64(b[1:], realHashBits(v.n))
	default:
		binary.BigEndian.PutUint64(b[1:], v.n)
		binary.BigEndian.PutUint64(b[9:], v.high())
		b[17] = v.m.aux()
	}
	return maphash.Bytes(seed, b[:])
}

// realHashBits is one pattern for all that mean the same number.
func realHashBits(u uint64) uint64 {
	switch u & exponentMask {
	case 0:
		if f := realFromWire(u); f != 0 {
			return math.Float64bits(f)
		}
		return 0
	case exponentMask:
		return realCanonical(u)
	default:
		return u
	}
}

// hashContainer writes the elements' bytes in runs that are as long as what
// lies in them has one encoding only.
func (v Value) hashContainer(seed maphash.Seed) uint64 {
	if v.m.flags()&flagOdd != 0 {
		v = Canonical(v)
	}
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteByte(byte(v.Kind()))
	run, s := v.s, v.s
	for left := valuesIn(v.Kind(), v.n); left > 0; left-- {
		switch k := Kind(s[0]); {
		case k.IsContainer():
			x, n := varbyte(s[1:])
			s = s[1+n:]
			left += valuesIn(k, uint64(x))
		case k == KindReal:
			u := load64(s[1:])
			if same := realHashBits(u); same != u {
				h.WriteString(run[:len(run)-len(s)])
				var b [9]byte
				b[0] = byte(k)
				binary.BigEndian.PutUint64(b[1:], same)
				h.Write(b[:])
				run = s[9:]
			}
			s = s[9:]
		default:
			s = skip(s, 1)
		}
	}
	h.WriteString(run)
	return h.Sum64()
}
