// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// line is a connection that carries a limited number of bytes a second in one direction: what comes in at its address goes on to another.
type line struct {
	listener net.Listener
	to       string
	rate     atomic.Int64 // bytes a second; zero: no limit
	running  sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

func newLine(to string, rate int) (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &line{listener: l, to: to}
	t.rate.Store(int64(rate))
	t.running.Go(t.accept)
	return t, nil
}

func (t *line) address() string { return t.listener.Addr().String() }

func (t *line) accept() {
	for {
		in, err := t.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", t.to)
		if err != nil {
			in.Close()
			continue
		}
		_ = in.(*net.TCPConn).SetReadBuffer(64 << 10) // what waits should wait in the endpoint
		t.mu.Lock()
		t.conns = append(t.conns, in, out)
		t.mu.Unlock()
		t.running.Go(func() { t.carry(out, in, true) })
		t.running.Go(func() { t.carry(in, out, false) })
	}
}

func (t *line) carry(to, from net.Conn, throttled bool) {
	defer to.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
		if rate := t.rate.Load(); throttled && rate > 0 {
			time.Sleep(time.Duration(int64(n) * int64(time.Second) / rate))
		}
	}
}

func (t *line) close() {
	t.listener.Close()
	t.mu.Lock()
	for _, c := range t.conns {
		c.Close()
	}
	t.mu.Unlock()
	t.running.Wait()
}
