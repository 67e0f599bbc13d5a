// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"sync"
	"sync/atomic"
)

// output is the writing half of a Conn. The lock is held while waiting for the peer: all it excludes is another writer. A reader that
// has an alert to send never waits for it; it leaves the alert to the holder.
type output struct {
	sync.Mutex
	writer recordWriter
	err    error         // how writing ended
	alert  atomic.Uint32 // an alert to be sent: level, number; 0 is none
}

// Write encrypts and writes p.
//
// If the deadline passes first, n bytes have been taken: they are encrypted, and what of that the connection below did not accept
// yet goes out ahead of the next Write, or with Close. So writing can go on with p[n:], even if n is all of p.
func (c *Conn) Write(p []byte) (n int, err error) {
	if err := c.ready(); err != nil {
		return 0, err
	}
	c.out.Lock()
	defer c.unlockOut()
	if err := c.writable(); err != nil {
		return 0, err
	}
	for err = c.flush(); err == nil && n < len(p); err = c.flush() {
		taken, err := c.out.writer.append(recordData, p[n:])
		if n += taken; err != nil {
			return n, c.fail(err)
		}
	}
	return n, err
}

func (c *Conn) writable() error {
	if c.out.err != nil {
		return c.explain(c.out.err)
	}
	return c.usable()
}

// flush writes what has been made of records. The lock is held.
func (c *Conn) flush() error {
	err := c.out.writer.flush()
	if err == nil {
		return nil
	}
	if !isTimeout(err) {
		c.out.err = err
	}
	return c.explain(err)
}

// tell sends an alert soon, and never waits for a writer. A fatal one replaces a warning that has not gone out.
func (c *Conn) tell(level uint8, alert Alert) {
	c.out.alert.Store(uint32(level)<<8 | uint32(alert))
	if c.out.TryLock() {
		c.unlockOut()
	}
}

// unlockOut gives up the right to write, after sending an alert that was left for us. It looks again after unlocking: a reader that
// found the lock taken a moment ago relies on that.
func (c *Conn) unlockOut() {
	for {
		if alert := c.out.alert.Swap(0); alert != 0 {
			c.writeAlert(uint8(alert>>8), Alert(alert))
		}
		c.out.Unlock()
		if c.out.alert.Load() == 0 || !c.out.TryLock() {
			return
		}
	}
}

// writeAlert writes an alert, or leaves it: nothing depends on its arrival. The lock is held.
func (c *Conn) writeAlert(level uint8, alert Alert) {
	if c.out.err != nil {
		return
	}
	c.deadline.borrow(alertWait)
	defer c.deadline.giveBack()
	if _, err := c.out.writer.append(recordAlert, []byte{level, byte(alert)}); err == nil {
		c.flush()
	}
}

// sayGoodbye finishes writing with close_notify. The deadline it sets also ends a Write that holds the lock.
func (c *Conn) sayGoodbye() {
	c.deadline.finish(closeWait)
	c.out.Lock()
	defer c.unlockOut()
	if c.out.err != nil || c.dead.Load() != nil {
		return
	}
	if _, err := c.out.writer.append(recordAlert, []byte{levelWarning, byte(AlertCloseNotify)}); err == nil {
		c.flush()
	}
}
