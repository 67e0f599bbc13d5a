// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// MaxHandshakes is how many connections of one listener may be in the handshake at a time.
const MaxHandshakes = 128

// Serve accepts connections until the listener is closed and runs handle for each in a goroutine of its own; it returns when the
// last one has returned. handle calls done when the handshake is over, which makes room for another connection; beyond MaxHandshakes
// a new connection is closed at once.
func Serve(l net.Listener, log *slog.Logger, handle func(c net.Conn, done func())) {
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, MaxHandshakes)
	var warned time.Time
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the connection is gone already: others may do better
			log.Warn("accept failed", "listener", l.Addr(), "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		select {
		case slots <- struct{}{}:
			all.Go(func() { handle(conn, sync.OnceFunc(func() { <-slots })) })
		default:
			conn.Close()
			if now := time.Now(); now.Sub(warned) > time.Minute {
				warned = now
				log.Warn("too many connections in the handshake", "listener", l.Addr(), "limit", MaxHandshakes)
			}
		}
	}
}

// Listen opens a TCP listener. An empty host means all interfaces.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}
