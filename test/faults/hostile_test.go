// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// victim is the member that is attacked: the node in the middle of a chain, so that what its peers say to each other goes over it.
const victim = 1

// hostilePeak bounds the memory of the victim's process: what a Go program takes for itself, and the queues and frames of connections as
// they are limited in these tests, garbage included.
const hostilePeak = memoryFactor * 256 << 20

// hostileFrame is the largest frame, hostileQueue what waits for a peer at most, hostileFiles how many files may be open.
const (
	hostileFrame = 4 << 20
	hostileQueue = 16 << 20
	hostileFiles = 160
)

// siege is a chain of three nodes and a host from which the one in the middle is attacked.
type siege struct {
	t    testing.TB
	f    *fleet
	host *lab.Host
	rng  *rand.Rand
}

func newSiege(t testing.TB) *siege {
	w := &world{kinds: []kind{kindNode, kindNode, kindNode}, links: map[link]bool{{0, 1}: true, {1, 2}: true},
		wants: [][]string{{"/t/"}, {"/"}, {"/"}}}
	f := newFleetTuned(t, w, 1, never, 1, func(m int) order {
		if m == victim {
			return order{MaxFrame: hostileFrame, Queue: hostileQueue, Files: hostileFiles}
		}
		return order{}
	})
	return &siege{t: t, f: f, host: f.lab.Hosts()[len(w.kinds)], rng: rand.New(rand.NewPCG(1, 2))}
}

func (s *siege) stats() statsReport {
	s.t.Helper()
	return s.f.members[victim].order(order{Do: doState}).Stats
}

func (s *siege) usage() usage {
	s.t.Helper()
	return s.f.members[victim].order(order{Do: doUsage}).Use
}

// connect opens a connection to the victim from one of the host's addresses.
func (s *siege) connect(from int) net.Conn {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := s.host.Dial(ctx, from, netip.AddrPortFrom(s.f.members[victim].host.Addr, port))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// intruder is a connection on which the handshake has succeeded.
type intruder struct {
	*peering.Established
	s    *siege
	self data.EndpointID
}

// join peers with the victim, as an endpoint that is of another project.
func (s *siege) join(from int, filter ...string) *intruder {
	s.t.Helper()
	in := &intruder{s: s, self: data.NewEndpointID()}
	cfg := peering.Config{Self: in.self, Registry: peering.NewRegistry(), Filter: func() []string { return filter }}
	est, err := peering.Negotiate(context.Background(), s.connect(from), true, cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	in.Established = est
	return in
}

// frame is an envelope of the intruder.
func (in *intruder) frame(t wire.Type, topic string, payload []byte) []byte {
	env := wire.Envelope{Sender: in.self, Receiver: in.Peer, Type: t, TTL: wire.DefaultTTL, Topic: []byte(topic), Payload: payload}
	if t == wire.TypeData {
		env.Receiver = data.EndpointID{}
	}
	b, err := wire.AppendFrame(nil, &env)
	if err != nil {
		in.s.t.Fatal(err)
	}
	return b
}

// write sends bytes, whatever becomes of them. It doesn't wait for a victim that has stopped reading for good.
func write(c net.Conn, b []byte) error {
	c.SetWriteDeadline(time.Now().Add(patience))
	_, err := c.Write(b)
	return err
}

// closed waits until the victim closes a connection.
func closed(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection from %v was not closed", c.LocalAddr())
	}
}

// reading throws away what the victim sends, until the connection ends.
func reading(c net.Conn) { go io.Copy(io.Discard, c) }

// counted waits until a counter of the victim has risen by so much.
func (s *siege) counted(what string, before, by uint64, read func(statsReport) uint64) {
	s.t.Helper()
	poll(s.t, "counter of "+what, func() string {
		if n := read(s.stats()) - before; n < by {
			return fmt.Sprintf("%d, want %d", n, by)
		}
		return ""
	})
}

func refused(s statsReport) uint64 { return s.Refused }
func lost(s statsReport) uint64    { return s.Lost }
func crowded(s statsReport) uint64 { return s.Crowded }
func dropped(cause string) func(statsReport) uint64 {
	return func(s statsReport) uint64 { return s.Dropped[cause] }
}

// length is the front of a frame.
func length(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// TestHostile attacks a node, one way after the other. Each time the node goes on to serve its peers, whose connections stay up and who
// miss nothing; when the attack is over nothing is left of it; and the node never takes much memory.
func TestHostile(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.run(t)
		})
	}
}

// attack is a way to be hostile.
type attack struct {
	name string
	do   func(s *siege)
}

var attacks = []attack{
	{"silent handshakes", silentHandshakes},
	{"slow handshakes", slowHandshakes},
	{"flood from one address", floodFromOne},
	{"flood from many addresses", floodFromMany},
	{"more connections than files", outOfFiles},
	{"churn", churn},
	{"oversized lengths", oversizedLengths},
	{"garbage handshakes", garbageHandshakes},
	{"borrowed IDs", borrowedIDs},
	{"garbage after the handshake", garbageFrames},
	{"bad messages", badMessages},
	{"truncated frames", truncatedFrames},
	{"partial frames", partialFrames},
	{"a million subscriptions", manySubscriptions},
	{"many filters", manyFilters},
	{"long prefixes", longPrefixes},
	{"a slow reader", slowReader},
	{"pings without end", pingsWithoutEnd},
	{"false link state", falseLinkState},
	{"a crowd of nodes", crowdOfNodes},
}

// run attacks a node. While nothing but the attack happens, its peerings stay.
func (a attack) run(t testing.TB) totals {
	s := newSiege(t)
	s.f.quiet("before the attack", 1)
	before, use := s.f.since(s.f.settle("before the attack")), s.usage()
	a.do(s)
	if !s.f.quiet("after the attack", 3) {
		t.Error("a connection between members was lost")
	}
	after := s.f.since(s.f.settle("after the attack"))
	for d, since := range before {
		if after[d] != since {
			t.Errorf("the connection of m%d and m%d was lost", d[0], d[1])
		}
	}
	s.over(use)
	s.f.finish()
	return s.f.totals
}

// over waits until nothing is left of an attack, and looks at what the victim has taken at most.
func (s *siege) over(before usage) {
	s.t.Helper()
	var u usage
	poll(s.t, "the victim", func() string {
		if u = s.usage(); u.Goroutines > before.Goroutines || u.Descriptors > before.Descriptors {
			return fmt.Sprintf("%+v, before %+v", u, before)
		}
		return ""
	})
	s.t.Logf("at most %d MiB", u.Peak>>20)
	if u.Peak > hostilePeak {
		s.t.Errorf("the victim took up to %d MiB, allowed are %d", u.Peak>>20, hostilePeak>>20)
	}
}

// during serves the members while an attack goes on.
func (s *siege) during() {
	s.t.Helper()
	if !s.f.quiet("during the attack", 2) {
		s.t.Error("a connection between members was lost during the attack")
	}
}
