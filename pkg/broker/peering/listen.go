// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the connections that are in the handshake at a time.
const (
	// MaxHandshakes is the limit of one listener.
	MaxHandshakes = 128
	// MaxHandshakesPerSource is the limit of one address at one listener. The loopback addresses are exempt.
	MaxHandshakesPerSource = 16
)

// crowdedInterval is the least time between two log lines about connections that were closed because of these limits.
const crowdedInterval = time.Minute

// acceptPause is how long accepting rests after a failure.
const acceptPause = 50 * time.Millisecond

// Serve accepts connections until the listener is closed and runs handle for each in a goroutine of its own; it returns when the
// last one has returned. handle calls done when the handshake is over, which makes room for another connection. Connections beyond
// the limits are closed at once and counted in crowded.
func Serve(l net.Listener, log *slog.Logger, crowded *atomic.Uint64, handle func(c net.Conn, done func())) {
	var all sync.WaitGroup
	defer all.Wait()
	door := &door{open: make(map[netip.Addr]int)}
	var turned uint64 // since the last log line
	var logged time.Time
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the connection is gone already: others may do better
			log.Warn("accept failed", "listener", l.Addr(), "error", err)
			time.Sleep(acceptPause)
			continue
		}
		source := sourceOf(conn)
		if limit := door.enter(source); limit != "" {
			conn.Close()
			crowded.Add(1)
			turned++
			if now := time.Now(); now.Sub(logged) >= crowdedInterval {
				log.Warn("too many connections in the handshake", "listener", l.Addr(), "limit", limit, "source", source, "closed", turned)
				logged, turned = now, 0
			}
			continue
		}
		all.Go(func() { handle(conn, sync.OnceFunc(func() { door.leave(source) })) })
	}
}

// door counts the handshakes of a listener.
type door struct {
	mu    sync.Mutex
	total int
	open  map[netip.Addr]int // by source, where a limit applies
}

// enter lets a connection in, or names the limit that is reached.
func (d *door) enter(source netip.Addr) (limit string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.total >= MaxHandshakes:
		return "listener"
	case source.IsValid() && d.open[source] >= MaxHandshakesPerSource:
		return "source address"
	}
	d.total++
	if source.IsValid() {
		d.open[source]++
	}
	return ""
}

func (d *door) leave(source netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total--
	if d.open[source]--; d.open[source] <= 0 {
		delete(d.open, source)
	}
}

// sourceOf is the address to which the limit of a source applies; the zero Addr if none does.
func sourceOf(conn net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || at.Addr().Unmap().IsLoopback() {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// Listen opens a TCP listener. An empty host means all interfaces.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}
