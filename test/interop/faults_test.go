// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// refusals are handshakes that must fail, with what the other side is told. As the dialer peer.py is the originator with the small ID.
var refusals = []struct {
	name string
	peer string // its ID
	bend map[string]any
	code float64 // of the drop_conn that peer.py gets; 0 if the connection is just closed
	text string
	// what our side says of its own attempt, when it is the one that dialed
	class broker.PeerErrorClass
}{
	{"magic", smallID, command{"magic": "5a45454c"}, 38, "wrong magic number", broker.PeerIncompatible},
	{"versions above", smallID, command{"min": 2, "max": 9}, 2, "unsupported versions offered", broker.PeerIncompatible},
	{"versions below", smallID, command{"min": 0, "max": 0}, 2, "unsupported versions offered", broker.PeerIncompatible},
	{"version selected", smallID, command{"version": 7}, 2, "unsupported version selected", broker.PeerIncompatible},
	{"zero ID", smallID, command{"sender": "00000000-0000-0000-0000-000000000000"}, 29, "the endpoint ID is zero", broker.PeerIncompatible},
	{"own ID", smallID, command{"sender": ownID}, 29, "an endpoint cannot peer with itself", broker.PeerIncompatible},
}

const ownID = "88888888-8888-4888-8888-888888888888"

// TestRefusedHandshakes dials the endpoint in ways that it must refuse, and checks that it stays in service.
func TestRefusedHandshakes(t *testing.T) {
	e := endpoint(t, broker.Options{}, ownID)
	address := listening(t, e)
	for _, r := range refusals {
		p := start(t, "--id", r.peer)
		p.connect(address, command{"handshake": r.bend})
		got := p.wait("connect_failed")
		if got.num("code") != r.code || !strings.HasSuffix(got.str("text"), r.text) {
			t.Errorf("%s: %v", r.name, got)
		}
		p.connect(address, nil)
		p.wait("peered")
		p.do(command{"do": "unpeer"})
		until(t, e, "no peer", func(ps []broker.PeerInfo) bool { return len(ps) == 0 })
	}
}

// TestRefusedByDialer lets the endpoint dial peers that it must refuse.
func TestRefusedByDialer(t *testing.T) {
	e := endpoint(t, broker.Options{}, ownID)
	for _, r := range refusals {
		if r.name == "versions above" || r.name == "versions below" {
			continue // a listener with the small ID sends no hello
		}
		p := start(t, "--id", r.peer)
		_, err := e.Peer(within(t), p.listen(command{"handshake": r.bend}), broker.PeerOptions{})
		if err == nil {
			t.Errorf("%s: peered", r.name)
			continue
		}
		got := p.wait("handshake_failed")
		if got.num("code") != r.code || !strings.HasSuffix(got.str("text"), r.text) {
			t.Errorf("%s: %v (our error: %v)", r.name, got, err)
		}
	}
}

// TestMutedHandshakes leaves out one message after the other: the handshake must end after its time limit and not before.
func TestMutedHandshakes(t *testing.T) {
	for _, m := range []struct{ peer, mute string }{
		{smallID, "hello"}, {smallID, "version_select"}, {smallID, "originator_syn"}, {smallID, "originator_ack"},
		{largeID, "hello"}, {largeID, "responder_syn_ack"},
	} {
		t.Run(m.mute+" of "+m.peer[:1], func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, broker.Options{}, ownID)
			p := start(t, "--id", m.peer)
			began := time.Now()
			p.connect(listening(t, e), command{"handshake": command{"mute": []string{m.mute}}})
			if m.mute == "originator_ack" { // peer.py believes that it is peered
				p.wait("peer_lost")
			} else {
				p.wait("connect_failed")
			}
			if m.mute != "version_select" { // its omission is noticed at once: originator_syn comes in its place
				if took := time.Since(began); took < 8*time.Second || took > 15*time.Second {
					t.Errorf("the connection was closed after %v", took)
				}
			}
			if peers := e.Peers(); len(peers) != 0 {
				t.Errorf("peers: %+v", peers)
			}
		})
	}
}

