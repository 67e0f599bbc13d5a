// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// TestTTLOverHops lets messages go as many hops inside a mesh as they may, and no further.
func TestTTLOverHops(t *testing.T) {
	for ttl := 1; ttl <= 4; ttl++ {
		synctest.Test(t, func(t *testing.T) {
			doors := &fleet{t: t, doors: make(map[string]*memListener)}
			var es []*Endpoint
			var subs []*Subscriber
			for i := range 4 { // a chain
				e := endpoint(t, Options{TTL: ttl})
				e.dialer.Connect = doors.connect
				door := newMemListener()
				if err := e.listen(door); err != nil {
					t.Fatal(err)
				}
				doors.doors[fmt.Sprintf("127.0.0.%d:9", i)] = door
				if i > 0 {
					if _, err := e.Peer(t.Context(), fmt.Sprintf("127.0.0.%d:9", i-1), PeerOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				sub, err := e.Subscribe([]string{"/t"}, QueueLimit{})
				if err != nil {
					t.Fatal(err)
				}
				es, subs = append(es, e), append(subs, sub)
			}
			synctest.Wait()
			publish(t, es[0], "/t", data.None())
			synctest.Wait()
			for i, sub := range subs[1:] {
				if want := map[bool]int{true: 1}[i < ttl]; sub.Available() != want {
					t.Errorf("TTL %d: after %d hops there are %d messages, want %d", ttl, i+1, sub.Available(), want)
				}
			}
			var dropped uint64
			for _, e := range es {
				dropped += e.Stats().Dropped[DropTTL]
			}
			if want := map[bool]uint64{true: 1}[ttl < 3]; dropped != want {
				t.Errorf("TTL %d: %d drops counted, want %d", ttl, dropped, want)
			}
		})
	}
}

// TestLoggedOnceAMinute: bad messages and refused connections are all counted, and written down once a minute.
func TestLoggedOnceAMinute(t *testing.T) {
	var out lockedBuffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	lines := func(text string) int {
		out.mu.Lock()
		defer out.mu.Unlock()
		return bytes.Count(out.b.Bytes(), []byte(text))
	}
	inBubble(t, Options{PlainProtocol: true, Logger: logger}, func(t *testing.T, e *Endpoint, l *memListener) {
		r := rawDial(t, l.dial(t), e)
		for minute := 1; minute <= 3; minute++ {
			for range 20 {
				r.send(wire.TypeData, "/t", []byte{99})
				stranger := l.dial(t)
				stranger.Write([]byte("GET / HTTP/1.1\r\n"))
				synctest.Wait() // more at a time from one address would be turned away before
			}
			if bad, refused := lines("bad message dropped"), lines("connection refused"); bad != minute || refused != minute {
				t.Errorf("minute %d: %d lines about bad messages, %d about refused connections", minute, bad, refused)
			}
			s := e.Stats()
			if n := uint64(20 * minute); s.Dropped[DropPayload] != n || s.HandshakesFailed != n {
				t.Errorf("minute %d: %d bad messages and %d refusals counted, want %d", minute, s.Dropped[DropPayload], s.HandshakesFailed, n)
			}
			for range 20 { // the peer is not silent meanwhile
				time.Sleep(3 * time.Second)
				r.send(wire.TypePing, topic.Reserved, []byte("x"))
			}
			time.Sleep(time.Second)
		}
		r.conn.Close()
	})
}

// TestAnyEndpointID takes peers whose IDs are no UUIDs of versions 1 to 5: their events are raised like all others, unlike the
// reference's. The own IDs are of version 4.
func TestAnyEndpointID(t *testing.T) {
	for _, nibble := range []byte{0x00, 0x60, 0x70, 0xf0} {
		inBubble(t, Options{PlainProtocol: true}, func(t *testing.T, e *Endpoint, l *memListener) {
			events, _ := e.SubscribeStatus(false)
			id := data.EndpointID{0xff, 6: nibble, 15: 1}
			r := rawDialAs(t, l.dial(t), e, id)
			for _, want := range []string{"endpoint_discovered", "peer_added", "peer_lost", "endpoint_unreachable"} {
				if want == "peer_lost" {
					r.conn.Close()
				}
				if ev, _ := nextEvent(t, events); ev.Code != want || ev.ID != id {
					t.Errorf("version nibble %x: event %+v, want %s", nibble>>4, ev, want)
				}
			}
		})
	}
	for range 100 {
		if id := data.NewEndpointID().String(); id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Errorf("own ID %s", id)
		}
	}
}

// TestSilenceInEveryState leaves the handshake where it is, in every state and both roles: it ends after 10 s and nothing is left.
func TestSilenceInEveryState(t *testing.T) {
	small, large := data.EndpointID{0x11}, data.EndpointID{0xff}
	hello := func(id data.EndpointID) wire.Handshake { return &wire.Hello{Sender: id, Min: 1, Max: 1} }
	selects := &wire.VersionSelect{Sender: small, Version: 1}
	for name, said := range map[string][]wire.Handshake{
		"A or B": nil, "A or B after a probe": {&wire.Probe{}}, "VS": {hello(small)}, "OS": {hello(small), selects},
		"OA": {hello(small), selects, &wire.OriginatorSyn{Filter: []string{"/t"}}}, "RA": {hello(large)},
	} {
		for _, dials := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dials=%v", name, dials), func(t *testing.T) {
				inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
					conn, result := silentPeer(t, e, l, dials)
					began := time.Now()
					for _, m := range said {
						conn.Write(wire.AppendHandshake(nil, m))
					}
					for buf := make([]byte, 100); ; {
						if _, err := conn.Read(buf); err != nil {
							break
						}
					}
					if d := time.Since(began); !about(d, 10*time.Second) {
						t.Errorf("closed after %v", d)
					}
					if dials && <-result == nil {
						t.Error("Peer says that it is peered")
					}
					synctest.Wait()
					if len(e.Peers()) != 0 || e.registry.Known(small) || e.registry.Known(large) {
						t.Errorf("left behind: %+v", e.Peers())
					}
				})
			})
		}
	}
}

