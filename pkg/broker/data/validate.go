// SPDX-License-Identifier: Apache-2.0

package data

// Validate reports whether b is exactly one value: known tags, sizes within
// the input, nesting of at most [MaxDepth], no element or key twice. It
// allocates nothing as long as all sets and tables are in ascending order,
// which every writer of whole sets and tables observes. The error is a
// [*SyntaxError].
func Validate(b []byte) error {
	_, _, err := checkWhole(viewString(b))
	return err
}

// Decode reads b, which must be exactly one value, and copies what it keeps:
// at most one allocation. The error is a [*SyntaxError].
func Decode(b []byte) (Value, error) {
	s := viewString(b)
	c, _, err := checkWhole(s)
	if err != nil {
		return Value{}, err
	}
	v, _ := take(s, true, c.flags, c.deepest)
	return v.Clone(), nil
}

// View is [Decode] without the copy: the value shares b's memory, and the
// caller never changes b again.
func View(b []byte) (Value, error) {
	s := viewString(b)
	c, _, err := checkWhole(s)
	if err != nil {
		return Value{}, err
	}
	v, _ := take(s, true, c.flags, c.deepest)
	return v, nil
}

// ViewString is [View] for bytes that are a string already.
func ViewString(s string) (Value, error) {
	c, _, err := checkWhole(s)
	if err != nil {
		return Value{}, err
	}
	v, _ := take(s, true, c.flags, c.deepest)
	return v, nil
}

// DecodePrefix reads the value at the front of b and answers how many bytes it
// took. The value shares b's memory, as with [View]. The error is a
// [*SyntaxError].
func DecodePrefix(b []byte) (v Value, n int, err error) {
	s := viewString(b)
	c, n, err := checkPrefix(s)
	if err != nil {
		return Value{}, 0, err
	}
	v, _ = take(s[:n], true, c.flags, c.deepest)
	return v, n, nil
}

// checker walks over encoded values and gathers what the Value above them has
// to know.
type checker struct {
	s       string
	flags   uint8
	deepest uint8
}

func checkWhole(s string) (c checker, n int, err error) {
	c, n, err = checkPrefix(s)
	if err == nil && n != len(s) {
		err = &SyntaxError{Offset: n, Msg: msgTrailing}
	}
	return c, n, err
}

func checkPrefix(s string) (c checker, n int, err error) {
	c = checker{s: s}
	n, bad := c.values(0, 1, 0)
	if bad != "" {
		return c, 0, &SyntaxError{Offset: n, Msg: bad}
	}
	if c.flags&flagUnordered != 0 {
		// Only now is it worth looking for duplicates by sorting.
		if at := findDuplicate(s[:n]); at >= 0 {
			return c, 0, &SyntaxError{Offset: at, Msg: msgDuplicate}
		}
	}
	return c, n, nil
}

// values checks count values from off on, which lie in depth containers, and
// answers where they end. If bad isn't empty it says what is wrong at the
// offset that is answered.
func (c *checker) values(off int, count uint64, depth uint8) (end int, bad string) {
	s := c.s
	for ; count > 0; count-- {
		if off >= len(s) {
			return len(s), msgTruncated
		}
		k := Kind(s[off])
		size := 9
		switch k {
		case KindNone:
			size = 1
		case KindBoolean:
			size = 2
			if len(s)-off >= 2 && s[off+1] > 1 {
				c.flags |= flagOdd
			}
		case KindCount, KindInteger, KindTimestamp, KindTimespan:
		case KindReal:
			if len(s)-off >= 9 && s[off+1]&0x7f == 0x7f && s[off+2] >= 0xf0 {
				c.oddReal(load64(s[off+1:]))
			}
		case KindAddress:
			size = 17
		case KindSubnet:
			size = 18
		case KindPort:
			size = 4
			if len(s)-off >= 4 && s[off+3] > uint8(ProtocolICMP) {
				return off + 3, msgProtocol
			}
		case KindString, KindEnum:
			if len(s)-off >= 2 && s[off+1] < 0x80 {
				size = 2 + int(s[off+1]) // most strings are short
			} else if size, bad = c.text(off); bad != "" {
				return size, bad
			}
		case KindSet, KindTable, KindVector:
			if off, bad = c.container(k, off, depth); bad != "" {
				return off, bad
			}
			continue
		default:
			return off, msgKind
		}
		if len(s)-off < size {
			return len(s), msgTruncated
		}
		off += size
	}
	return off, ""
}

// oddReal marks patterns of infinities and NaN that no writer makes.
func (c *checker) oddReal(u uint64) {
	if realCanonical(u) != u {
		c.flags |= flagOdd
	}
}

// size reads the size field behind the tag at off. If bad isn't empty, next is
// the offset at fault.
func (c *checker) size(off int) (x uint32, next int, bad string) {
	x, n := varbyte(c.s[off+1:])
	if n <= 0 {
		if n == 0 {
			return 0, len(c.s), msgTruncated
		}
		return 0, off + 1, msgVarbyte
	}
	if n > 1 && oddWidth(x, n) != 0 {
		c.flags |= flagOdd
	}
	return x, off + 1 + n, ""
}

// text answers the whole size of the string or enum value at off, or the
// offset at fault.
func (c *checker) text(off int) (size int, bad string) {
	x, next, bad := c.size(off)
	if bad != "" {
		return next, bad
	}
	if uint64(len(c.s)-next) < uint64(x) {
		return len(c.s), msgTruncated
	}
	return next - off + int(x), ""
}

// container checks the container at off and answers where it ends.
func (c *checker) container(k Kind, off int, depth uint8) (end int, bad string) {
	x, next, bad := c.size(off)
	if bad != "" {
		return next, bad
	}
	if depth >= MaxDepth {
		return off, msgDepth
	}
	depth++
	c.deepest = max(c.deepest, depth)
	values := uint64(x)
	if k == KindTable {
		values *= 2
	}
	if values > uint64(len(c.s)-next) {
		return off + 1, msgCount
	}
	if k == KindVector {
		return c.values(next, values, depth)
	}
	return c.sorted(k, next, uint64(x), depth)
}

// sorted checks the elements of a set or table and whether they ascend.
func (c *checker) sorted(k Kind, off int, count uint64, depth uint8) (end int, bad string) {
	width := uint64(1)
	if k == KindTable {
		width = 2
	}
	previous := -1
	for range count {
		if end, bad = c.values(off, width, depth); bad != "" {
			return end, bad
		}
		if c.flags&flagUnordered == 0 && previous >= 0 {
			if order, _, _ := compareFront(c.s[previous:], c.s[off:]); order >= 0 {
				c.flags |= flagUnordered | flagOdd
			}
		}
		previous, off = off, end
	}
	return off, ""
}
