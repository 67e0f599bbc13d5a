// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestHandshakeRoles peers in all four combinations of dialer and originator, with and without extensions.
func TestHandshakeRoles(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, dials := range []bool{false, true} {
			for own, theirs := range map[string]string{smallID: largeID, largeID: smallID} {
				t.Run(fmt.Sprintf("plain=%v/dials=%v/originator=%v", plain, dials, own == smallID), func(t *testing.T) {
					t.Parallel()
					e := endpoint(t, broker.Options{PlainProtocol: plain}, own)
					sub := subscribe(t, e, "/ours")
					p := start(t, "--id", theirs)
					p.do(command{"do": "subscribe", "topic": "/theirs"})
					if dials {
						peered(t, e, p)
					} else {
						p.connect(listening(t, e), nil)
						if got := p.wait("peered"); fmt.Sprint(got["filter"]) != "[/ours]" {
							t.Errorf("filter in the handshake: %v", got["filter"])
						}
						if err := e.AwaitPeer(within(t), p.id); err != nil {
							t.Fatal(err)
						}
					}
					info := e.Peers()[0]
					if info.ID != p.id || info.Class != broker.ClassForeign || !slices.Equal(info.Filter, []string{"/theirs"}) || info.Dialed != dials {
						t.Errorf("peer: %+v", info)
					}
					if err := e.Publish("/theirs/x", data.Count(7)); err != nil {
						t.Fatal(err)
					}
					got := p.wait("message")
					if got.str("topic") != "/theirs/x" || got.str("hex") != "020000000000000007" || got.str("sender") != own || got.num("ttl") != 16 {
						t.Errorf("message: %v", got)
					}
					p.do(command{"do": "publish", "topic": "/ours/y", "value": "hello"})
					if m := get(t, sub); m.Topic != "/ours/y" || m.From != p.id || !data.Equal(m.Value, data.String("hello")) {
						t.Errorf("message: %+v", m)
					}
				})
			}
		}
	}
}

// TestValues sends every recorded value both ways; the bytes must stay as they are.
func TestValues(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	p := start(t)
	p.do(command{"do": "subscribe", "topic": "/to"})
	peered(t, e, p)
	sub := subscribe(t, e, "/from")
	values := recordedValues(t)
	for _, h := range values {
		raw, _ := hex.DecodeString(h)
		v, err := data.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Publish("/to/peer", v); err != nil {
			t.Fatal(err)
		}
		p.do(command{"do": "publish", "topic": "/from/peer", "hex": h})
	}
	for _, h := range values {
		if got := p.wait("message").str("hex"); got != h {
			t.Fatalf("sent %s, the peer got %s", h, got)
		}
		if got := hex.EncodeToString(get(t, sub).Value.AppendBinary(nil)); got != h {
			t.Fatalf("the peer sent %s, got %s", h, got)
		}
	}
}

func recordedValues(t *testing.T) (out []string) {
	t.Helper()
	f, err := os.Open("testdata/values.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var line struct{ Bin string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line.Bin)
	}
	if len(out) == 0 {
		t.Fatal("no values")
	}
	return out
}

