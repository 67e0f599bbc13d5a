// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// badMessages sends messages that are no values, that come from somebody else, and that are nobody's business. Each is counted by its
// cause, and the connection stays.
func badMessages(s *siege) {
	before := s.stats()
	in := s.join(0)
	reading(in.Conn)
	deep := []byte(strings.Repeat("\x0e\x01", 5000)) // a vector in a vector in a vector
	other := in.frame(wire.TypeData, "/t/a", data.Count(1).AppendBinary(nil))
	copy(other[wire.FrameHeader+wire.SenderAt:], make([]byte, 16))
	const each = 100
	for range each {
		for _, b := range [][]byte{
			in.frame(wire.TypeData, "/t/a", []byte{250, 1, 2, 3}), in.frame(wire.TypeData, "/t/a", deep), in.frame(wire.TypeData, "/t/a", nil),
			other, in.frame(wire.TypeData, "<$>/local/data/errors", data.Count(1).AppendBinary(nil)),
		} {
			if err := write(in.Conn, b); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.counted("bad payloads", before.Dropped["payload"], 3*each, dropped("payload"))
	s.counted("false senders", before.Dropped["sender"], each, dropped("sender"))
	s.counted("local topics", before.Dropped["local_topic"], each, dropped("local_topic"))
	s.during()
	s.peered(in, true)
	in.Conn.Close()
}

// truncatedFrames ends connections in the middle of a frame, that of a peering at times.
func truncatedFrames(s *siege) {
	before := s.stats()
	const times = 20
	for i := range times {
		in := s.join(i%4, "/")
		if i%4 == 0 {
			s.peered(in, true)
		}
		frame := in.frame(wire.TypeData, "/t/a", make([]byte, 1000))
		write(in.Conn, frame[:1+s.rng.IntN(len(frame)-1)])
		in.Conn.Close()
	}
	s.counted("lost peerings", before.Lost, times/4, lost)
	s.counted("all", before.Lost+before.Refused, times, func(r statsReport) uint64 { return r.Lost + r.Refused })
}

// partialFrames sends almost the whole of a large frame on many connections, and leaves them standing.
func partialFrames(s *siege) {
	var all []*intruder
	for i := range 12 {
		in := s.join(i, "/nothing")
		reading(in.Conn)
		if err := write(in.Conn, append(length(hostileFrame), make([]byte, hostileFrame-1)...)); err != nil {
			s.t.Error(err)
		}
		all = append(all, in)
	}
	s.during()
	for _, in := range all {
		in.Conn.Close()
	}
}

// manySubscriptions asks for a million topics at once: the connection is closed.
func manySubscriptions(s *siege) {
	before := s.stats()
	in := s.join(0)
	reading(in.Conn)
	filter := make([]string, 1_000_000)
	for i := range filter {
		filter[i] = string(rune('a'+i%20)) + fmt.Sprintf("%x", i%0xfff)[:1]
	}
	payload := wire.AppendFilter(nil, filter)
	if len(payload) > hostileFrame-100 {
		s.t.Fatalf("the filter has %d bytes", len(payload))
	}
	write(in.Conn, in.frame(wire.TypeRoutingUpdate, "<$>", payload))
	s.counted("lost peerings", before.Lost, 1, lost)
	s.peered(in, false)
	s.during()
}

// manyFilters sends one filter after the other, each as long as is allowed: a million subscriptions in all.
func manyFilters(s *siege) {
	in := s.join(0)
	reading(in.Conn)
	done := make(chan error, 1)
	go func() {
		for round := range 100 {
			filter := make([]string, wire.MaxFilterEntries)
			for i := range filter {
				filter[i] = fmt.Sprintf("/x/%d/%d", round, i)
			}
			if err := write(in.Conn, in.frame(wire.TypeRoutingUpdate, "<$>", wire.AppendFilter(nil, filter))); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	s.during()
	if err := <-done; err != nil {
		s.t.Error(err)
	}
	s.peered(in, true)
	in.Conn.Close()
}

// longPrefixes asks for topics as long as they can be, on some connections: more than fits into what endpoints say of themselves. The
// others learn of them by a filter that asks for everything, and newcomers can still be greeted.
func longPrefixes(s *siege) {
	var all []*intruder
	for i := range 20 {
		long := strings.Repeat("x", wire.MaxTopic-10) + fmt.Sprintf("%04d", i)
		in := s.join(i%10, long)
		reading(in.Conn)
		all = append(all, in)
	}
	for _, in := range all {
		s.peered(in, true)
	}
	s.newcomer()
	s.during()
	for _, in := range all {
		in.Conn.Close()
	}
}

// slowReader wants everything and reads nothing: the victim gives it up when its queue is full, and nobody else misses anything.
func slowReader(s *siege) {
	before := s.stats()
	in := s.join(0, "/")
	in.Conn.(*net.TCPConn).SetReadBuffer(4096)
	s.peered(in, true)
	if !s.f.exchange("while nobody reads", 4, order{Do: doBurst, Count: 400, Every: 20, Size: 64 << 10}) {
		s.t.Error("a connection between members was lost")
	}
	s.counted("lost peerings", before.Lost, 1, lost)
	s.counted("full queues", before.Dropped["peer_queue"], 1, dropped("peer_queue"))
	s.peered(in, false)
	s.during()
}

// pingsWithoutEnd asks for pongs and doesn't read them.
func pingsWithoutEnd(s *siege) {
	before := s.stats()
	in := s.join(0)
	in.Conn.(*net.TCPConn).SetReadBuffer(4096)
	ping := in.frame(wire.TypePing, "<$>", make([]byte, 10<<10))
	for end := time.Now().Add(patience); write(in.Conn, ping) == nil; {
		if time.Now().After(end) {
			s.t.Fatal("the victim goes on to answer pings that nobody reads")
		}
	}
	s.counted("lost peerings", before.Lost, 1, lost)
	s.during()
}

// falseLinkState says that it is a node of the mesh and sends advertisements that can't be read. As a foreign endpoint it may not speak
// of the mesh at all: what it says is counted, and the connection stays.
func falseLinkState(s *siege) {
	before := s.stats()
	foreign := s.join(0)
	reading(foreign.Conn)
	const frames = 50
	for range frames {
		if err := write(foreign.Conn, foreign.frame(wire.TypeLinkState, "<$>", []byte{1, 2, 3})); err != nil {
			s.t.Fatal(err)
		}
	}
	s.counted("bad frames", before.Dropped["frame"], frames, dropped("frame"))
	s.peered(foreign, true)
	foreign.Conn.Close()

	node := s.join(1)
	reading(node.Conn)
	a := wire.Announcement{Version: 1, Features: wire.FeatureNode | wire.FeatureMesh | wire.FeatureStamps, Nonce: 1}
	write(node.Conn, node.frame(wire.TypePing, "<$>", a.Append(nil)))
	write(node.Conn, node.frame(wire.TypeLinkState, "<$>", []byte{1, 2, 3}))
	s.peered(node, false)
	s.during()
}

// crowdOfNodes says that it is a node of the mesh, and speaks of more nodes than a mesh may have, each with many neighbours and wants.
// The real ones are not confused by them.
func crowdOfNodes(s *siege) {
	before := s.stats()
	node := s.join(1)
	reading(node.Conn)
	a := wire.Announcement{Version: 1, Features: wire.FeatureNode | wire.FeatureMesh | wire.FeatureStamps, Nonce: 1}
	if err := write(node.Conn, node.frame(wire.TypePing, "<$>", a.Append(nil))); err != nil {
		s.t.Fatal(err)
	}
	s.peered(node, true)
	const crowd = 6000
	ids := make([]data.EndpointID, crowd)
	for i := range ids {
		ids[i] = data.NewEndpointID()
	}
	for round := range 3 {
		for i, id := range ids {
			ls := wire.LinkState{Node: id, Version: uint64(round + 1), Wants: []string{fmt.Sprintf("/crowd/%d", i), "/t/"}}
			for range 10 {
				ls.Neighbours = append(ls.Neighbours, ids[s.rng.IntN(crowd)])
			}
			if err := write(node.Conn, node.frame(wire.TypeLinkState, "<$>", ls.Append(nil))); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.counted("refused advertisements", before.Dropped["frame"], 1, dropped("frame"))
	s.during()
	node.Conn.Close()
}
