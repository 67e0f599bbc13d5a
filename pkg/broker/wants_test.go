// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestLeafToLeaf has leaves at two nodes that want nothing themselves: what one leaf publishes reaches the other, since a node asks
// its leaves for what its peers want.
func TestLeafToLeaf(t *testing.T) {
	for _, publisher := range []string{"client", "foreign"} {
		t.Run(publisher, func(t *testing.T) {
			near, far := endpoint(t, Options{}), endpoint(t, Options{})
			connect(t, near, far)
			reader, writer := endpoint(t, Options{Forward: ForwardNone}), endpoint(t, kinds[publisher])
			connect(t, reader, far)
			sub := subscribe(t, reader, "/x")
			poll(t, "the far node to want /x", func() bool { return goesOut(near, "/x") })
			connect(t, writer, near)
			// The handshake says already what the far node wants.
			if !wantsNow(writer, "/x") {
				t.Errorf("the publisher is asked for %q only", writer.Peers()[0].Filter)
			}
			publish(t, writer, "/x/1", data.Count(7))
			if m := get(t, sub); m.Topic != "/x/1" || !data.Equal(m.Value, data.Count(7)) {
				t.Errorf("received %v", m)
			}
		})
	}
}

// goesOut tells whether a message that the endpoint publishes now is sent to anybody.
func goesOut(e *Endpoint, name string) bool {
	o, err := e.routes.Load().own(name)
	return err == nil && o.others() > 0
}

func wantsNow(e *Endpoint, prefix string) bool {
	for _, p := range e.Peers() {
		for _, f := range p.Filter {
			if f == prefix {
				return true
			}
		}
	}
	return false
}

// TestLongPrefixes has a client that wants topics as long as they can be, more than fits into a handshake: its node goes on to have
// peers and finds new ones, which it asks for everything.
func TestLongPrefixes(t *testing.T) {
	near, far := endpoint(t, Options{}), endpoint(t, Options{})
	connect(t, near, far)
	greedy := endpoint(t, Options{Forward: ForwardNone})
	connect(t, greedy, near)
	var long []string
	for i := range 20 {
		long = append(long, strings.Repeat("x", maxTopic-2)+string(rune('a'+i)))
	}
	sub := subscribe(t, greedy, long...)
	poll(t, "the far node to want everything", func() bool { return goesOut(far, long[0]) && goesOut(far, "/anything") })
	for _, o := range []Options{{}, kinds["client"], kinds["foreign"]} {
		connect(t, endpoint(t, o), near)
	}
	if p := far.Peers(); len(p) != 1 || p[0].State != Peered || near.Stats().PeeringsLost > 0 {
		t.Errorf("the far node has peers %+v", p)
	}
	publish(t, far, long[7], data.Count(7))
	if m := get(t, sub); m.Topic != long[7] {
		t.Errorf("received %.20q", m.Topic)
	}
}

// TestGoneBeforePeered counts connections that end between the handshake and the first frame.
func TestGoneBeforePeered(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
		r := rawDial(t, l.dial(t), e)
		r.conn.Close()
		synctest.Wait()
		if s := e.Stats(); s.HandshakesFailed != 1 || s.PeeringsLost != 0 {
			t.Errorf("%d failed, %d lost", s.HandshakesFailed, s.PeeringsLost)
		}
	})
}