// TestFilters changes subscriptions on both sides: they grow and shrink.
func TestFilters(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	p := start(t)
	peered(t, e, p)
	theirs := func(want ...string) {
		t.Helper()
		until(t, e, fmt.Sprintf("filter %q", want), func(ps []broker.PeerInfo) bool { return slices.Equal(ps[0].Filter, want) })
	}
	ours := func(want string) {
		t.Helper()
		if got := p.wait("filter"); fmt.Sprint(got["filter"]) != want {
			t.Fatalf("the peer knows %v, want %v", got["filter"], want)
		}
	}
	p.do(command{"do": "subscribe", "topic": "/b"})
	p.do(command{"do": "subscribe", "topic": "/a"})
	theirs("/a", "/b")
	p.do(command{"do": "unsubscribe", "topic": "/a"})
	theirs("/b")
	a, err := e.Subscribe([]string{"/x", "/x/y"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	ours("[/x]")
	a.SetPrefixes([]string{"/x/y", "/z", "<$>/local/"})
	ours("[/x/y /z]")
	e.SetWants([]string{"/w"})
	ours("[/w /x/y /z]")
	a.Close()
	ours("[/w]")
	e.SetWants(nil)
	ours("[]")
}

// TestUnpeer ends peerings from either side.
func TestUnpeer(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	events, err := e.SubscribeStatus(false)
	if err != nil {
		t.Fatal(err)
	}
	next := func(want string) {
		t.Helper()
		if ev, err := events.Get(within(t)); err != nil || ev.Code != want {
			t.Fatalf("event %v, %v; want %s", ev, err, want)
		}
	}
	p := start(t)
	p.do(command{"do": "subscribe", "topic": "/t"})
	peered(t, e, p)
	next("endpoint_discovered")
	next("peer_added")
	for i := range 100 {
		if err := e.Publish("/t", data.Count(uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.UnpeerID(within(t), p.id); err != nil {
		t.Fatal(err)
	}
	next("peer_removed")
	next("endpoint_unreachable")
	for i := range 100 { // what was queued came before the end
		if got := p.wait("message"); got.str("hex") != fmt.Sprintf("02%016x", i) {
			t.Fatalf("message %d: %v", i, got)
		}
	}
	if got := p.wait("peer_lost"); got.str("reason") != "unpeered by peer" {
		t.Errorf("peer_lost: %v", got)
	}

	peered(t, e, p)
	next("endpoint_discovered")
	next("peer_added")
	p.do(command{"do": "unpeer"})
	if got := p.wait("peer_lost"); got.str("reason") != "unpeered" {
		t.Errorf("peer_lost: %v", got)
	}
	next("peer_lost")
	next("endpoint_unreachable")
}

// TestRedial loses the connection: the dialer comes back at once, in either role, until it is told to stop.
func TestRedial(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	p := start(t)
	address := p.listen(nil)
	if err := e.PeerAsync(address, broker.PeerOptions{Retry: 500 * time.Millisecond, Name: "back"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.wait("peered")
		p.do(command{"do": "drop"})
		p.wait("peer_lost")
	}
	p.wait("peered")
	until(t, e, "the name", func(ps []broker.PeerInfo) bool {
		return len(ps) == 1 && ps[0].Name == "back" && ps[0].State == broker.Peered && ps[0].LastError == broker.PeerLost
	})
	if err := e.Unpeer(within(t), address); err != nil {
		t.Fatal(err)
	}
	if len(e.Peers()) != 0 {
		t.Errorf("peers after Unpeer: %+v", e.Peers())
	}
	p.wait("peer_lost")

	p.connect(listening(t, e), command{"retry": 0.2})
	p.wait("peered")
	if err := e.AwaitPeer(within(t), p.id); err != nil {
		t.Fatal(err)
	}
	if err := e.UnpeerID(within(t), p.id); err != nil {
		t.Fatal(err)
	}
	p.wait("peer_lost")
	p.wait("peered") // it dialed with retry
}

// TestPing answers pings with the same payload, short and long.
func TestPing(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	p := start(t)
	peered(t, e, p)
	for _, payload := range []string{"00", "0102030405", hex.EncodeToString(make([]byte, 10000))} {
		p.do(command{"do": "ping", "hex": payload})
		p.waitFor("pong "+payload[:2], func(ev event) bool { return ev.str("event") == "pong" && ev.str("hex") == payload })
	}
}

// TestPointToPoint sends to one endpoint in both directions, whatever it subscribed to.
func TestPointToPoint(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	p := start(t)
	peered(t, e, p)
	sub := subscribe(t, e, "/direct")
	if err := e.PublishTo(p.id, "/any", data.Count(1)); err != nil {
		t.Fatal(err)
	}
	if got := p.wait("message"); got.str("receiver") != p.id.String() || got["subscribed"] != false {
		t.Errorf("message: %v", got)
	}
	p.do(command{"do": "publish", "topic": "/direct/x", "value": 1, "to": e.ID().String()})
	p.do(command{"do": "publish", "topic": "/other", "value": 2, "to": e.ID().String()})
	p.do(command{"do": "publish", "topic": "/direct/y", "value": 3, "to": e.ID().String()})
	for _, want := range []string{"/direct/x", "/direct/y"} {
		if m := get(t, sub); m.Topic != want {
			t.Errorf("got %+v, want topic %s", m, want)
		}
	}
}

// TestUnpeerAtOnce ends a peering from both sides at about the same time: each answers the other's ping, and there is one end. If the
// other side was the quicker one, it is a loss.
func TestUnpeerAtOnce(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	events, err := e.SubscribeStatus(false)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "--trace")
	for range 5 {
		peered(t, e, p)
		p.do(command{"do": "unpeer"})
		p.waitFor("its closing ping", func(ev event) bool {
			return ev.str("event") == "frame" && ev.str("dir") == "out" && strings.HasPrefix(ev.str("payload"), "425945")
		})
		e.UnpeerID(within(t), p.id) // peer_invalid if the peer was quicker
		p.wait("peer_lost")
		last := ""
		for _, want := range []string{"endpoint_discovered", "peer_added", "", "endpoint_unreachable"} {
			ev, err := events.Get(within(t))
			if err != nil || want != "" && ev.Code != want {
				t.Fatalf("event %v, %v; want %s", ev, err, want)
			}
			if want == "" {
				last = ev.Code
			}
		}
		if last != "peer_removed" && last != "peer_lost" {
			t.Errorf("the peering ended with %s", last)
		}
		for more, ok := events.Poll(); ok; more, ok = events.Poll() {
			if more.Code != "peer_invalid" {
				t.Errorf("and then %v", more)
			}
		}
	}
}
