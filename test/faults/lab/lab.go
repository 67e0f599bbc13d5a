// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
)

// MaxHosts is how many hosts a lab can have.
const MaxHosts = 64

// Addresses is how many addresses each host has.
const Addresses = 16

// Lab is a router with hosts. Its methods may be called from any goroutine.
type Lab struct {
	hosts  []*Host
	hub    *namespace
	detour *detour

	mu struct {
		sync.Mutex
		ways map[way]Fault
	}
}

// Host is a machine of a lab: a network namespace with one link, to the router.
type Host struct {
	// Addr is its first address.
	Addr netip.Addr
	ns   *namespace
}

// New makes a lab with a number of hosts. The seed is that of the detour's dice. It must be closed.
func New(hosts int, seed uint64) (*Lab, error) {
	if hosts < 1 || hosts > MaxHosts {
		return nil, fmt.Errorf("a lab of %d hosts: allowed are 1 to %d", hosts, MaxHosts)
	}
	l := &Lab{}
	l.mu.ways = make(map[way]Fault)
	if err := l.build(hosts, seed); err != nil {
		return nil, errors.Join(fmt.Errorf("make a lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) build(hosts int, seed uint64) (err error) {
	if l.hub, err = newNamespace(); err != nil {
		return err
	}
	if err := l.hub.ip("link set lo up"); err != nil {
		return err
	}
	for _, s := range []string{"ipv4/ip_forward=1", "ipv4/conf/all/rp_filter=0", "ipv4/conf/default/rp_filter=0", "ipv4/conf/all/send_redirects=0"} {
		name, value, _ := strings.Cut(s, "=")
		if err := l.hub.setting(name, value); err != nil {
			return err
		}
	}
	for i := range hosts {
		if err := l.addHost(i); err != nil {
			return err
		}
	}
	if l.detour, err = newDetour(l.hub, seed); err != nil {
		return err
	}
	return l.hub.run(ruleset, "nft", "-f", "-")
}

func (l *Lab) addHost(i int) error {
	ns, err := newNamespace()
	if err != nil {
		return err
	}
	h := &Host{Addr: netip.AddrFrom4([4]byte{10, 77, byte(i + 1), 10}), ns: ns}
	l.hosts = append(l.hosts, h)
	port := fmt.Sprintf("host%d", i)
	if err := l.hub.ip(
		fmt.Sprintf("link add %s type veth peer name wan netns %s", port, ns.path()),
		fmt.Sprintf("addr add 10.77.%d.1/24 dev %s", i+1, port),
		fmt.Sprintf("link set %s up", port),
	); err != nil {
		return err
	}
	commands := []string{"link set lo up"}
	for n := range Addresses {
		commands = append(commands, fmt.Sprintf("addr add %s/24 dev wan", h.Address(n)))
	}
	return ns.ip(append(commands, "link set wan up", fmt.Sprintf("route add default via 10.77.%d.1", i+1))...)
}

// Hosts are the lab's hosts.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Close ends the detour and lets the namespaces go. Processes that still run in them keep their own.
func (l *Lab) Close() error {
	var err error
	if l.detour != nil {
		err = l.detour.close()
	}
	for _, h := range l.hosts {
		h.ns.close()
	}
	if l.hub != nil {
		l.hub.close()
	}
	return err
}

// Address is one of the host's addresses, 0 to Addresses-1.
func (h *Host) Address(n int) netip.Addr {
	a := h.Addr.As4()
	a[3] += byte(n)
	return netip.AddrFrom4(a)
}

// Start starts a process on the host.
func (h *Host) Start(cmd *exec.Cmd) error { return h.ns.do(cmd.Start) }

// Listen opens a TCP listener on the host.
func (h *Host) Listen(address netip.AddrPort) (l net.Listener, err error) {
	err = h.ns.do(func() error {
		l, err = net.Listen("tcp", address.String())
		return err
	})
	return l, err
}

// Dial connects from the host, from the address with a number, to an IP address.
func (h *Host) Dial(ctx context.Context, from int, to netip.AddrPort) (c net.Conn, err error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.Address(from), 0))}
	err = h.ns.do(func() error {
		c, err = d.DialContext(ctx, "tcp", to.String())
		return err
	})
	return c, err
}
