// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// polls is how many open connections of the process would poll. One does; several would keep each other, and what else waits for a
// socket, from being looked at.
var polls atomic.Int32

// yieldEvery is after how many looks the processor is offered to other threads: the other end may be one of them. More often was
// slower on a machine with nothing else to do, more seldom on a busy one.
const yieldEvery = 4

// polled is a connection whose reader, after something has come, looks for more before it sleeps: who sleeps is woken late. One
// goroutine reads at a time, as of any connection of this package.
type polled struct {
	*net.TCPConn
	raw    syscall.RawConn
	busy   time.Duration
	last   time.Time // when something came
	closed sync.Once
	look   func(fd uintptr) (done bool) // attempt, made once

	// Of one Read: what it reads into, and what came of it.
	into []byte
	n    int
	err  error
}

// busyPoll makes a connection poll. One that is no TCP socket stays what it is.
func busyPoll(conn net.Conn, busy time.Duration) net.Conn {
	socket, ok := conn.(*net.TCPConn)
	if !ok || busy <= 0 {
		return conn
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return conn
	}
	polls.Add(1)
	p := &polled{TCPConn: socket, raw: raw, busy: busy}
	p.look = p.attempt
	return p
}

// Close closes the connection, once its reader has looked for the last time.
func (p *polled) Close() error {
	p.closed.Do(func() { polls.Add(-1) })
	return p.TCPConn.Close()
}

// Read reads as the connection does.
func (p *polled) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	p.into, p.n, p.err = b, 0, nil
	err := p.raw.Read(p.look)
	p.into = nil
	switch {
	case err != nil:
		return 0, err // closed, or the deadline is over
	case p.err != nil:
		return 0, p.err
	case p.n == 0:
		return 0, io.EOF
	}
	return p.n, nil
}

// attempt reads what there is. False: nothing, and it is time to sleep until there is something.
func (p *polled) attempt(fd uintptr) bool {
	for i := 1; !p.take(fd); i++ {
		if polls.Load() != 1 || time.Since(p.last) >= p.busy {
			return false
		}
		if i%yieldEvery == 0 {
			syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		}
		runtime.Gosched() // who waits for what was read last may run on this thread
	}
	p.last = time.Now()
	return true
}

// take reads once, without waiting; false if there is nothing.
func (p *polled) take(fd uintptr) bool {
	for {
		n, err := syscall.Read(int(fd), p.into)
		switch {
		case err == nil:
			p.n = n
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return false
		default:
			p.err = &net.OpError{Op: "read", Net: "tcp", Source: p.LocalAddr(), Addr: p.RemoteAddr(), Err: os.NewSyscallError("read", err)}
		}
		return true
	}
}
