// SPDX-License-Identifier: Apache-2.0

package data

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// ParseTimestamp reads YYYY-MM-DDThh:mm:ss, then optionally a point and up to
// nine decimals, then optionally Z, +hh, +hhmm or +hh:mm (or with -); without a
// zone it is UTC. It also reads whole nanoseconds since 1970, such as 17ns, as
// [Value.String] prints them. What 64 bits of nanoseconds can't hold (before
// September 1677 or after April 2262) is refused.
func ParseTimestamp(s string) (Value, error) {
	if digits, ok := strings.CutSuffix(s, "ns"); ok {
		ns, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("timestamp %s: want whole nanoseconds within 64 bits", quoted(s))
		}
		return TimestampNanos(ns), nil
	}
	t, err := parseISO(s)
	if err != nil {
		return Value{}, fmt.Errorf("timestamp %s: %w", quoted(s), err)
	}
	sec, nsec := t.Unix(), int64(t.Nanosecond())
	ns := new(big.Int).Mul(big.NewInt(sec), big.NewInt(1e9))
	ns.Add(ns, big.NewInt(nsec))
	if !ns.IsInt64() {
		return Value{}, fmt.Errorf("timestamp %s: want a time between 1677-09-21 and 2262-04-11", quoted(s))
	}
	return TimestampNanos(ns.Int64()), nil
}

const isoLayout = "2006-01-02T15:04:05"

var errISO = errors.New("want YYYY-MM-DDThh:mm:ss, optionally .DECIMALS (up to 9) and Z or +hh:mm")

func parseISO(s string) (time.Time, error) {
	if len(s) < len(isoLayout) || strings.Trim(s[:4], "0123456789") != "" {
		return time.Time{}, errISO
	}
	t, err := time.Parse(isoLayout, s[:len(isoLayout)])
	if err != nil {
		return t, fmt.Errorf("%w: no such date or time of day", errISO)
	}
	rest := s[len(isoLayout):]
	if strings.HasPrefix(rest, ".") {
		var fraction time.Duration
		if fraction, rest, err = parseDecimals(rest[1:]); err != nil {
			return t, err
		}
		t = t.Add(fraction)
	}
	offset, err := parseZone(rest)
	return t.Add(-offset), err
}

// parseDecimals reads up to nine digits as a fraction of a second.
func parseDecimals(s string) (time.Duration, string, error) {
	rest := strings.TrimLeft(s, "0123456789")
	digits := s[:len(s)-len(rest)]
	if len(digits) > 9 {
		return 0, rest, fmt.Errorf("%w: too many decimals", errISO)
	}
	n, err := strconv.ParseInt(digits+"000000000"[len(digits):], 10, 64)
	return time.Duration(n), rest, err
}

// parseZone reads nothing, Z, or a sign with hh, hhmm or hh:mm.
func parseZone(s string) (time.Duration, error) {
	if s == "" || s == "Z" {
		return 0, nil
	}
	digits := strings.Replace(s[1:], ":", "", 1)
	plain := strings.Trim(digits, "0123456789") == ""
	shape := len(s) == 3 || len(s) == 5 || len(s) == 6 && s[3] == ':'
	if !plain || !shape || len(digits)%2 != 0 || s[0] != '+' && s[0] != '-' {
		return 0, fmt.Errorf("%w: unknown zone", errISO)
	}
	hours, _ := strconv.Atoi(digits[:2])
	minutes, _ := strconv.Atoi("0" + digits[2:])
	if hours > 23 || minutes > 59 {
		return 0, fmt.Errorf("%w: zone out of range", errISO)
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, nil
}

// timeUnits are the units of a timespan; a suffix of another one comes later.
var timeUnits = [...]struct {
	name string
	size time.Duration
}{
	{"ns", time.Nanosecond},
	{"us", time.Microsecond},
	{"ms", time.Millisecond},
	{"s", time.Second},
	{"min", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
}

var (
	errTimespan = errors.New("want a decimal number directly followed by ns, us, ms, s, min, h or d")
	errRange    = errors.New("want a length of time within 64 bits of nanoseconds")
)

// ParseTimespan reads a decimal number (sign, fraction and exponent allowed)
// directly followed by ns, us, ms, s, min, h or d. Nothing is rounded on the
// way: what remains below a nanosecond is cut off.
func ParseTimespan(s string) (Value, error) {
	for _, u := range timeUnits {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		ns, err := scaleDecimal(number, int64(u.size))
		if err != nil {
			return Value{}, fmt.Errorf("timespan %s: %w", quoted(s), err)
		}
		return Timespan(time.Duration(ns)), nil
	}
	return Value{}, fmt.Errorf("timespan %s: %w", quoted(s), errTimespan)
}

// maxScale bounds exponents and digits, far above what 64 bits can hold.
const maxScale = 64

// scaleDecimal is number * unit, cut to an integer toward zero.
func scaleDecimal(number string, unit int64) (int64, error) {
	if x, err := strconv.ParseInt(number, 10, 64); err == nil {
		if product := x * unit; product/unit == x && (x != math.MinInt64 || unit == 1) {
			return product, nil
		}
		return 0, errRange
	}
	mantissa, exponent := number, 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		e, err := strconv.Atoi(number[i+1:])
		if err != nil {
			return 0, errTimespan
		}
		mantissa, exponent = number[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole, "+-") + fraction
	if digits == "" || len(whole) > len(strings.TrimLeft(whole, "+-"))+1 || strings.Trim(digits, "0123456789") != "" {
		return 0, errTimespan
	}
	return scaleDigits(digits, exponent-len(fraction), strings.HasPrefix(whole, "-"), unit)
}

func scaleDigits(digits string, exponent int, negative bool, unit int64) (int64, error) {
	digits = strings.TrimLeft(digits, "0")
	if digits == "" || len(digits)+exponent < -maxScale {
		return 0, nil
	}
	if len(digits) > 4*maxScale || exponent > maxScale {
		return 0, errRange
	}
	x, _ := new(big.Int).SetString(digits, 10)
	x.Mul(x, big.NewInt(unit))
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil)
	if exponent >= 0 {
		x.Mul(x, power)
	} else {
		x.Quo(x, power)
	}
	if negative {
		x.Neg(x)
	}
	if !x.IsInt64() {
		return 0, errRange
	}
	return x.Int64(), nil
}
