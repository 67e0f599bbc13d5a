// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// TestAckNotWritten ends the connection when the originator has all that it needs and only its last message is missing: the claim on
// the peer's ID is given up, so that the next connection is accepted.
func TestAckNotWritten(t *testing.T) {
	cfg := config(below)
	ours, theirs := net.Pipe()
	result := make(chan error, 1)
	go func() {
		_, err := Negotiate(t.Context(), ours, false, cfg)
		result <- err
	}()
	readFrame := func() {
		t.Helper()
		var head [wire.FrameHeader]byte
		if _, err := io.ReadFull(theirs, head[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, theirs, int64(binary.BigEndian.Uint32(head[:]))); err != nil {
			t.Fatal(err)
		}
	}
	readFrame() // probe
	theirs.Write(wire.AppendHandshake(nil, &wire.Hello{Sender: above, Min: 1, Max: 1}))
	readFrame() // version_select
	readFrame() // originator_syn
	theirs.Write(wire.AppendHandshake(nil, &wire.ResponderSynAck{}))
	theirs.Close()
	if err := <-result; err == nil {
		t.Error("established without a word")
	}
	if cfg.Registry.Known(above) {
		t.Error("the peer still counts as connected")
	}
}
