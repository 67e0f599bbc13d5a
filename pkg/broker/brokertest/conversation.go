// SPDX-License-Identifier: Apache-2.0

package brokertest

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Side is one of the two ends of a recorded connection.
type Side uint8

// The sides.
const (
	Connecting Side = iota // opened the TCP connection
	Accepting
)

// Other is the opposite side.
func (s Side) Other() Side { return 1 - s }

// Conversation is what two endpoints said to each other on one connection.
type Conversation struct {
	Name   string // folder and number of the connection
	ids    [2]data.EndpointID
	frames [2][][]byte // bodies
}

// Load reads connection number conn of the conversation in a folder.
func Load(dir string, conn int) (*Conversation, error) {
	c := &Conversation{Name: fmt.Sprintf("%s/%d", filepath.Base(dir), conn)}
	for side, name := range map[Side]string{Accepting: "s2c", Connecting: "c2s"} {
		raw, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("conn%d.%s.bin", conn, name)))
		if err != nil {
			return nil, err
		}
		if c.frames[side], err = split(raw); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", dir, name, err)
		}
		c.ids[side] = sender(c.frames[side])
	}
	return c, nil
}

// LoadAll reads every connection of every conversation below a folder on which a peering came up, by name.
func LoadAll(dir string) ([]*Conversation, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "conn*.c2s.bin"))
	if err != nil {
		return nil, err
	}
	var out []*Conversation
	for _, file := range files {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(file), "conn%d.", &n); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		c, err := Load(filepath.Dir(file), n)
		if err != nil {
			return nil, err
		}
		if !c.ids[Accepting].IsZero() && !c.ids[Connecting].IsZero() {
			out = append(out, c)
		}
	}
	return out, nil
}

// sender finds who sent the frames: the handshake says it.
func sender(frames [][]byte) (id data.EndpointID) {
	for _, body := range frames {
		switch msg, _ := wire.ParseHandshake(body); msg := msg.(type) {
		case *wire.Hello:
			return msg.Sender
		case *wire.VersionSelect:
			return msg.Sender
		}
	}
	return id
}

func split(raw []byte) ([][]byte, error) {
	var out [][]byte
	for len(raw) > 0 {
		if len(raw) < wire.FrameHeader || uint64(binary.BigEndian.Uint32(raw)) > uint64(len(raw)-wire.FrameHeader) {
			return nil, fmt.Errorf("frame %d is cut off", len(out))
		}
		end := wire.FrameHeader + int(binary.BigEndian.Uint32(raw))
		out, raw = append(out, raw[wire.FrameHeader:end:end]), raw[end:]
	}
	return out, nil
}

// ID is the endpoint ID of a side.
func (c *Conversation) ID(s Side) data.EndpointID { return c.ids[s] }

// Envelopes are the frames that a side sent after the handshake, in order.
func (c *Conversation) Envelopes(s Side) []wire.Envelope {
	var out []wire.Envelope
	for _, body := range c.frames[s][c.handshake(s):] {
		env, err := wire.ParseEnvelope(body)
		if err != nil {
			panic(fmt.Sprintf("recorded conversation %s: %v", c.Name, err))
		}
		out = append(out, env)
	}
	return out
}

// Filter is what a side subscribed to when the peering began.
func (c *Conversation) Filter(s Side) []string {
	for _, body := range c.frames[s][:c.handshake(s)] {
		switch msg, _ := wire.ParseHandshake(body); msg := msg.(type) {
		case *wire.OriginatorSyn:
			return msg.Filter
		case *wire.ResponderSynAck:
			return msg.Filter
		}
	}
	return nil
}

// handshake is the number of frames with which a side's handshake ends.
func (c *Conversation) handshake(s Side) int {
	for i, body := range c.frames[s] {
		switch wire.Type(body[0]) {
		case wire.TypeOriginatorAck, wire.TypeResponderSynAck:
			return i + 1
		}
	}
	return len(c.frames[s])
}
