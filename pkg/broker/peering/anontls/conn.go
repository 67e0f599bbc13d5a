// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// closeWait bounds how long Close waits for the peer to take what is being written, and close_notify.
	closeWait = time.Second
	// alertWait bounds the same for other alerts.
	alertWait = 200 * time.Millisecond
)

// Conn is an encrypted connection whose peer is not authenticated. It is a [net.Conn].
//
// One goroutine may read while another one writes and others set deadlines or close; several readers or writers wait for each other.
// The handshake runs with the first Read or Write unless HandshakeContext is called before.
//
// Each Write makes records of its own and has them on their way when it returns: two Writes never share a record.
//
// A call that a deadline ends can be repeated later. For Write see there.
type Conn struct {
	conn   net.Conn
	client bool

	// hello guards the handshake. Its holder owns in and out until complete is set; afterwards only their locks count.
	hello    struct{ sync.Mutex }
	complete atomic.Bool
	helloErr error
	extended bool // the extended master secret was agreed on

	in  input
	out output

	deadline writeDeadline
	dead     atomic.Pointer[error] // what has ended the connection in both directions
	closed   atomic.Bool
	closing  sync.Once
	closeErr error
}

// Client makes the dialing end of an encrypted connection of a connection. Close it to close that one.
func Client(conn net.Conn) *Conn { return newConn(conn, true) }

// Server makes the accepting end.
func Server(conn net.Conn) *Conn { return newConn(conn, false) }

func newConn(conn net.Conn, client bool) *Conn {
	c := &Conn{conn: conn, client: client}
	c.in.reader.src = conn
	c.out.writer = recordWriter{dst: conn, version: versionTLS12}
	c.deadline.conn = conn
	return c
}

// HandshakeContext runs the handshake if it has not been run, and answers how it went. A handshake that failed can't be repeated. If
// the context ends first, the connection is closed and the error is that of the context. The context has no effect afterwards.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	if c.complete.Load() {
		return nil
	}
	c.hello.Lock()
	defer c.hello.Unlock()
	if c.complete.Load() || c.helloErr != nil {
		return c.helloErr
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		c.conn.Close()
	})
	err := c.handshake()
	if !stop() {
		<-interrupted
		err = context.Cause(ctx)
	}
	if err != nil {
		c.helloErr = c.explain(err)
		return c.helloErr
	}
	c.complete.Store(true)
	return nil
}

// explain prefers net.ErrClosed to whatever a call says that Close interrupted.
func (c *Conn) explain(err error) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// fail ends the connection in both directions. The first reason counts. If the fault is the peer's, it is told.
func (c *Conn) fail(err error) error {
	if !c.dead.CompareAndSwap(nil, &err) {
		return err
	}
	var found *AlertError
	if errors.As(err, &found) && !found.Remote {
		c.tell(levelFatal, found.Alert)
	}
	return err
}

// usable is nil unless the connection has ended.
func (c *Conn) usable() error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	if err := c.dead.Load(); err != nil {
		return *err
	}
	return nil
}

// Close ends the connection. After a handshake it first sends what a Write left behind and close_notify, for which it waits up to a
// second; a Write that is under way is interrupted after that time. It doesn't wait for the peer's close_notify. More calls answer
// what the first one did.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		c.closed.Store(true)
		if c.complete.Load() {
			c.sayGoodbye()
		}
		if err := c.conn.Close(); !errors.Is(err, net.ErrClosed) { // a handshake's context may have closed it
			c.closeErr = err
		}
	})
	return c.closeErr
}

// LocalAddr is the address of the connection below.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.conn.SetReadDeadline(t), c.deadline.set(t))
}

// SetReadDeadline sets when a Read, now or later, gives up. A later deadline makes it possible to read on.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline sets when a Write, now or later, gives up. A later deadline makes it possible to write on.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.deadline.set(t) }

// writeDeadline is the connection's write deadline, of which alerts borrow the use. Its lock is not held during I/O.
type writeDeadline struct {
	conn net.Conn
	mu   struct {
		sync.Mutex
		wanted   time.Time // by the user
		borrowed bool
		last     bool // Close has set one, and it stays
	}
}

func (d *writeDeadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.wanted = t
	if d.mu.borrowed || d.mu.last {
		return nil
	}
	return d.conn.SetWriteDeadline(t)
}

// borrow sets a deadline of our own until giveBack.
func (d *writeDeadline) borrow(wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.borrowed = true
	if !d.mu.last {
		d.conn.SetWriteDeadline(time.Now().Add(wait)) // if it fails, so will the write
	}
}

func (d *writeDeadline) giveBack() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.borrowed = false
	if !d.mu.last {
		d.conn.SetWriteDeadline(d.mu.wanted)
	}
}

// finish sets the last deadline.
func (d *writeDeadline) finish(wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.last = true
	d.conn.SetWriteDeadline(time.Now().Add(wait))
}
