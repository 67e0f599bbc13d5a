// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// silentHandshakes connects and says nothing, as often as is allowed: the victim gives up after its time for handshakes.
func silentHandshakes(s *siege) {
	before := s.stats()
	var all []net.Conn
	for range peering.MaxHandshakesPerSource {
		all = append(all, s.connect(0))
	}
	s.during()
	for _, c := range all {
		closed(s.t, c)
	}
	s.counted("failed handshakes", before.Refused, peering.MaxHandshakesPerSource, refused)
}

// slowHandshakes says hello, one byte at a time.
func slowHandshakes(s *siege) {
	before := s.stats()
	hello := wire.AppendHandshake(nil, &wire.Hello{Sender: data.NewEndpointID(), Min: wire.ProtocolVersion, Max: wire.ProtocolVersion})
	c := s.connect(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, b := range hello {
			if write(c, []byte{b}) != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	s.during()
	closed(s.t, c)
	<-done
	s.counted("failed handshakes", before.Refused, 1, refused)
}

// floodFromOne opens far more connections than one address may have in the handshake. The others don't wait for that.
func floodFromOne(s *siege) {
	before := s.stats()
	const more = 300
	for range peering.MaxHandshakesPerSource + more {
		s.connect(0)
	}
	s.counted("crowded handshakes", before.Crowded, more, crowded)
	s.newcomer()
	s.during()
}

// floodFromMany fills all places for handshakes. Newcomers wait until the silent ones are given up.
func floodFromMany(s *siege) {
	before := s.stats()
	const more = 2
	for from := range lab.Addresses {
		for range peering.MaxHandshakes/lab.Addresses + more {
			s.connect(from)
		}
	}
	s.counted("crowded handshakes", before.Crowded, lab.Addresses*more, crowded)
	s.during()
	s.newcomer()
}

// outOfFiles peers until the victim can open no more files, and then connects ever more. When they go, newcomers get in.
func outOfFiles(s *siege) {
	var all []net.Conn
	refused := 0
	for i := 0; refused == 0 && i < 2*hostileFiles; i++ {
		cfg := peering.Config{Self: data.NewEndpointID(), Registry: peering.NewRegistry(), Filter: func() []string { return nil }}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		c := s.connect(i % lab.Addresses)
		est, err := peering.Negotiate(ctx, c, true, cfg)
		cancel()
		if err != nil {
			refused++
			continue
		}
		reading(est.Conn)
		all = append(all, est.Conn)
	}
	if refused == 0 {
		s.t.Errorf("the victim took all of %d connections", len(all))
	}
	for range 50 {
		s.connect(0)
	}
	s.during()
	for _, c := range all {
		c.Close()
	}
	s.newcomer()
}

// newcomer peers with the victim, from another host, and leaves again. Attempts that find no place are repeated, as endpoints do.
func (s *siege) newcomer() {
	s.t.Helper()
	cfg := peering.Config{Self: data.NewEndpointID(), Registry: peering.NewRegistry(), Filter: func() []string { return nil }}
	poll(s.t, "a newcomer", func() string {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, err := s.f.lab.Hosts()[0].Dial(ctx, 1, netip.AddrPortFrom(s.f.members[victim].host.Addr, port))
		if err != nil {
			return err.Error()
		}
		est, err := peering.Negotiate(ctx, c, true, cfg)
		if err != nil {
			return err.Error()
		}
		est.Conn.Close()
		return ""
	})
}

// churn connects and goes away, with and without a handshake.
func churn(s *siege) {
	for i := range 600 {
		if c := s.connect(i % lab.Addresses); i%3 > 0 {
			c.Close()
		} else if est, err := peering.Negotiate(context.Background(), c, true, peering.Config{Self: data.NewEndpointID(),
			Registry: peering.NewRegistry(), Filter: func() []string { return []string{"/"} }}); err == nil {
			est.Conn.Close()
		}
	}
	s.during()
}

// oversizedLengths announces frames of up to 4 GiB, in the handshake and after it.
func oversizedLengths(s *siege) {
	before := s.stats()
	for _, n := range []uint32{wire.MaxNegotiationBody + 1, 1 << 31, 1<<32 - 1} {
		c := s.connect(0)
		write(c, length(n))
		closed(s.t, c)
	}
	s.counted("failed handshakes", before.Refused, 3, refused)
	for _, n := range []uint32{hostileFrame + wire.MaxStampSize + 1, 1<<32 - 1} {
		in := s.join(0, "/")
		write(in.Conn, length(n))
		closed(s.t, in.Conn)
	}
	s.counted("failed handshakes", before.Refused, 5, refused) // they ended before the intruder had said who it is
	in := s.join(0, "/")
	s.peered(in, true)
	write(in.Conn, length(1<<32-1))
	closed(s.t, in.Conn)
	s.counted("lost peerings", before.Lost, 1, lost)
}

// garbageHandshakes says what is no handshake. A refused connection stays for a moment, so that some of the next ones are too many.
func garbageHandshakes(s *siege) {
	before := s.stats()
	all := [][]byte{[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), {0, 0, 0, 0}, {0, 0, 0, 1, 99}, {0x16, 0x03, 0x01, 0x02, 0x00, 0x01}}
	for range 40 {
		b := make([]byte, 1+s.rng.IntN(300))
		for i := range b {
			b[i] = byte(s.rng.Uint32())
		}
		all = append(all, append(length(uint32(len(b))), b...))
	}
	for _, b := range all {
		c := s.connect(0)
		write(c, b)
		closed(s.t, c)
	}
	s.counted("failed handshakes", before.Refused, uint64(len(all)), func(r statsReport) uint64 { return r.Refused + r.Crowded - before.Crowded })
	s.during()
}

// borrowedIDs says hello in the name of a peer, of the victim itself and of nobody. The peer's connection stays: it answers when it is
// asked whether it is alive.
func borrowedIDs(s *siege) {
	before := s.stats()
	var all []net.Conn
	for _, m := range []int{0, victim, 2, -1} {
		var id data.EndpointID
		if m >= 0 {
			var err error
			if id, err = data.ParseEndpointID(s.f.members[m].id); err != nil {
				s.t.Fatal(err)
			}
		}
		for range 3 {
			c := s.connect(0)
			write(c, wire.AppendHandshake(nil, &wire.Hello{Sender: id, Min: wire.ProtocolVersion, Max: wire.ProtocolVersion}))
			all = append(all, c)
		}
	}
	s.during()
	for _, c := range all {
		closed(s.t, c)
	}
	s.counted("failed handshakes", before.Refused, uint64(len(all)), refused)
}

// garbageFrames sends frames of random bytes after a good handshake. They are counted, and the connection stays.
func garbageFrames(s *siege) {
	before := s.stats()
	in := s.join(0, "/")
	reading(in.Conn)
	const frames = 1000
	for range frames {
		b := make([]byte, 1+s.rng.IntN(200))
		for i := range b {
			b[i] = byte(s.rng.Uint32())
		}
		if len(b) > wire.TypeAt {
			b[wire.TypeAt] = 100 // no type that closes the connection
		}
		if err := write(in.Conn, append(length(uint32(len(b))), b...)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.counted("bad frames", before.Dropped["frame"], frames, dropped("frame"))
	s.during()
	s.peered(in, true)
	in.Conn.Close()
}

// peered tells whether the victim should know an intruder.
func (s *siege) peered(in *intruder, want bool) {
	s.t.Helper()
	poll(s.t, "the intruder", func() string {
		found := false
		for _, p := range s.f.members[victim].order(order{Do: doState}).Peers {
			found = found || p.ID == in.self.String() && p.State == "Peered"
		}
		if found != want {
			return fmt.Sprintf("peered is %v", found)
		}
		return ""
	})
}
