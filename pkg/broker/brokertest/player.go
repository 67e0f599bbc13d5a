// SPDX-License-Identifier: Apache-2.0

package brokertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// patience is how long a player waits for a frame of the endpoint under test.
const patience = 10 * time.Second

// Player is one side of a recorded conversation on a real connection. Its methods fail the test when the endpoint under test doesn't
// say what it should; they belong to the test's goroutine.
type Player struct {
	t    testing.TB
	conv *Conversation
	side Side
	conn net.Conn
	got  int // frames of the endpoint under test
}

// Dial connects to the endpoint under test and plays the connecting side.
func Dial(t testing.TB, conv *Conversation, address string) *Player {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	return NewPlayer(t, conv, Connecting, conn)
}

// Accept waits for the endpoint under test and plays the accepting side.
func Accept(t testing.TB, conv *Conversation, l net.Listener) *Player {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return NewPlayer(t, conv, Accepting, conn)
}

// NewPlayer plays a side on a connection, which is closed at the end of the test.
func NewPlayer(t testing.TB, conv *Conversation, side Side, conn net.Conn) *Player {
	t.Cleanup(func() { conn.Close() })
	return &Player{t: t, conv: conv, side: side, conn: conn}
}

// after tells which message a side waits for before it sends one in the handshake; a type that is missing is sent at once.
var after = map[wire.Type]wire.Type{
	wire.TypeVersionSelect: wire.TypeHello, wire.TypeOriginatorSyn: wire.TypeHello,
	wire.TypeResponderSynAck: wire.TypeOriginatorSyn, wire.TypeOriginatorAck: wire.TypeResponderSynAck,
}

// Handshake plays the whole handshake and compares each message of the endpoint.
func (p *Player) Handshake() {
	p.t.Helper()
	heard := map[wire.Type]bool{}
	hear := func() {
		want := p.conv.frames[p.side.Other()][p.got]
		if got := p.read(); !bytes.Equal(got, want) {
			p.t.Fatalf("%s: handshake frame %d: got %x, recorded %x", p.conv.Name, p.got, got, want)
		}
		heard[wire.Type(want[0])] = true
		p.got++
	}
	for _, body := range p.conv.frames[p.side][:p.conv.handshake(p.side)] {
		typ := wire.Type(body[0])
		need, waits := after[typ]
		if typ == wire.TypeHello && p.side == Accepting {
			need, waits = wire.TypeHello, true
		}
		for waits && !heard[need] {
			hear()
		}
		p.write(body)
	}
	for p.got < p.conv.handshake(p.side.Other()) {
		hear()
	}
}

// Same tells whether two envelopes are equal: one that was recorded and one of the endpoint under test. Closing pings count as equal
// whatever their tokens.
func Same(a, b wire.Envelope) bool {
	return a.Type == b.Type && a.Sender == b.Sender && a.Receiver == b.Receiver && a.TTL == b.TTL && bytes.Equal(a.Topic, b.Topic) &&
		(bytes.Equal(a.Payload, b.Payload) || a.Type == wire.TypePing && wire.IsBye(a.Payload) && wire.IsBye(b.Payload))
}

// Receive reads the endpoint's next frame, whatever it is. An announcement is answered as C++ Broker answers any ping, and skipped.
func (p *Player) Receive() wire.Envelope {
	p.t.Helper()
	for {
		env, err := wire.ParseEnvelope(p.read())
		if err != nil {
			p.t.Fatalf("%s: %v", p.conv.Name, err)
		}
		if env.Type == wire.TypePing {
			if _, ok := wire.ParseAnnouncement(env.Payload); ok {
				p.Write(wire.Envelope{Sender: p.conv.ID(p.side), Receiver: env.Sender, Type: wire.TypePong, TTL: wire.DefaultTTL,
					Topic: env.Topic, Payload: env.Payload})
				continue
			}
		}
		p.got++
		return env
	}
}

// Write sends a frame.
func (p *Player) Write(env wire.Envelope) {
	p.t.Helper()
	frame, err := wire.AppendFrame(nil, &env)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(frame[wire.FrameHeader:])
}

// ExpectEnd waits until the endpoint has closed the connection and fails if it says anything before.
func (p *Player) ExpectEnd() {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := p.conn.Read(make([]byte, 1))
	var timeout net.Error
	if n > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		p.t.Fatalf("%s: the endpoint did not close the connection (read %d bytes, %v)", p.conv.Name, n, err)
	}
}

// Close closes the connection.
func (p *Player) Close() { p.conn.Close() }

func (p *Player) write(body []byte) {
	p.t.Helper()
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	p.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.conn.Write(frame); err != nil {
		p.t.Fatalf("%s: %v", p.conv.Name, err)
	}
}

func (p *Player) read() []byte {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(patience))
	var head [wire.FrameHeader]byte
	if _, err := io.ReadFull(p.conn, head[:]); err != nil {
		p.t.Fatalf("%s: waiting for frame %d of the endpoint: %v", p.conv.Name, p.got, err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(p.conn, body); err != nil {
		p.t.Fatalf("%s: %v", p.conv.Name, err)
	}
	return body
}
