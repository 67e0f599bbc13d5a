// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

var (
	nodeID   = data.EndpointID{1}
	clientID = data.EndpointID{2}
)

// pair is a server and a client on a network of their own. It belongs into a
// synctest bubble.
func pair(t *testing.T) (*network, *fakeNode, *Server, *Client) {
	t.Helper()
	n, f := newNetwork(), &fakeNode{is: Report{ID: nodeID}}
	s := newServer(n.box(nodeID), f, Info{Node: "manager", Pod: "manager-0", Version: "v1"})
	c := newClient(n.box(clientID))
	t.Cleanup(func() { c.Close(); s.Close() })
	return n, f, s, c
}

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f, _, c := pair(t)
		f.is.Peers = []Peer{{Address: "a:1", Class: "Node", State: "Peered", RTT: time.Second, Drops: map[string]uint64{"ttl": 3}, Filter: []string{"/x"}}}
		time.Sleep(time.Minute)
		r, err := c.Report(t.Context(), nodeID)
		if err != nil || r.ID != nodeID || r.Node != "manager" || r.Pod != "manager-0" || r.Version != "v1" || r.Now.Sub(r.Started) != time.Minute || r.Stats.Questions != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		if len(r.Peers) != 1 || r.Peers[0].RTT != time.Second || r.Peers[0].Drops["ttl"] != 3 || r.Peers[0].Filter[0] != "/x" {
			t.Errorf("%+v", r.Peers)
		}
	})
}

// A question is asked again until there is a way.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _, c := pair(t)
		n.down = 3 // two questions and one answer, say
		if _, err := c.Report(t.Context(), nodeID); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := c.Report(ctx, data.EndpointID{9}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errNoWay) {
			t.Errorf("nobody there: %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.mu.waiting) != 0 {
			t.Errorf("%d questions still wait", len(c.mu.waiting))
		}
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f, _, c := pair(t)
		f.routeErr = errors.New("unknown node")
		for name, ask := range map[string]func() error{
			"an unknown kind": func() error { _, err := c.Ask(t.Context(), nodeID, "weather"); return err },
			"a bad route":     func() error { _, err := c.Ask(t.Context(), nodeID, KindRoute, "/t", "x", ""); return err },
			"half a route":    func() error { _, err := c.Ask(t.Context(), nodeID, KindRoute, "/t"); return err },
			"no route":        func() error { _, err := c.Route(t.Context(), nodeID, "/t", nodeID, clientID); return err },
			"a bad trace":     func() error { _, err := c.Trace(t.Context(), nodeID, "/bad", 0); return err },
			"half a trace":    func() error { _, err := c.Ask(t.Context(), nodeID, KindTrace, "/t"); return err },
			"a bad number":    func() error { _, err := c.Ask(t.Context(), nodeID, KindTrace, "/t", "-1"); return err },
		} {
			if err := ask(); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, _, c := pair(t)
		r, err := c.Route(t.Context(), nodeID, "/topic", nodeID, data.EndpointID{})
		if err != nil || r.Entering != nodeID || !r.Origin.IsZero() || len(r.Steps) != 6 {
			t.Errorf("%+v, %v", r, err)
		}
		r, err = c.Route(t.Context(), nodeID, strings.Repeat("x", maxList+5), nodeID, nodeID)
		if err != nil || len(r.Steps) != maxList || r.Truncated != 5 {
			t.Errorf("%d steps, %d left out, %v", len(r.Steps), r.Truncated, err)
		}
	})
}

