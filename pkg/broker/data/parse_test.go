// SPDX-License-Identifier: Apache-2.0

package data

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseScalars(t *testing.T) {
	cases := []struct {
		parse func(string) (Value, error)
		input string
		want  string // text of the value, or what the error says after "!"
	}{
		{ParseAddress, "1.2.3.4", "1.2.3.4"},
		{ParseAddress, "::FFFF:102:304", "1.2.3.4"},
		{ParseAddress, "::ffff:1.2.3.4", "1.2.3.4"},
		{ParseAddress, "::1.2.3.4", "::102:304"},
		{ParseAddress, "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
		{ParseAddress, "1:0:0:2:0:0:0:3", "1:0:0:2::3"},
		{ParseAddress, "::", "::"},
		{ParseAddress, "01.2.3.4", "!want an IPv4 or IPv6 address"},
		{ParseAddress, "256.1.1.1", "!want an IPv4 or IPv6 address"},
		{ParseAddress, " 1.2.3.4", "!want an IPv4 or IPv6 address"},
		{ParseAddress, "[::1]", "!want an IPv4 or IPv6 address"},
		{ParseAddress, "", "!want an IPv4 or IPv6 address"},
		{ParseAddress, "fe80::1%eth0", "!zones are not allowed"},

		{ParseSubnet, "10.1.2.3/8", "10.0.0.0/8"},
		{ParseSubnet, "2001:db8:ffff::/33", "2001:db8:8000::/33"},
		{ParseSubnet, "::ffff:1.2.3.4/24", "1.2.3.0/24"},
		{ParseSubnet, "0.0.0.0/0", "0.0.0.0/0"},
		{ParseSubnet, "::/0", "::/0"},
		{ParseSubnet, "::1/128", "::1/128"},
		{ParseSubnet, "10.1.2.3/33", "!want a length from 0 to 32"},
		{ParseSubnet, "::1/129", "!want a length from 0 to 128"},
		{ParseSubnet, "10.0.0.0/", "!want a length from 0 to 32"},
		{ParseSubnet, "10.0.0.0/+8", "!want a length from 0 to 32"},
		{ParseSubnet, "10.0.0.0/8abc", "!want a length from 0 to 32"},
		{ParseSubnet, "10.0.0.0", "!want ADDRESS/LENGTH"},
		{ParseSubnet, "abc/8", "!want an IPv4 or IPv6 address"},

		{ParsePort, "80/tcp", "80/tcp"},
		{ParsePort, "53/udp", "53/udp"},
		{ParsePort, "8/icmp", "8/icmp"},
		{ParsePort, "0/?", "0/?"},
		{ParsePort, "1/unknown", "1/?"},
		{ParsePort, "65535", "65535/tcp"},
		{ParsePort, "65536/tcp", "!want a number from 0 to 65535"},
		{ParsePort, "", "!want a number from 0 to 65535"},
		{ParsePort, "-1/tcp", "!want a number from 0 to 65535"},
		{ParsePort, "0x50/tcp", "!want a number from 0 to 65535"},
		{ParsePort, "80/TCP", "!want protocol tcp, udp, icmp, ? or unknown"},
		{ParsePort, "80/", "!want protocol tcp, udp, icmp, ? or unknown"},
		{ParsePort, "80/tcp/udp", "!want protocol tcp, udp, icmp, ? or unknown"},

		{ParseTimestamp, "1970-01-01T00:00:00", "0ns"},
		{ParseTimestamp, "2023-11-14T22:13:20.123456789", "1700000000123456789ns"},
		{ParseTimestamp, "2023-11-14T22:13:20.5Z", "1700000000500000000ns"},
		{ParseTimestamp, "2023-11-14T22:13:20.", "1700000000000000000ns"},
		{ParseTimestamp, "2023-11-14T23:43:20+01:30", "1700000000000000000ns"},
		{ParseTimestamp, "2023-11-14T23:43:20+0130", "1700000000000000000ns"},
		{ParseTimestamp, "2023-11-14T20:13:20-02", "1700000000000000000ns"},
		{ParseTimestamp, "1969-12-31T23:59:59.999999999", "-1ns"},
		{ParseTimestamp, "1677-09-21T00:12:43.145224192", "-9223372036854775808ns"},
		{ParseTimestamp, "2262-04-11T23:47:16.854775807Z", "9223372036854775807ns"},
		{ParseTimestamp, "-17ns", "-17ns"},
		{ParseTimestamp, "1677-09-21T00:12:43.145224191", "!want a time between 1677-09-21 and 2262-04-11"},
		{ParseTimestamp, "2262-04-11T23:47:16.854775808", "!want a time between"},
		{ParseTimestamp, "9999-01-01T00:00:00", "!want a time between"},
		{ParseTimestamp, "2023-02-29T00:00:00", "!no such date or time of day"},
		{ParseTimestamp, "2023-01-01T24:00:00", "!no such date or time of day"},
		{ParseTimestamp, "2023-01-01T00:00:60", "!no such date or time of day"},
		{ParseTimestamp, "2023-01-01 00:00:00", "!want YYYY-MM-DDThh:mm:ss"},
		{ParseTimestamp, "2023-01-01", "!want YYYY-MM-DDThh:mm:ss"},
		{ParseTimestamp, "2023-01-01T1:02:03.", "!want YYYY-MM-DDThh:mm:ss"},
		{ParseTimestamp, "2023-01-01T1:02:03.5", "!want YYYY-MM-DDThh:mm:ss"},
		{ParseTimestamp, "2023-01-01T00:00:00.1234567890", "!too many decimals"},
		{ParseTimestamp, "2023-01-01T00:00:00z", "!unknown zone"},
		{ParseTimestamp, "2023-01-01T00:00:00+1", "!unknown zone"},
		{ParseTimestamp, "2023-01-01T00:00:00+1:30", "!unknown zone"},
		{ParseTimestamp, "2023-01-01T00:00:00+01:", "!unknown zone"},
		{ParseTimestamp, "2023-01-01T00:00:00+24:00", "!zone out of range"},
		{ParseTimestamp, "9223372036854775808ns", "!want whole nanoseconds within 64 bits"},

		{ParseTimespan, "0s", "0ns"},
		{ParseTimespan, "1500ns", "1500ns"},
		{ParseTimespan, "9007199254740993ns", "9007199254740993ns"},
		{ParseTimespan, "34024598214782597ns", "34024598214782597ns"},
		{ParseTimespan, "-9223372036854775808ns", "-9223372036854775808ns"},
		{ParseTimespan, "-2us", "-2000ns"},
		{ParseTimespan, "1.5s", "1500000000ns"},
		{ParseTimespan, "1.5min", "90000000000ns"},
		{ParseTimespan, "1e3ms", "1000000000ns"},
		{ParseTimespan, "+3h", "10800000000000ns"},
		{ParseTimespan, ".5s", "500000000ns"},
		{ParseTimespan, "5.s", "5000000000ns"},
		{ParseTimespan, "2d", "172800000000000ns"},
		{ParseTimespan, "1.999ns", "1ns"},
		{ParseTimespan, "-1.999ns", "-1ns"},
		{ParseTimespan, "1e-99999999999999999999s", "!directly followed by"},
		{ParseTimespan, "1e-99999999s", "0ns"},
		{ParseTimespan, "0e99999999s", "0ns"},
		{ParseTimespan, "1e99999999s", "!within 64 bits"},
		{ParseTimespan, "9223372036854775808ns", "!within 64 bits"},
		{ParseTimespan, "9223372037s", "!within 64 bits"},
		{ParseTimespan, "-9223372036854775808us", "!within 64 bits"},
		{ParseTimespan, "5", "!directly followed by"},
		{ParseTimespan, "s", "!directly followed by"},
		{ParseTimespan, "5m", "!directly followed by"},
		{ParseTimespan, "5 s", "!directly followed by"},
		{ParseTimespan, "1.2.3s", "!directly followed by"},
		{ParseTimespan, "+-3s", "!directly followed by"},
		{ParseTimespan, "0x10s", "!directly followed by"},
		{ParseTimespan, "1h30min", "!directly followed by"},
		{ParseTimespan, "", "!directly followed by"},
	}
	for _, c := range cases {
		v, err := c.parse(c.input)
		want, fails := strings.CutPrefix(c.want, "!")
		switch {
		case fails && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, %v, want an error with %q", c.input, v, err, want)
		case !fails && (err != nil || v.String() != want):
			t.Errorf("%q: got %v, %v, want %s", c.input, v, err, want)
		}
	}
}

func TestTimestampClamps(t *testing.T) {
	for _, c := range []struct {
		in   time.Time
		want int64
	}{
		{time.Time{}, math.MinInt64},
		{time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64},
		{time.Unix(1, 2), 1_000_000_002},
	} {
		if got, ok := Timestamp(c.in).AsTimestampNanos(); !ok || got != c.want {
			t.Errorf("%v: %d, want %d", c.in, got, c.want)
		}
	}
}
