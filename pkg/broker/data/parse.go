// SPDX-License-Identifier: Apache-2.0

package data

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseAddress reads an IPv4 address in dotted decimal without leading zeros
// or an IPv6 address of RFC 4291, without zone. IPv4-mapped addresses are IPv4.
func ParseAddress(s string) (Value, error) {
	a, err := parseAddr(s)
	if err != nil {
		return Value{}, err
	}
	return Address(a), nil
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, fmt.Errorf("address %s: want an IPv4 or IPv6 address", quoted(s))
	case a.Zone() != "":
		return a, fmt.Errorf("address %s: zones are not allowed", quoted(s))
	default:
		return a.Unmap(), nil
	}
}

// ParseSubnet reads ADDRESS/LENGTH. The length of an IPv4 network, mapped or
// not, is 0 to 32, of an IPv6 network 0 to 128. Host bits are cleared.
func ParseSubnet(s string) (Value, error) {
	address, length, found := strings.Cut(s, "/")
	if !found {
		return Value{}, fmt.Errorf("subnet %s: want ADDRESS/LENGTH", quoted(s))
	}
	a, err := parseAddr(address)
	if err != nil {
		return Value{}, fmt.Errorf("subnet %s: %w", quoted(s), err)
	}
	n, ok := parseDecimal(length, a.BitLen())
	if !ok {
		return Value{}, fmt.Errorf("subnet %s: want a length from 0 to %d", quoted(s), a.BitLen())
	}
	return Subnet(netip.PrefixFrom(a, n)), nil
}

// ParsePort reads NUMBER or NUMBER/PROTOCOL: a number from 0 to 65535, and tcp,
// udp, icmp, ? or unknown. Without a protocol it is tcp.
func ParsePort(s string) (Value, error) {
	number, name, found := strings.Cut(s, "/")
	n, ok := parseDecimal(number, 65535)
	if !ok {
		return Value{}, fmt.Errorf("port %s: want a number from 0 to 65535", quoted(s))
	}
	p := ProtocolTCP
	if found {
		if p, ok = parseProtocol(name); !ok {
			return Value{}, fmt.Errorf("port %s: want protocol tcp, udp, icmp, ? or unknown", quoted(s))
		}
	}
	return Port(uint16(n), p), nil
}

func parseProtocol(name string) (Protocol, bool) {
	if name == "unknown" {
		return ProtocolUnknown, true
	}
	for p := range ProtocolICMP + 1 {
		if p.String() == name {
			return p, true
		}
	}
	return 0, false
}

// quoted is s as errors show it: in quotes, and not longer than a line.
func quoted(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// parseDecimal reads one to five digits that make at most limit.
func parseDecimal(s string, limit int) (int, bool) {
	if len(s) == 0 || len(s) > 5 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= limit
}
