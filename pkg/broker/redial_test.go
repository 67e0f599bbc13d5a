// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// TestDialBehindOldHandshake dials an endpoint while another handshake with it is under way, which then comes to nothing: the address
// is dialed again at once, not when the handshake's time is up.
func TestDialBehindOldHandshake(t *testing.T) {
	inBubble(t, Options{PlainProtocol: true}, func(t *testing.T, e *Endpoint, l *memListener) {
		id := data.EndpointID{0x11}
		greet := append(wire.AppendHandshake(nil, &wire.Hello{Sender: id, Min: 1, Max: 1}),
			wire.AppendHandshake(nil, &wire.VersionSelect{Sender: id, Version: 1})...)
		old := l.dial(t)
		old.Write(greet)
		synctest.Wait()
		dials := make(chan net.Conn, 10)
		e.dialer.Connect = func(context.Context, string) (net.Conn, error) {
			near, far := memPipe()
			dials <- far
			return near, nil
		}
		began := time.Now()
		result := make(chan error, 1)
		go func() {
			_, err := e.Peer(t.Context(), "10.0.0.7:1", PeerOptions{})
			result <- err
		}()
		(<-dials).Write(greet[wire.FrameHeader+23:]) // version_select alone: the dialer has said hello
		synctest.Wait()
		old.Close()
		far := <-dials
		far.Write(greet[wire.FrameHeader+23:])
		far.Write(wire.AppendHandshake(wire.AppendHandshake(nil, &wire.OriginatorSyn{}), &wire.OriginatorAck{}))
		if err := <-result; err != nil || time.Since(began) > time.Second {
			t.Errorf("Peer: %v after %v", err, time.Since(began))
		}
		far.Close()
	})
}
