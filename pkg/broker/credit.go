// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// Topics of flow control (package credit): grants go to creditTopic at the origin, marks to markTopics and the number of the flow at the
// subscriber, where they pass through the queue of the subscription itself, in order with its messages.
const (
	creditTopic = topic.InternalPrefix + "credit"
	markTopics  = topic.InternalPrefix + "mark/"
)

const (
	creditTick = 500 * time.Millisecond
	// markGap is the shortest time between two marks of one flow.
	markGap = 100 * time.Millisecond
	// maxOutlets bounds the flows that an origin takes part in, maxOutletsEach those of one subscribing endpoint.
	maxOutlets     = 1024
	maxOutletsEach = 64
)

// credits is the endpoint's part in flow control from end to end, as an origin (creditorigin.go) and as a subscriber (creditflow.go).
// Grants are taken by the readers of peers. What is done by the clock, and what consumers set off, is done by one goroutine, which runs
// only while there is a flow.
type credits struct {
	// asked are the flows that publishers have to look at; nil if there are none. What it points to is never changed.
	asked  atomic.Pointer[[]asking]
	answer atomic.Pointer[knownAnswer]
	inbox  *Subscriber   // takes grants; nil if the endpoint takes no part
	poked  chan struct{} // one slot: a subscriber has something to grant

	mu struct {
		sync.Mutex
		closed  bool
		running bool
		outlets map[outletKey]*outlet
		subs    map[*Subscriber]struct{} // under flow control
		told    []data.EndpointID        // endpoints that nodes have named to this client; nil again when the goroutine has seen them
	}
}

func (c *credits) init(e *Endpoint) {
	c.poked = make(chan struct{}, 1)
	c.mu.outlets = make(map[outletKey]*outlet)
	c.mu.subs = make(map[*Subscriber]struct{})
	if !e.opt.PlainProtocol {
		c.inbox = newSubscriber(e, []string{creditTopic}, QueueLimit{})
		c.inbox.internal, c.inbox.sink = true, e.granted
	}
}

// poke wakes the goroutine.
func (c *credits) poke() {
	select {
	case c.poked <- struct{}{}:
	default:
	}
}

// startLocked starts the goroutine unless it runs. The endpoint must not have finished closing.
func (c *credits) startLocked(e *Endpoint) {
	if !c.mu.running && !c.mu.closed {
		c.mu.running = true
		e.running.Go(e.runCredits)
	}
}

// idle ends the goroutine if there is no flow any more.
func (c *credits) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.running = len(c.mu.outlets)+len(c.mu.subs) > 0
	return !c.mu.running
}

func (e *Endpoint) runCredits() {
	tick := time.NewTicker(creditTick)
	defer tick.Stop()
	var known origins
	for {
		ticked := false
		select {
		case <-e.stop.Done():
			return
		case <-e.credits.poked:
		case <-tick.C:
			ticked = true
			e.tickOutlets(time.Now())
		}
		e.lookAround(&known, ticked)
		e.grantAll(&known, ticked)
		if ticked && e.credits.idle() {
			return
		}
	}
}

// closeCredits ends all flows: publishers that wait are released, origins are told.
func (e *Endpoint) closeCredits() {
	c := &e.credits
	c.mu.Lock()
	c.mu.closed = true
	for key := range c.mu.outlets {
		c.removeLocked(key)
	}
	c.publishLocked()
	var subs []*Subscriber
	for s := range c.mu.subs {
		subs = append(subs, s)
	}
	clear(c.mu.subs)
	c.mu.Unlock()
	for _, s := range subs {
		s.withdraw()
	}
}

// randomFlow is a random number that is not zero.
func randomFlow() uint64 { return rand.Uint64() | 1<<63 }

func markTopic(flow uint64) string { return markTopics + strconv.FormatUint(flow, 16) }

// mayCredit tells whether an endpoint may know of flow control: foreign ones don't.
func (s *snapshot) mayCredit(id data.EndpointID) bool {
	if p := s.peers[id]; p != nil {
		return p.class() != ClassForeign
	}
	return id != s.self && !id.IsZero() && (s.view == nil || !s.view.Foreign(id))
}
