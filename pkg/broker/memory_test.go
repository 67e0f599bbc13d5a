// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// TestMemoryLimitOfPeers ends the connection that holds the most, and no other.
func TestMemoryLimitOfPeers(t *testing.T) {
	const limit = 2 << 20
	inBubble(t, Options{PlainProtocol: true, MemoryLimit: limit}, func(t *testing.T, e *Endpoint, l *memListener) {
		stuck := rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 1}, "/t/big")
		other := rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 2}, "/t")
		slow := rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 3}, "/t/small")
		synctest.Wait()
		for _, r := range []*rawPeer{stuck, slow} {
			r.conn.(*memConn).in.setFull(true)
		}
		text := data.String(strings.Repeat("x", 50_000))
		for i := range 200 {
			publish(t, e, "/t/big", text)
			if i%10 == 0 {
				publish(t, e, "/t/small", data.Count(1))
			}
			synctest.Wait()
			if st := e.Stats(); st.MemoryUsed > limit+2*50_000 || st.MemoryLimit != limit {
				t.Fatalf("%d bytes are held", st.MemoryUsed)
			}
		}
		st := e.Stats()
		if st.Peers != 2 || st.MemoryReached != 1 || st.DroppedTopics["/t/big"] == 0 || len(st.DroppedTopics) != 1 || st.Dropped[DropPeerQueue] == 0 {
			t.Errorf("%+v", st)
		}
		for _, p := range e.Peers() {
			if p.ID == stuck.id || p.Dropped != 0 {
				t.Errorf("%+v", p)
			}
		}
		for _, r := range []*rawPeer{stuck, slow, other} {
			r.conn.(*memConn).in.setFull(false)
			r.conn.Close()
		}
		synctest.Wait()
		if st := e.Stats(); st.MemoryUsed != 0 {
			t.Errorf("%d bytes are held by nobody", st.MemoryUsed)
		}
	})
}

// TestMemoryLimitOfSubscribers has subscribers that don't read lose messages as their policies say.
func TestMemoryLimitOfSubscribers(t *testing.T) {
	for _, policy := range []Overflow{OverflowDropOldest, OverflowDropNewest} {
		e := endpoint(t, Options{MemoryLimit: 1 << 20})
		unread, err := e.Subscribe([]string{"/t"}, QueueLimit{Overflow: policy})
		if err != nil {
			t.Fatal(err)
		}
		read := subscribe(t, e, "/t")
		const n = 3000
		for i := range n {
			e.PublishLocal("/t", data.Vector(data.Count(uint64(i)), data.String(strings.Repeat("x", 1000))))
			get(t, read)
			if st := e.Stats(); st.MemoryUsed > 1<<20+1<<16 {
				t.Fatalf("%d bytes are held", st.MemoryUsed)
			}
		}
		left := unread.Available()
		if left < 700 || left > 1100 || int(unread.Dropped()) != n-left || read.Dropped() != 0 || e.Stats().Dropped[DropSubscriber] != unread.Dropped() {
			t.Errorf("policy %v: %d left, %d dropped", policy, left, unread.Dropped())
		}
		next := 0
		for m, ok := unread.Poll(); ok; m, ok = unread.Poll() {
			number, _ := m.Value.Index(0)
			i, _ := number.AsCount()
			if int(i) < next {
				t.Fatalf("message %d after %d", i, next-1)
			}
			next = int(i) + 1
		}
		if policy == OverflowDropOldest && next != n {
			t.Errorf("the last message was %d", next-1)
		}
		if used := e.Stats().MemoryUsed; used != 0 {
			t.Errorf("%d bytes are held by nobody", used)
		}
	}
}

// TestMemoryLimitOfPartialFrames ends the connection on which a message comes that is too large for the memory.
func TestMemoryLimitOfPartialFrames(t *testing.T) {
	inBubble(t, Options{PlainProtocol: true, MemoryLimit: 2 << 20}, func(t *testing.T, e *Endpoint, l *memListener) {
		r := rawDial(t, l.dial(t), e)
		other := rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 2})
		synctest.Wait()
		head := binary.BigEndian.AppendUint32(nil, 32<<20)
		r.conn.Write(head)
		for range 64 {
			r.conn.Write(make([]byte, 64<<10))
			synctest.Wait()
			if st := e.Stats(); st.MemoryUsed > 5<<20 {
				t.Fatalf("%d bytes are held", st.MemoryUsed)
			}
		}
		if peers := e.Peers(); len(peers) != 1 || peers[0].ID != other.id {
			t.Errorf("%+v", peers)
		}
		other.send(wire.TypeData, "/t", data.None().AppendBinary(nil))
		other.conn.Close()
	})
}

// TestMemoryAccount lets something of the program's own give up what it holds.
func TestMemoryAccount(t *testing.T) {
	e := endpoint(t, Options{MemoryLimit: 1 << 20})
	held := 0
	var a *Account
	a = e.Account(func(n int64) bool {
		held -= int(n)
		a.Add(-n)
		return true
	})
	for range 100 {
		a.Check()
		held += 50_000
		a.Add(50_000)
		if st := e.Stats(); st.MemoryUsed > 1<<20+50_000 || st.MemoryUsed != int64(held) {
			t.Fatalf("%d bytes, %d", st.MemoryUsed, held)
		}
	}
	a.Leave()
	if st := e.Stats(); st.MemoryUsed != 0 || st.MemoryReached == 0 {
		t.Errorf("%+v", st)
	}
	if _, err := New(Options{MemoryLimit: -1}); err == nil {
		t.Error("a negative limit was accepted")
	}
}

// TestMemoryLimitOfWaitingPublishers: with publishers that wait the limit is not reached, and nothing is lost.
func TestMemoryLimitOfWaitingPublishers(t *testing.T) {
	for _, peers := range []int{1, 2} {
		e := endpoint(t, Options{MemoryLimit: 1 << 20, PeerQueue: QueueLimit{Messages: 1 << 20, Bytes: 1 << 30}})
		var subs []*Subscriber
		for range peers {
			b := endpoint(t, Options{})
			connect(t, e, b)
			sub, err := b.SubscribeSync(within(t), []string{"/t"}, QueueLimit{Messages: 10, Overflow: OverflowWait})
			if err != nil {
				t.Fatal(err)
			}
			subs = append(subs, sub)
			waitFor(t, e, "/t", len(subs))
		}
		const n = 5000
		done := make(chan error, 1)
		go func() {
			p := e.NewPublisher("/t", PublisherOptions{})
			text := data.String(strings.Repeat("x", 1000))
			for range n {
				if err := p.Publish(within(t), text); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for i := range n {
			for _, sub := range subs {
				get(t, sub)
			}
			if st := e.Stats(); i%100 == 0 && st.MemoryUsed > 1<<20 {
				t.Fatalf("%d bytes are held", st.MemoryUsed)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if st := e.Stats(); st.MemoryReached != 0 || st.Data.Dropped != (Tally{}) || st.Data.Queued.Messages != uint64(n*peers) {
			t.Errorf("%d peers: %+v", peers, st)
		}
	}
}

// waitFor waits until a topic goes to so many peers.
func waitFor(t *testing.T, e *Endpoint, name string, peers int) {
	t.Helper()
	poll(t, "the route", func() bool {
		o, err := e.routes.Load().own(name)
		return err == nil && o.others() == peers
	})
}
