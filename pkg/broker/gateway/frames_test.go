// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Opcodes of frames.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// rawClient speaks the protocol with its own hands, so that its frames are
// exactly those of a test. It skips pings.
type rawClient struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dialRaw(t *testing.T, g *Gateway) rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "GET "+Path+" HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Sec-WebSocket-Accept"); response.StatusCode != http.StatusSwitchingProtocols || got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("answer %v", response)
	}
	if response.Header.Get("Sec-WebSocket-Extensions") != "" || response.Header.Get("Sec-WebSocket-Protocol") != "" {
		t.Errorf("extensions were agreed upon: %v", response.Header)
	}
	return rawClient{t, conn, r}
}

// frame writes a masked frame.
func (c rawClient) frame(fin bool, op byte, payload []byte) {
	c.t.Helper()
	first := op
	if fin {
		first |= 0x80
	}
	b := append([]byte{first, 0x80 | 126}, binary.BigEndian.AppendUint16(nil, uint16(len(payload)))...)
	if len(payload) < 126 {
		b = []byte{first, 0x80 | byte(len(payload))}
	}
	mask := []byte{1, 2, 3, 4}
	b = append(b, mask...)
	for i, x := range payload {
		b = append(b, x^mask[i%4])
	}
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// next reads a frame that is no ping.
func (c rawClient) next() (op byte, payload []byte, err error) {
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(c.r, head); err != nil {
			return 0, nil, err
		}
		size := int(head[1])
		if size == 126 {
			long := make([]byte, 2)
			if _, err := io.ReadFull(c.r, long); err != nil {
				return 0, nil, err
			}
			size = int(binary.BigEndian.Uint16(long))
		}
		payload = make([]byte, size)
		if _, err := io.ReadFull(c.r, payload); err != nil {
			return 0, nil, err
		}
		if head[0] != 0x80|opPing {
			return head[0] & 0x0f, payload, nil
		}
	}
}

func (c rawClient) expect(op byte, payload string) {
	c.t.Helper()
	got, text, err := c.next()
	if err != nil || got != op || string(text) != payload {
		c.t.Fatalf("received frame %d %q, %v, want %d %q", got, text, err, op, payload)
	}
}

func (c rawClient) ended() {
	c.t.Helper()
	if op, payload, err := c.next(); !errors.Is(err, io.EOF) {
		c.t.Errorf("received frame %d %q, %v, want the end", op, payload, err)
	}
}

// Messages may come in fragments, with pings between them.
func TestFragments(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{})
	listener := join(t, g, `["/t"]`)
	c := dialRaw(t, g)
	c.frame(true, opText, []byte("[]"))
	if _, _, err := c.next(); err != nil {
		t.Fatal(err)
	}
	op := byte(opText)
	for part := range slices.Chunk([]byte(one), 10) {
		c.frame(false, op, part)
		c.frame(true, opPing, part)
		c.expect(opPong, string(part))
		op = opContinuation
	}
	c.frame(true, op, nil)
	listener.expect(one)
}

// What breaks the WebSocket protocol ends that connection and nothing else.
func TestBrokenFrames(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{})
	for name, frame := range map[string][]byte{
		"unmasked":                {0x81, 2, '[', ']'},
		"reserved bits":           {0xf1, 0x80, 0, 0, 0, 0},
		"unknown opcode":          {0x83, 0x80, 0, 0, 0, 0},
		"nothing to continue":     {0x80, 0x80, 0, 0, 0, 0},
		"fragmented ping":         {opPing, 0x80, 0, 0, 0, 0},
		"a length of 2^63":        {0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a close frame of a byte": {0x88, 0x81, 0, 0, 0, 0, 3},
	} {
		c := dialRaw(t, g)
		if _, err := c.Write(frame); err != nil {
			t.Fatal(err)
		}
		for {
			op, _, err := c.next()
			if err != nil {
				break
			}
			if op != opClose {
				t.Errorf("%s: answer %d", name, op)
			}
			c.Close()
		}
	}
	c := join(t, g, `[]`)
	c.send("[]")
	c.receive()
}
