// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// MessagesDropped is the code of the error event that tells of messages which a full queue of a peer has cost. No other Broker has it.
// At most one comes in a second for each peer; where the policy is OverflowDisconnect the event is peer_removed.
const MessagesDropped = "messages_dropped"

// tellDropsEvery is the least time between two events about what was dropped for a peer.
const tellDropsEvery = time.Second

// dropTeller raises an event when messages for a peer have been dropped.
type dropTeller struct {
	pending atomic.Bool // the timer runs
	busy    sync.WaitGroup
	mu      struct {
		sync.Mutex
		timer   *time.Timer
		last    time.Time
		total   uint64
		topics  map[string]uint64
		stopped bool
	}
}

// tellDrops makes sure that somebody hears of a drop, now or when the last event is old enough.
func (p *peer) tellDrops() {
	t := &p.dropping
	if t.pending.Load() || !t.pending.CompareAndSwap(false, true) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.stopped {
		return
	}
	t.busy.Add(1)
	t.mu.timer = time.AfterFunc(max(0, tellDropsEvery-time.Since(t.mu.last)), func() {
		defer t.busy.Done()
		p.sayDrops()
	})
}

// stop ends the events.
func (t *dropTeller) stop() {
	t.mu.Lock()
	t.mu.stopped = true
	if t.mu.timer != nil && t.mu.timer.Stop() {
		t.busy.Done()
	}
	t.mu.Unlock()
	t.busy.Wait()
}

// begin says that there is an event now. What is dropped from now on is for the next one.
func (t *dropTeller) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.last = time.Now()
	t.pending.Store(false)
}

// news are the drops since the last time.
func (t *dropTeller) news(st peering.Stats, topics map[string]uint64) (n uint64, by map[string]uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, by = st.Dropped-t.mu.total, make(map[string]uint64)
	for prefix, k := range topics {
		if k > t.mu.topics[prefix] {
			by[prefix] = k - t.mu.topics[prefix]
		}
	}
	t.mu.total, t.mu.topics = st.Dropped, topics
	return n, by
}

func (p *peer) sayDrops() {
	p.dropping.begin()
	n, by := p.dropping.news(p.Queue.Stats(), p.Queue.TopicDrops())
	if n == 0 {
		return
	}
	text := dropsText(by)
	p.log.Warn("messages to a peer are dropped", "code", MessagesDropped, "dropped", n, "topic", text)
	p.e.mu.Lock()
	about := StatusEvent{Error: true, Code: MessagesDropped, ID: p.Peer, Address: p.address, Retry: p.retry}
	p.e.mu.Unlock()
	about.Message = fmt.Sprintf("%d messages for the peer were dropped: %s", n, text)
	p.e.PublishLocal(topic.Errors, about.Value())
	p.e.news.tell()
}

// shownTopics is how many topics an event names.
const shownTopics = 5

// dropsText is for instance "12 /zeek/conn, 3 /zeek/dns, 7 elsewhere".
func dropsText(by map[string]uint64) string {
	keys := slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
	var parts []string
	var rest uint64
	for _, prefix := range keys {
		if len(parts) == shownTopics || prefix == OtherTopics {
			rest += by[prefix]
			continue
		}
		parts = append(parts, fmt.Sprintf("%d %s", by[prefix], prefix))
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d elsewhere", rest))
	}
	return strings.Join(parts, ", ")
}
