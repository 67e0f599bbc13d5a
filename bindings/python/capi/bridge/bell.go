// SPDX-License-Identifier: Apache-2.0

//go:build linux

package bridge

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bell is an eventfd that is readable while it rings. Its owner guards it; the zero bell has no descriptor and does nothing.
type bell struct {
	fd    int // -1 when it has been closed
	made  bool
	rings bool
}

func newBell() (bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return bell{}, fmt.Errorf("make a descriptor: %w", err)
	}
	return bell{fd: fd, made: true}, nil
}

// ring makes the descriptor readable, or ends that. The system calls never block, so the scheduler need not know of them.
func (b *bell) ring(on bool) {
	if !b.made || b.fd < 0 || b.rings == on {
		return
	}
	b.rings = on
	word, call := uint64(1), uintptr(unix.SYS_READ)
	if on {
		call = unix.SYS_WRITE
	}
	// Neither can fail: the counter is 0 before the write and 1 before the read.
	_, _, _ = unix.RawSyscall(call, uintptr(b.fd), uintptr(unsafe.Pointer(&word)), 8)
}

// close closes the descriptor. A second call does nothing.
func (b *bell) close() {
	if b.made && b.fd >= 0 {
		_ = unix.Close(b.fd)
		b.fd = -1
	}
}

// descriptor is the number to poll.
func (b *bell) descriptor() (int, error) {
	switch {
	case !b.made:
		return -1, wrong("the handle was made without a descriptor")
	case b.fd < 0:
		return -1, errClosed
	}
	return b.fd, nil
}
