// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// stuckAndOpen peers an endpoint with one peer whose socket takes nothing any more, with its queue full, and with one that takes
// everything. Both want "/t".
func stuckAndOpen(t *testing.T, e *Endpoint, l *memListener) (stuck, open *rawPeer) {
	t.Helper()
	stuck = rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 1}, "/t", "/fill")
	open = rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 2}, "/t")
	synctest.Wait()
	stuck.conn.(*memConn).in.setFull(true)
	fill := e.NewPublisher("/fill", PublisherOptions{Full: FullFail})
	for err := error(nil); err == nil; {
		err = fill.Publish(t.Context(), data.None())
		synctest.Wait() // the writer has taken what it takes
	}
	return stuck, open
}

// counts reads the counts of the data messages that came for "/t" until nothing more comes.
func (r *rawPeer) counts() (out []uint64) {
	synctest.Wait()
	s := r.conn.(*memConn).in
	for {
		s.mu.Lock()
		empty := len(s.buf) == 0
		s.mu.Unlock()
		if empty {
			return out
		}
		if env := r.envelope(); env.Type == wire.TypeData && string(env.Topic) == "/t" {
			v, _ := data.Decode(env.Payload)
			n, _ := v.AsCount()
			out = append(out, n)
		}
	}
}

// TestPublisherFull publishes to two peers of which one has a full queue.
func TestPublisherFull(t *testing.T) {
	const capacity = 4
	for _, c := range []struct {
		name     string
		full     Full
		callback bool
		want     error
		dropped  uint64
		got      []uint64 // by the peer that takes everything
	}{
		{"fail", FullFail, false, ErrFull, 0, nil},
		{"fail in a callback", FullFail, true, ErrFull, 0, nil},
		{"wait in a callback", FullWait, true, ErrWouldBlock, 0, nil},
		{"drop", FullDrop, false, nil, 3, []uint64{0, 1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, Options{PlainProtocol: true, PeerQueue: QueueLimit{Messages: capacity}}, func(t *testing.T, e *Endpoint, l *memListener) {
				stuck, open := stuckAndOpen(t, e, l)
				defer stuck.conn.Close()
				defer open.conn.Close()
				p := e.NewPublisher("/t", PublisherOptions{Full: c.full})
				if p.Capacity() != capacity || p.Buffered() != capacity {
					t.Errorf("capacity %d, buffered %d", p.Capacity(), p.Buffered())
				}
				ctx := t.Context()
				if c.callback {
					ctx = context.WithValue(ctx, callbackKey{e}, true)
				}
				for i := range 3 {
					if err := p.Publish(ctx, data.Count(uint64(i))); !errors.Is(err, c.want) {
						t.Errorf("Publish: %v, want %v", err, c.want)
					}
				}
				if p.Dropped() != c.dropped {
					t.Errorf("%d dropped, want %d", p.Dropped(), c.dropped)
				}
				if got := open.counts(); !slices.Equal(got, c.got) {
					t.Errorf("the other peer got %v, want %v", got, c.got)
				}
				if n := e.Stats().Peers; n != 2 {
					t.Errorf("%d peers", n)
				}
			})
		})
	}
}

