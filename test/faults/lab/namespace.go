// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace without a name: it lives as long as its descriptor is open or a process runs in it.
type namespace struct{ fd int }

func newNamespace() (*namespace, error) {
	ns := &namespace{fd: -1}
	err := onThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		ns.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	return ns, err
}

// do runs f on a thread in the namespace. Sockets that f makes and processes that it starts belong there.
func (ns *namespace) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(ns.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: what f did to the thread must not be seen by others
		done <- f()
	}()
	return <-done
}

// path names the namespace for iproute2.
func (ns *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.fd) }

// run feeds a program in the namespace.
func (ns *namespace) run(input, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := ns.do(cmd.Start); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// ip runs commands of iproute2, one a line.
func (ns *namespace) ip(commands ...string) error {
	return ns.run(strings.Join(commands, "\n")+"\n", "ip", "-batch", "-")
}

// setting writes a kernel setting of the namespace.
func (ns *namespace) setting(name, value string) error {
	return ns.do(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644) })
}

func (ns *namespace) close() {
	if ns.fd >= 0 {
		unix.Close(ns.fd)
		ns.fd = -1
	}
}

// Missing names what this machine lacks for a lab, with how to get it; nil if nothing is missing.
func Missing() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("network namespaces need root: run as root, for instance with sudo -E")
	}
	for _, tool := range []struct{ name, from string }{{"ip", "iproute2"}, {"nft", "nftables"}} {
		if _, err := exec.LookPath(tool.name); err != nil {
			return fmt.Errorf("the program %s is missing (Debian: apt-get install %s, or hack/deps)", tool.name, tool.from)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return fmt.Errorf("/dev/net/tun is missing: the kernel needs its module tun (modprobe tun)")
	}
	return nil
}