// silentPeer connects with the endpoint, or is dialed by it; result is what Peer answers then.
func silentPeer(t *testing.T, e *Endpoint, l *memListener, dials bool) (conn interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
}, result chan error) {
	if !dials {
		return l.dial(t), nil
	}
	there := newMemListener()
	e.dialer.Connect = there.connect
	result = make(chan error, 1)
	go func() {
		_, err := e.Peer(context.Background(), "10.0.0.7:1", PeerOptions{})
		result <- err
	}()
	conn, err := there.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*memConn), result
}

// TestNothingEmptyIsSent: versions before 2.8 close the connection on an empty topic or payload, so neither is passed on, and no own
// frame has one.
func TestNothingEmptyIsSent(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
		from := rawDial(t, l.dial(t), e)
		from.send(wire.TypePing, topic.Reserved, []byte("x"))
		to := rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 2}, "")
		to.send(wire.TypePing, topic.Reserved, wire.Announcement{Version: 1}.Append(nil)) // as a client, which gets what foreign peers send
		synctest.Wait()
		e.SetWants([]string{"/w"})
		for _, typ := range []wire.Type{wire.TypeData, wire.TypeCommand} {
			from.send(typ, "", []byte{0})
			from.send(typ, "/t", nil)
		}
		from.send(wire.TypeData, "/t", []byte{0})
		e.SetWants(nil)
		synctest.Wait()
		time.Sleep(pingAfter + time.Second)
		synctest.Wait()
		to.conn.(*memConn).SetReadDeadline(time.Now())
		got := 0
		for body, err := to.tryRead(); err == nil; body, err = to.tryRead() {
			env, err := wire.ParseEnvelope(body)
			if err != nil || len(env.Topic) == 0 || len(env.Payload) == 0 {
				t.Errorf("sent %+v, %v", env, err)
			}
			if env.Type == wire.TypeData {
				got++
			}
		}
		if got != 1 {
			t.Errorf("%d messages were passed on, want 1", got)
		}
		from.conn.Close()
		to.conn.Close()
	})
}