// TestPublisherWaits waits until the peer takes messages again, or is gone; a callback with room does not notice anything.
func TestPublisherWaits(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(r *rawPeer)
	}{
		{"room", func(r *rawPeer) { r.conn.(*memConn).in.setFull(false) }},
		{"gone", func(r *rawPeer) { r.conn.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, Options{PlainProtocol: true, PeerQueue: QueueLimit{Messages: 4}}, func(t *testing.T, e *Endpoint, l *memListener) {
				stuck, open := stuckAndOpen(t, e, l)
				defer stuck.conn.Close()
				defer open.conn.Close()
				done := make(chan error, 1)
				go func() { done <- e.NewPublisher("/t", PublisherOptions{}).Publish(context.Background(), data.Count(7)) }()
				synctest.Wait()
				select {
				case err := <-done:
					t.Fatalf("did not wait: %v", err)
				default:
				}
				c.then(stuck)
				if err := <-done; err != nil {
					t.Error(err)
				}
				if got := open.counts(); !slices.Equal(got, []uint64{7}) {
					t.Errorf("the other peer got %v", got)
				}
				marked := context.WithValue(t.Context(), callbackKey{e}, true)
				synctest.Wait()
				if err := e.NewPublisher("/t", PublisherOptions{}).Publish(marked, data.Count(8)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestCallbackOfAnother endpoint may wait.
func TestCallbackOfAnother(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	ctx := context.WithValue(context.WithValue(t.Context(), callbackKey{a}, true), callbackKey{b}, true)
	for _, e := range []*Endpoint{a, b} {
		if !inCallback(ctx, e) || inCallback(t.Context(), e) {
			t.Error("callbacks of two endpoints are mixed up")
		}
	}
	if inCallback(context.WithValue(t.Context(), callbackKey{a}, true), b) {
		t.Error("a callback of one endpoint counts for another")
	}
}

// TestBatches arrive in order, and a bad message says which it was.
func TestBatches(t *testing.T) {
	a, b := endpoint(t, Options{MaxFrame: 1000}), endpoint(t, Options{})
	sub, _ := b.Subscribe([]string{"/"}, QueueLimit{})
	connect(t, a, b)
	big := data.String(string(make([]byte, 2000)))
	p := a.NewPublisher("/p", PublisherOptions{})
	if err := p.PublishBatch(t.Context(), []data.Value{data.Count(0), data.Count(1)}); err != nil {
		t.Fatal(err)
	}
	err := p.PublishBatch(t.Context(), []data.Value{data.Count(2), big, data.Count(9)})
	if !errors.Is(err, ErrValue) || err.Error()[:16] != "message 2 of 3: " {
		t.Errorf("PublishBatch: %v", err)
	}
	if err := a.PublishBatch([]TopicValue{{"/x", data.Count(3)}, {"/y", data.Count(4)}, {"<$>", data.None()}}); !errors.Is(err, ErrTopic) {
		t.Errorf("PublishBatch: %v", err)
	}
	for i, name := range []string{"/p", "/p", "/p", "/x", "/y"} {
		if m := get(t, sub); m.Topic != name || !data.Equal(m.Value, data.Count(uint64(i))) {
			t.Errorf("message %d: %+v", i, m)
		}
	}
}

// TestPublishBytes takes well-formed values only, and the bytes may be used again.
func TestPublishBytes(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	sub, _ := b.Subscribe([]string{"/t"}, QueueLimit{})
	connect(t, a, b)
	hub, _ := a.NewHub([]string{"/t"}, QueueLimit{})
	for _, n := range []int{1, 100, 10_000} {
		want := data.Vector(data.String(string(make([]byte, n))), data.Count(1))
		buf := want.AppendBinary(nil)
		if err := a.PublishBytes("/t", buf); err != nil {
			t.Fatal(err)
		}
		clear(buf)
		for _, s := range []*Subscriber{sub, hub.Subscriber} {
			if m := get(t, s); !data.Equal(m.Value, want) {
				t.Errorf("%d bytes: got %v", n, m.Value)
			}
		}
	}
	for _, bad := range [][]byte{nil, {}, {99}, {0, 0}, {14, 1}} {
		if err := a.PublishBytes("/t", bad); !errors.Is(err, ErrValue) {
			t.Errorf("PublishBytes(%v): %v", bad, err)
		}
		if err := a.PublishBytes("/nobody", bad); !errors.Is(err, ErrValue) {
			t.Errorf("PublishBytes(%v) to nobody: %v", bad, err)
		}
	}
	if err := a.PublishBytes("<$>", []byte{0}); !errors.Is(err, ErrTopic) {
		t.Errorf("reserved topic: %v", err)
	}
	a.Close(within(t))
	if err := a.PublishBytes("/t", []byte{0}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestPublisherFullInMesh is TestPublisherFull between nodes, whose messages are numbered for all of them at once.
func TestPublisherFullInMesh(t *testing.T) {
	for _, c := range []struct {
		name    string
		full    Full
		mark    bool // as in a callback
		want    error
		dropped uint64
		got     []uint64 // by the node that takes everything
	}{
		{"fail", FullFail, false, ErrFull, 0, nil}, {"wait in a callback", FullWait, true, ErrWouldBlock, 0, nil},
		{"drop", FullDrop, false, nil, 3, []uint64{0, 1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{PeerQueue: QueueLimit{Messages: 4}}
				a, stuck := localPair(t, o)
				open, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				block, _ := stuck.Subscribe([]string{"/fill", "/t"}, QueueLimit{Messages: 1, Overflow: OverflowWait})
				sub, _ := open.Subscribe([]string{"/t"}, QueueLimit{})
				connectLocal(t, a, stuck)
				connectLocal(t, a, open)
				synctest.Wait()
				fill := a.NewPublisher("/fill", PublisherOptions{Full: FullFail})
				for err := error(nil); err == nil; synctest.Wait() {
					err = fill.Publish(t.Context(), data.None())
				}
				ctx := t.Context()
				if c.mark {
					ctx = context.WithValue(ctx, callbackKey{a}, true)
				}
				p := a.NewPublisher("/t", PublisherOptions{Full: c.full})
				for i := range 3 {
					if err := p.Publish(ctx, data.Count(uint64(i))); !errors.Is(err, c.want) {
						t.Errorf("Publish: %v, want %v", err, c.want)
					}
				}
				synctest.Wait()
				if got := numbers(sub); !slices.Equal(got, c.got) || p.Dropped() != c.dropped || a.Stats().Dropped[DropPeerQueue] != c.dropped {
					t.Errorf("got %v, dropped %d; want %v, %d", got, p.Dropped(), c.got, c.dropped)
				}
				if n := a.Stats().Peers; n != 2 {
					t.Errorf("%d peers", n)
				}
				block.Close()
				closePair(a, stuck)
				open.Close(context.Background())
			})
		})
	}
}