// TestBadFrames sends messages that can't be used: they are dropped and counted, and the connection stays.
func TestBadFrames(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	address := listening(t, e)
	sub := subscribe(t, e, "/t")
	p := start(t)
	id := hex.EncodeToString(p.id[:])
	own := e.ID()
	self := hex.EncodeToString(own[:])
	zero := strings.Repeat("00", 16)
	const topic = "0010" + "0002" + "2f74" // TTL 16, "/t"
	p.connect(address, nil)
	p.wait("peered")
	if err := e.AwaitPeer(within(t), p.id); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{
		"00", id, // too short
		id + zero + "63" + topic + "00",                                                       // unknown type
		id + zero + "01" + "0010" + "ffff" + "2f74",                                           // topic longer than the frame
		id + zero + "01" + topic,                                                              // no payload
		id + zero + "01" + topic + "0000",                                                     // bytes after the value
		id + zero + "01" + topic + "0c020100" + "0100",                                        // a set with a duplicate
		id + zero + "01" + topic + strings.Repeat("0e01", 1000) + "00",                        // nested too deeply
		self + zero + "01" + topic + "00",                                                     // our ID as sender
		zero + zero + "01" + topic + "00",                                                     // no sender
		id + zero + "01" + "0010" + "000b" + hex.EncodeToString([]byte("<$>/local/x")) + "00", // a local topic
		id + zero + "03" + "0010" + "0003" + "3c243e" + "00",                                  // a filter for nobody
		id + zero + "02" + topic,                                                              // a command without payload
	} {
		p.do(command{"do": "raw", "hex": f, "frame": true})
	}
	p.do(command{"do": "raw", "hex": "00000000"}) // an empty frame
	p.do(command{"do": "publish", "topic": "/t/good", "value": 1})
	if m := get(t, sub); m.Topic != "/t/good" {
		t.Errorf("got %+v", m)
	}
	dropped := e.Stats().Dropped
	for cause, want := range map[broker.DropCause]uint64{broker.DropFrame: 5, broker.DropPayload: 5, broker.DropSender: 2, broker.DropLocalTopic: 1} {
		if dropped[cause] != want {
			t.Errorf("%s: %d dropped, want %d", cause, dropped[cause], want)
		}
	}
}

// TestBadFraming sends what ends the connection: frames that are too large, and filters that can't be read.
func TestBadFraming(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	address := listening(t, e)
	p := start(t)
	own := e.ID()
	update := hex.EncodeToString(p.id[:]) + hex.EncodeToString(own[:]) + "03" + "0010"
	for _, f := range []struct {
		raw   string
		frame bool
	}{
		{"7fffffff", false}, {"04000033", false}, // larger than any frame; than our limit of 64 MiB and the longest stamp
		{update + "0003" + "3c243e" + "02" + "0161", true}, // two entries are said, one is there
		{update + "0003" + "3c243e" + "01" + "0161" + "00", true},
		{update + "00ff" + "3c243e", true},
	} {
		p.connect(address, nil)
		p.wait("peered")
		if err := e.AwaitPeer(within(t), p.id); err != nil {
			t.Fatal(err)
		}
		p.do(command{"do": "raw", "hex": f.raw, "frame": f.frame})
		if got := p.wait("peer_lost"); got.str("reason") == "" {
			t.Errorf("%s: %v", f.raw, got)
		}
		until(t, e, "the end of the connection", func(ps []broker.PeerInfo) bool { return len(ps) == 0 })
	}
}

