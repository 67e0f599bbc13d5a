// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// maxIdle bounds how many records in a row may carry nothing: warnings, empty data, requests for another handshake.
const maxIdle = 32

// input is the reading half of a Conn. The lock is held while waiting for the peer: all it excludes is another reader.
type input struct {
	sync.Mutex
	reader recordReader
	data   []byte // decrypted and not yet read; a part of the reader's buffer
	hand   []byte // handshake messages, of which the last one may be incomplete
	idle   int
	err    error // how reading ended
}

// Read reads decrypted data. The error is io.EOF after the peer's close_notify, and also when the peer has closed the TCP connection
// between two records without one. It is io.ErrUnexpectedEOF if that happened within a record.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.ready(); err != nil {
		return 0, err
	}
	c.in.Lock()
	defer c.in.Unlock()
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	for len(c.in.data) == 0 {
		if c.in.err != nil {
			return 0, c.explain(c.in.err)
		}
		if err := c.readData(); err != nil {
			if !isTimeout(err) {
				c.in.err = err
			}
			return 0, c.explain(err)
		}
	}
	n := copy(p, c.in.data)
	c.in.data = c.in.data[n:]
	return n, nil
}

// ready runs the handshake if need be.
func (c *Conn) ready() error {
	if c.complete.Load() {
		return nil
	}
	return c.HandshakeContext(context.Background()) // deadlines and Close still end it
}

// readData takes in one record of an established connection.
func (c *Conn) readData() error {
	typ, content, err := c.nextRecord()
	if err == nil {
		switch typ {
		case recordData:
			c.in.data, c.in.idle = content, 0
		case recordHandshake:
			err = c.refuseHandshake(content)
		default:
			err = fault(AlertUnexpectedMessage, "a record of type %d after the handshake", typ)
		}
	}
	if err != nil && err != io.EOF && !isTimeout(err) {
		return c.fail(err)
	}
	return err
}

// nextRecord is the next record that matters: neither a warning nor empty.
func (c *Conn) nextRecord() (recordType, []byte, error) {
	for {
		typ, content, err := c.in.reader.next()
		switch {
		case err != nil:
			return 0, nil, err
		case typ == recordAlert:
			err = c.heed(content)
		case len(content) > 0:
			return typ, content, nil
		case typ != recordData || !c.complete.Load():
			err = fault(AlertUnexpectedMessage, "an empty record of type %d", typ)
		}
		if err == nil {
			err = c.idle()
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// idle counts something that brings nothing.
func (c *Conn) idle() error {
	if c.in.idle++; c.in.idle > maxIdle {
		return fault(AlertUnexpectedMessage, "too many records that bring nothing")
	}
	return nil
}

// heed judges an alert of the peer: nil for a warning.
func (c *Conn) heed(content []byte) error {
	if len(content) != 2 {
		return fault(AlertDecodeError, "an alert of %d bytes", len(content))
	}
	switch level, alert := content[0], Alert(content[1]); {
	case alert == AlertCloseNotify:
		return io.EOF
	case level == levelWarning:
		return nil
	case level == levelFatal:
		return &AlertError{Alert: alert, Remote: true}
	}
	return fault(AlertIllegalParameter, "an alert of level %d", content[0])
}

// refuseHandshake answers a peer that wants another handshake.
func (c *Conn) refuseHandshake(content []byte) error {
	c.in.hand = append(c.in.hand, content...)
	for {
		message, err := nextMessage(&c.in.hand)
		if message == nil || err != nil {
			return err
		}
		asks := typeClientHello
		if c.client {
			asks = typeHelloRequest
		}
		if typ := messageType(message[0]); typ != asks {
			return fault(AlertUnexpectedMessage, "a handshake message of type %d after the handshake", typ)
		}
		if err := c.idle(); err != nil {
			return err
		}
		c.tell(levelWarning, AlertNoRenegotiation)
	}
}

// nextMessage cuts the first message, with its header, off what has come. It is nil if more has to come.
func nextMessage(hand *[]byte) ([]byte, error) {
	b := *hand
	if len(b) < messageHeaderLen {
		return nil, nil
	}
	n := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	if n > maxMessage {
		return nil, fault(AlertIllegalParameter, "a handshake message of %d bytes", n)
	}
	if n += messageHeaderLen; len(b) < n {
		return nil, nil
	}
	*hand = b[n:]
	return b[:n:n], nil
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// readMessage is the next message of the handshake, which has to be of a type. It is valid for good.
func (c *Conn) readMessage(want messageType) ([]byte, error) {
	for {
		message, err := nextMessage(&c.in.hand)
		if err != nil {
			return nil, err
		}
		if message == nil {
			if err := c.readHandshakeRecord(recordHandshake); err != nil {
				return nil, fmt.Errorf("anontls: wait for handshake message %d: %w", want, err)
			}
			continue
		}
		switch typ := messageType(message[0]); {
		case typ == want:
			return message, nil
		case typ != typeHelloRequest || !c.client || len(message) != messageHeaderLen:
			return nil, fault(AlertUnexpectedMessage, "handshake message %d instead of %d", typ, want)
		}
		if err := c.idle(); err != nil { // a HelloRequest means nothing in a handshake
			return nil, err
		}
	}
}

// readHandshakeRecord takes in one record of a type during the handshake.
func (c *Conn) readHandshakeRecord(want recordType) error {
	typ, content, err := c.nextRecord()
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case typ != want:
		return fault(AlertUnexpectedMessage, "a record of type %d instead of %d", typ, want)
	case want == recordHandshake:
		c.in.hand = append(c.in.hand, content...)
	case len(content) != 1 || content[0] != 1:
		return fault(AlertDecodeError, "a malformed ChangeCipherSpec")
	}
	return nil
}
