// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/credit"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// TestFlowFull: those who don't wait are told, or counted, and Publish cares for nothing.
func TestFlowFull(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		e := n.es[0]
		s := n.subscribe(1, 8, "/t")
		failing := e.NewPublisher("/t", PublisherOptions{Full: FullFail})
		sent := 0
		for range 4 { // an origin that has been silent has less room at first
			for failing.Publish(t.Context(), data.None()) == nil {
				sent++
			}
			time.Sleep(time.Second)
		}
		if sent != 8 {
			t.Errorf("%d went out", sent)
		}
		if err := failing.Publish(t.Context(), data.None()); !errors.Is(err, ErrFull) {
			t.Errorf("%v", err)
		}
		if err := e.NewPublisher("/other", PublisherOptions{Full: FullFail}).Publish(t.Context(), data.None()); err != nil {
			t.Errorf("another topic: %v", err)
		}
		waiting := e.NewPublisher("/t", PublisherOptions{})
		marked := context.WithValue(t.Context(), callbackKey{e}, true)
		if err := waiting.Publish(marked, data.None()); !errors.Is(err, ErrWouldBlock) {
			t.Errorf("in a callback: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := waiting.Publish(ctx, data.None()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that ends: %v", err)
		}
		synctest.Wait()
		if s.Available() != sent || s.Dropped() > 0 {
			t.Errorf("%d came, want %d; %d dropped", s.Available(), sent, s.Dropped())
		}
		dropping := e.NewPublisher("/t", PublisherOptions{Full: FullDrop})
		if err := dropping.Publish(t.Context(), data.None()); err != nil || dropping.Dropped() != 1 {
			t.Errorf("dropping: %v, %d dropped", err, dropping.Dropped())
		}
		for range 20 {
			publish(t, e, "/t", data.None())
		}
		synctest.Wait()
		if got := uint64(s.Available()) + s.Dropped(); got != uint64(sent)+21 {
			t.Errorf("%d came, want %d", got, sent+21)
		}
		closing := make(chan error)
		go func() { closing <- waiting.Publish(context.Background(), data.None()) }()
		synctest.Wait()
		e.Close(context.Background())
		if err := <-closing; !errors.Is(err, ErrClosed) {
			t.Errorf("while the endpoint closes: %v", err)
		}
	})
}

// TestFlowLoss: what is lost on the way does not use up credit.
func TestFlowLoss(t *testing.T) {
	inFlowNet(t, []string{"node"}, nil, func(t *testing.T, n *flowNet) {
		n.add(Options{ID: endpointID{2}, PeerQueue: QueueLimit{Messages: 2, Overflow: OverflowDropNewest}})
		n.add(Options{ID: endpointID{3}})
		n.link(0, 1, false)
		n.link(1, 2, false)
		n.settle()
		s := n.subscribe(2, 16, "/t")
		p := n.publish(t.Context(), 0, "/t", 300)
		go func() {
			for range s.All(context.Background()) {
			}
		}()
		for range 20 { // a connection that is stuck for a while now and then
			n.end([2]int{1, 2}).out.setFull(true)
			time.Sleep(100 * time.Millisecond)
			n.end([2]int{1, 2}).out.setFull(false)
			time.Sleep(100 * time.Millisecond)
		}
		<-p.done
		time.Sleep(5 * time.Second)
		flows := n.es[0].Flows()
		if p.err != nil || n.es[1].Stats().Dropped[DropPeerQueue] == 0 || len(flows) != 1 || flows[0].Arrived != 300 || !flows[0].Counted {
			t.Errorf("%v, drops %v, flows %+v", p.err, n.es[1].Stats().Dropped, flows)
		}
		s.Close()
	})
}

// TestFlowBytes: the window counts bytes too, and a message that is larger than it goes out alone.
func TestFlowBytes(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		s, err := n.es[1].Subscribe([]string{"/t"}, QueueLimit{Messages: 1000, Bytes: 1000, FlowControl: true})
		if err != nil {
			t.Fatal(err)
		}
		n.settle()
		p := n.es[0].NewPublisher("/t", PublisherOptions{})
		sizes := []int{100, 200, 300, 400, 5000, 10, 20, 800, 3000, 7}
		done := make(chan error, 1)
		go func() {
			for _, size := range sizes {
				if err := p.Publish(t.Context(), data.String(strings.Repeat("x", size))); err != nil {
					done <- err
				}
			}
			done <- nil
		}()
		for _, size := range sizes {
			time.Sleep(time.Second)
			m, err := s.Get(t.Context())
			if text, _ := m.Value.AsString(); err != nil || len(text) != size {
				t.Errorf("%d bytes, want %d; %v", len(text), size, err)
			}
		}
		if err := <-done; err != nil || s.Dropped() > 0 {
			t.Errorf("%v, %d dropped", err, s.Dropped())
		}
	})
}