// Traces and taps end when nobody asks for them any more.
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f, _, c := pair(t)
		for i := range 4 {
			tr, err := c.Trace(t.Context(), nodeID, "/t", uint64(i))
			if err != nil || tr.Next != uint64(i)+1 || len(tr.Records) != 1 || tr.Records[0].Number != uint64(i) {
				t.Fatalf("%+v, %v", tr, err)
			}
			if err := c.Tap(t.Context(), nodeID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(lease - time.Second)
		}
		if timed, stopped := f.state(); len(timed) != 1 || !timed[0] || stopped != 0 {
			t.Errorf("while asked for: %v, %d stopped", timed, stopped)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if timed, stopped := f.state(); len(timed) != 2 || timed[1] || stopped != 1 {
			t.Errorf("afterwards: %v, %d stopped", timed, stopped)
		}
		for i := range maxTraces {
			if _, err := c.Trace(t.Context(), nodeID, fmt.Sprint(i), 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Trace(t.Context(), nodeID, "more", 0); !errors.Is(err, ErrRefused) {
			t.Errorf("too many: %v", err)
		}
	})
}

func TestCloseEndsLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f, s, c := pair(t)
		if _, err := c.Trace(t.Context(), nodeID, "/t", 0); err != nil {
			t.Fatal(err)
		}
		if err := c.Tap(t.Context(), nodeID); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s.Close()
		if timed, stopped := f.state(); len(timed) != 2 || stopped != 1 {
			t.Errorf("%v, %d stopped", timed, stopped)
		}
		failed := make(chan error)
		go func() {
			_, err := c.Report(t.Context(), nodeID)
			failed <- err
		}()
		synctest.Wait()
		c.Close()
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("a question that waits: %v", err)
		}
	})
}

// More questions than allowed, and nonsense, are counted and not answered.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, s, c := pair(t)
		flood := n.box(data.EndpointID{3})
		for i := range 50 {
			for _, v := range []data.Value{data.Count(1), data.Vector(), data.Vector(data.String("answer"), data.Count(1), data.String("{}"))} {
				if err := flood.send(nodeID, v); err != nil {
					t.Fatal(err)
				}
			}
			if err := flood.send(nodeID, message{word: wordAsk, number: uint64(i), kind: KindPing}.value()); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 * questionsAtOnce {
			if err := flood.send(nodeID, message{word: wordAsk, number: 7, kind: KindPing}.value()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		answered := len(flood.in)
		if s.malformed.Load() != 150 || answered != questionsAtOnce-150 || s.refused.Load() != 2*questionsAtOnce+50-uint64(answered) {
			t.Errorf("%d malformed, %d refused, %d answered", s.malformed.Load(), s.refused.Load(), answered)
		}
		time.Sleep(time.Second)
		if r, err := c.Report(t.Context(), nodeID); err != nil || r.Stats.Malformed != 150 {
			t.Errorf("%+v, %v", r.Stats, err)
		}
	})
}

// An answer counts only if the node that was asked gave it.
func TestForgedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		c := newClient(n.box(clientID))
		defer c.Close()
		node, forger := n.box(nodeID), n.box(data.EndpointID{3})
		go func() {
			_, v, err := node.next(t.Context())
			if err != nil {
				return
			}
			m, _ := parse(v)
			forged := message{word: wordAnswer, number: m.number, text: `{"node":"forged"}`}
			_ = forger.send(clientID, forged.value())
			forged.text = `{"node":"true"}`
			_ = node.send(clientID, forged.value())
		}()
		if r, err := c.Report(t.Context(), nodeID); err != nil || r.Node != "true" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestClock(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, int64(ms)*1e6) }
	for name, tc := range map[string]struct {
		t0, t1, t2, t3 int
		want           Clock
	}{
		"the same clock":  {0, 5, 6, 11, Clock{10 * time.Millisecond, 0}},
		"an hour ahead":   {0, 3600005, 3600006, 11, Clock{10 * time.Millisecond, time.Hour}},
		"behind":          {1000, 5, 5, 1010, Clock{10 * time.Millisecond, -time.Second}},
		"answer too fast": {0, 0, 5, 4, Clock{0, 500 * time.Microsecond}},
	} {
		if got := clockOf(at(tc.t0), at(tc.t1), at(tc.t2), at(tc.t3)); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, _, c := pair(t)
		if got, err := c.Ping(t.Context(), nodeID); err != nil || got != (Clock{}) {
			t.Errorf("%+v, %v", got, err) // time stands still in the bubble
		}
	})
}

