// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// connectTimeout bounds the TCP connect to one address.
const connectTimeout = 5 * time.Second

// Normalize gives the one spelling of a HOST:PORT: a lower-case name or the canonical form of an IP address, and a port from 1 to
// 65535 without leading zeros.
func Normalize(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %q: want HOST:PORT: %w", address, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("address %q: port %q is not a number from 1 to 65535", address, port)
	}
	if host == "" {
		return "", fmt.Errorf("address %q has no host", address)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(strings.ToLower(host), strconv.FormatUint(n, 10)), nil
}

// Dialer makes connections. The zero Dialer uses the network of the machine.
type Dialer struct {
	// Resolve and Connect replace name resolution and TCP, for tests.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Connect func(ctx context.Context, address string) (net.Conn, error)
}

// Dial connects to the first address of a name that answers and runs the handshake with it; an address whose handshake fails is
// followed by the next one. The error is an *Error, the one of the last address. address is HOST:PORT as Normalize gives it.
func (d Dialer) Dial(ctx context.Context, address string, cfg Config) (*Established, error) {
	addrs, err := d.addresses(ctx, address)
	if err != nil {
		return nil, ioError("resolve name", err)
	}
	var last error = &Error{Class: Unreachable, Text: "the name has no address"}
	for _, a := range addrs {
		if err := ctx.Err(); err != nil {
			return nil, &Error{Class: Timeout, Text: "dial", Err: context.Cause(ctx)}
		}
		conn, err := d.connect(ctx, a)
		if err != nil {
			last = ioError("connect", err)
			continue
		}
		est, err := Negotiate(ctx, conn, true, cfg)
		if err == nil {
			return est, nil
		}
		last = err
		if e := (*Error)(nil); errors.As(err, &e) && e.Class == Redundant {
			break
		}
	}
	return nil, last
}

func (d Dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if d.Connect != nil {
		return d.Connect(ctx, address)
	}
	var nd net.Dialer
	return nd.DialContext(ctx, "tcp", address)
}

func (d Dialer) addresses(ctx context.Context, address string) ([]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []string{net.JoinHostPort(ip.String(), port)}, nil
	}
	resolve := d.Resolve
	if resolve == nil {
		resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	ips, err := resolve(ctx, host)
	var out []string
	for _, ip := range ips {
		out = append(out, net.JoinHostPort(ip.Unmap().String(), port))
	}
	return out, err
}