// TestFlowPrefixes: a message to one endpoint counts there as well, and so do changed prefixes.
func TestFlowPrefixes(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		s := n.subscribe(1, 16, "/t")
		if err := s.AddPrefixes("/u"); err != nil {
			t.Fatal(err)
		}
		n.settle()
		if err := n.es[0].PublishTo(n.es[1].ID(), "/u", data.Count(0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if f := n.es[0].Flows(); len(f) != 1 || f[0].Sent != 1 || f[0].Arrived != 1 || !slices.Equal(f[0].Prefixes, []string{"/t", "/u"}) {
			t.Errorf("flows %+v", f)
		}
		var many []string
		for i := range credit.MaxPrefixes {
			many = append(many, fmt.Sprintf("/%03d", i))
		}
		if err := s.AddPrefixes(many...); !errors.Is(err, ErrPrefixes) {
			t.Errorf("AddPrefixes: %v", err)
		}
		if _, err := n.es[1].Subscribe(append(many, "/x"), QueueLimit{FlowControl: true}); !errors.Is(err, ErrPrefixes) {
			t.Errorf("Subscribe: %v", err)
		}
		if err := s.SetPrefixes(append(many, "")); err != nil {
			t.Fatal(err)
		}
		s.RemovePrefixes("")
		time.Sleep(2 * time.Second)
		if f := n.es[0].Flows(); len(f) != 1 || len(f[0].Prefixes) != credit.MaxPrefixes {
			t.Errorf("flows %+v", f)
		}
	})
}

// TestFlowForeign: foreign endpoints see nothing of flow control, and origins that don't want it do as they like.
func TestFlowForeign(t *testing.T) {
	inFlowNet(t, []string{"node", "node"}, []string{"0-1"}, func(t *testing.T, n *flowNet) {
		r := rawDial(t, n.dial(0), n.es[0], "/t")
		plain := rawDialAs(t, n.dial(1), n.es[1], endpointID{0xff, 2})
		time.Sleep(2 * time.Second) // they say nothing, so that they are foreign
		s := n.subscribe(0, 16, "/t")
		plain.send(wire.TypeData, "/t", []byte{0})
		r.send(wire.TypeData, "/t", []byte{0})
		for range 2 {
			if _, err := s.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(3 * time.Second)
		for _, peer := range []*rawPeer{r, plain} {
			if err := n.es[1].SendInternal(peer.id, creditTopic, data.None()); !errors.Is(err, code.NoPathToPeer) && peer == plain {
				t.Errorf("sent to a foreign endpoint: %v", err)
			}
			synctest.Wait()
			in := peer.conn.(*memConn).in
			in.mu.Lock()
			seen := string(in.buf)
			in.mu.Unlock()
			if strings.Contains(seen, topic.InternalPrefix) {
				t.Errorf("%v has seen %q", peer.id, seen)
			}
			peer.conn.Close()
		}
		s.Close()
	})
	inFlowNet(t, []string{"node"}, nil, func(t *testing.T, n *flowNet) {
		n.add(Options{ID: endpointID{2}, NoFlowControl: true})
		n.link(0, 1, false)
		s := n.subscribe(0, 16, "/t")
		p := n.publish(t.Context(), 1, "/t", 100)
		<-p.done
		synctest.Wait()
		if p.err != nil || s.Available() != 16 || len(n.es[1].Flows()) > 0 {
			t.Errorf("%v, %d came", p.err, s.Available())
		}
	})
}

// dial connects a test to an endpoint.
func (n *flowNet) dial(to int) net.Conn {
	c, err := n.doors[fmt.Sprintf("10.0.0.1:%d", to+1)].connect(n.t.Context(), "")
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// TestFlowBounds: nobody can make an origin keep flows without end, nor grant for others.
func TestFlowBounds(t *testing.T) {
	inFlowNet(t, []string{"node", "node", "node"}, []string{"0-1", "1-2"}, func(t *testing.T, n *flowNet) {
		for i := range 2 * maxOutletsEach {
			g := credit.Grant{Flow: uint64(i + 1), Number: 1, Prefixes: []string{"/t"}}
			if err := n.es[2].SendInternal(n.es[0].ID(), creditTopic, g.Value()); err != nil {
				t.Fatal(err)
			}
		}
		n.es[2].SendInternal(n.es[0].ID(), creditTopic, data.String("nonsense"))
		n.es[2].SendInternal(n.es[0].ID(), creditTopic+"/more", credit.Grant{Flow: 1000, Number: 1}.Value())
		synctest.Wait()
		if f := n.es[0].Flows(); len(f) != maxOutletsEach || f[0].Subscriber != n.es[2].ID() {
			t.Errorf("%d flows", len(f))
		}
		n.es[1].Subscribe([]string{"/t"}, QueueLimit{})
		n.settle()
		p := n.publish(t.Context(), 0, "/t", 1)
		synctest.Wait()
		n.es[1].SendInternal(n.es[0].ID(), creditTopic, credit.Withdrawal{Flow: 1}.Value())
		g := credit.Grant{Flow: 1, Number: 9, Room: credit.Amount{Messages: 9, Bytes: 900}}
		n.es[1].SendInternal(n.es[0].ID(), creditTopic, g.Value())
		synctest.Wait()
		if p.sent.Load() != 0 {
			t.Error("somebody else could grant")
		}
		<-p.done // those who grant nothing are given up
		time.Sleep(credit.Forget)
		synctest.Wait()
		if f := n.es[0].Flows(); len(f) > 0 || !n.es[0].credits.idle() {
			t.Errorf("%d flows", len(f))
		}
	})
}