// TestStalledPeer stops reading under each policy.
func TestStalledPeer(t *testing.T) {
	for _, policy := range []broker.Overflow{broker.OverflowDisconnect, broker.OverflowDropNewest, broker.OverflowDropOldest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			t.Parallel()
			const limit, payload = 64, 1 << 16
			e := endpoint(t, broker.Options{PeerQueue: broker.QueueLimit{Messages: limit, Overflow: policy}}, "")
			events, err := e.SubscribeStatus(false)
			if err != nil {
				t.Fatal(err)
			}
			other := start(t)
			other.do(command{"do": "subscribe", "topic": "/other"})
			p := start(t)
			p.do(command{"do": "subscribe", "topic": "/t"})
			peered(t, e, p)
			peered(t, e, other)
			p.do(command{"do": "stall"})
			p.ask(command{"do": "peers"}) // the commands before have been done
			filler := string(make([]byte, payload))
			sent := publishUntilDropped(t, e, p.id, filler)

			// The others are not affected.
			if err := e.Publish("/other", data.Count(1)); err != nil {
				t.Fatal(err)
			}
			other.wait("message")
			if policy == broker.OverflowDisconnect {
				for ev, err := events.Get(within(t)); ev.Code != "peer_removed"; ev, err = events.Get(within(t)) {
					if err != nil {
						t.Fatal(err)
					}
				}
				p.do(command{"do": "resume"})
				p.wait("peer_lost")
				return
			}
			p.do(command{"do": "resume"})
			last := 0
			for n := sent - drops(e, p.id); n > 0; n-- {
				var number int
				fmt.Sscanf(p.wait("message").str("topic"), "/t/%d", &number)
				if number <= last {
					t.Fatalf("message %d after %d", number, last)
				}
				last = number
			}
			if newest := policy == broker.OverflowDropOldest; newest != (last == sent) {
				t.Errorf("the last message is %d of %d", last, sent)
			}
		})
	}
}

// publishUntilDropped publishes until ten messages to the stalled peer have been dropped, or it is gone.
func publishUntilDropped(t *testing.T, e *broker.Endpoint, id data.EndpointID, filler string) (sent int) {
	t.Helper()
	for sent < 10000 {
		sent++
		if err := e.Publish(fmt.Sprintf("/t/%d", sent), data.String(filler)); err != nil {
			t.Fatal(err)
		}
		if n := drops(e, id); n >= 10 || n < 0 {
			return sent
		}
	}
	t.Fatal("the queue never overflowed")
	return 0
}

// drops is how many messages to a peer were dropped; -1 if it is not connected.
func drops(e *broker.Endpoint, id data.EndpointID) int {
	for _, info := range e.Peers() {
		if info.ID == id && info.State == broker.Peered {
			return int(info.Dropped)
		}
	}
	return -1
}

// TestRedundant connects twice in either role: the second connection is refused and the first stays.
func TestRedundant(t *testing.T) {
	for _, theirs := range []string{smallID, largeID} {
		e := endpoint(t, broker.Options{}, ownID)
		address := listening(t, e)
		p := start(t, "--id", theirs)
		p.connect(address, nil)
		p.wait("peered")
		if err := e.AwaitPeer(within(t), p.id); err != nil {
			t.Fatal(err)
		}
		// Dialing an endpoint that is connected already answers its ID.
		if id, err := e.Peer(within(t), p.listen(nil), broker.PeerOptions{}); err != nil || id != p.id {
			t.Errorf("Peer: %v, %v", id, err)
		}
		if peers := e.Peers(); len(peers) != 1 || !peers[0].Dialed || peers[0].State != broker.Peered {
			t.Errorf("the accepted connection serves the dialed address: %+v", peers)
		}
		got := p.wait("handshake_failed")
		if want := map[string]float64{smallID: 39, largeID: 39}[theirs]; got.num("code") != want {
			t.Errorf("handshake_failed: %v", got)
		}
		if n := e.Stats().Peers; n != 1 {
			t.Errorf("%d peers", n)
		}
	}
}

// TestCrossing dials from both sides at once: one connection is left.
func TestCrossing(t *testing.T) {
	for _, theirs := range []string{smallID, largeID} {
		for range 5 {
			e := endpoint(t, broker.Options{}, ownID)
			p := start(t, "--id", theirs)
			there := p.listen(nil)
			p.connect(listening(t, e), command{"retry": 0.1})
			if err := e.PeerAsync(there, broker.PeerOptions{Retry: time.Second}); err != nil {
				t.Fatal(err)
			}
			p.wait("peered")
			if err := e.AwaitPeer(within(t), p.id); err != nil {
				t.Fatal(err)
			}
			until(t, e, "one peering", func(ps []broker.PeerInfo) bool {
				return len(ps) == 1 && ps[0].State == broker.Peered && ps[0].Dialed
			})
			sub := subscribe(t, e, "/x")
			p.do(command{"do": "publish", "topic": "/x", "value": 1, "force": true})
			get(t, sub)
			if _, ok := sub.Poll(); ok {
				t.Error("the message came twice")
			}
		}
	}
}