func TestBound(t *testing.T) {
	r := Report{Peers: make([]Peer, maxList+1), Consumers: make([]Consumer, 3)}
	for i := range r.Consumers {
		r.Consumers[i].Prefixes = slices.Repeat([]string{strings.Repeat("é", maxPrefix)}, maxPrefixes/2)
	}
	r.Mesh = []Node{{Leaves: make([]Leaf, maxList-1)}, {Leaves: make([]Leaf, 5)}}
	r.Flows = make([]Flow, maxList+2)
	r.Flows[0].Prefixes = []string{"/left"}
	r.bound()
	if len(r.Flows) != maxList || len(r.Flows[0].Prefixes) != 0 {
		t.Errorf("%d flows, %d prefixes", len(r.Flows), len(r.Flows[0].Prefixes))
	}
	if len(r.Peers) != maxList || len(r.Consumers[0].Prefixes) != maxPrefixes/2 || len(r.Consumers[2].Prefixes) != 0 || len(r.Mesh[1].Leaves) != 1 {
		t.Errorf("%d peers, %d prefixes, %d leaves", len(r.Peers), len(r.Consumers[2].Prefixes), len(r.Mesh[1].Leaves))
	}
	if want := 1 + maxPrefixes/2 + 4 + 2 + 1; r.Truncated != want {
		t.Errorf("%d left out, want %d", r.Truncated, want)
	}
	if p := r.Consumers[0].Prefixes[0]; len(p) > maxPrefix || !strings.HasSuffix(p, "é…") {
		t.Errorf("a prefix of %d bytes: %q", len(p), p)
	}
}

func TestMessages(t *testing.T) {
	for _, m := range []message{
		{word: wordAsk, number: 1, kind: KindReport},
		{word: wordAsk, number: 1<<64 - 1, kind: KindRoute, args: []string{"/t", "", "x"}},
		{word: wordAnswer, text: "{}"},
		{word: wordRefused, number: 2, text: "no"},
	} {
		got, err := parse(m.value())
		if err != nil || got.word != m.word || got.number != m.number || got.kind != m.kind || got.text != m.text || !slices.Equal(got.args, m.args) {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
	}
	ask, one := data.String(wordAsk), data.Count(1)
	for name, v := range map[string]data.Value{
		"no vector":       data.Set(ask, one, data.String("x")),
		"too short":       data.Vector(ask, one),
		"too long":        data.Vector(slices.Repeat([]data.Value{ask}, 12)...),
		"no word":         data.Vector(one, one, ask),
		"no number":       data.Vector(ask, data.Integer(1), ask),
		"no kind":         data.Vector(ask, one, one),
		"another word":    data.Vector(data.String("tell"), one, ask),
		"no text":         data.Vector(ask, one, ask, one),
		"a long kind":     data.Vector(ask, one, data.String(strings.Repeat("x", maxKind+1))),
		"a long argument": data.Vector(ask, one, ask, data.String(strings.Repeat("x", maxArg+1))),
		"a long reason":   data.Vector(data.String(wordRefused), one, data.String(strings.Repeat("x", maxReason+1))),
		"a long answer":   data.Vector(data.String(wordAnswer), one, ask, ask),
	} {
		if _, err := parse(v); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(message{word: wordAsk, number: 1, kind: KindRoute, args: []string{"/t", "", ""}}.value().AppendBinary(nil))
	f.Add(message{word: wordAnswer, number: 1, text: "{}"}.value().AppendBinary(nil))
	f.Add(message{word: wordRefused, number: 1, text: "no"}.value().AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := data.Decode(b)
		if err != nil {
			return
		}
		m, err := parse(v)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
			return
		}
		if again, err := parse(m.value()); err != nil || again.word != m.word || len(again.args) != len(m.args) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}
