// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// maxDelay bounds what a message takes.
const maxDelay = 80 * time.Millisecond

// network joins the endpoints of a history. Each direction between two of them is in order, and loses, delays or cuts as it is told.
type network struct {
	mu    sync.Mutex
	rng   *rand.Rand
	links [places][places]*link
	at    [places]*endpoint
}

// link is one direction between two places.
type link struct {
	// delivering is held while a message is handed over, so that the next one comes after it.
	delivering sync.Mutex
	mu         sync.Mutex
	queue      []message
	last       time.Time
	cut        bool
	// loss is in percent.
	loss  int
	delay time.Duration
}

type message struct {
	to      *endpoint
	topic   string
	payload []byte
}

// endpoint is a store.Bus. A new one takes a place when a process starts again.
type endpoint struct {
	net   *network
	place int
	id    data.EndpointID

	mu       sync.Mutex
	dead     bool
	handlers map[string]func([]byte)
}

func newNetwork(rng *rand.Rand) *network {
	n := &network{rng: rng}
	for i := range n.links {
		for j := range n.links[i] {
			n.links[i][j] = &link{}
		}
	}
	return n
}

// join puts an endpoint at a place, instead of the one that was there.
func (n *network) join(place int, id data.EndpointID) *endpoint {
	e := &endpoint{net: n, place: place, id: id, handlers: map[string]func([]byte){}}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at[place] = e
	return e
}

// both changes the two directions between two places.
func (n *network) both(a, b int, change func(l *link)) {
	for _, l := range []*link{n.links[a][b], n.links[b][a]} {
		l.mu.Lock()
		change(l)
		l.mu.Unlock()
	}
}

// heal ends all faults.
func (n *network) heal() {
	for i := range places {
		for j := range i {
			n.both(i, j, func(l *link) { l.cut, l.loss, l.delay = false, 0, 0 })
		}
	}
}

func (n *network) roll(limit int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rng.IntN(limit)
}

func (n *network) endpoint(place int) *endpoint {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.at[place]
}

// die takes an endpoint off the network: nothing comes or goes any more, not even what is under way to it.
func (e *endpoint) die() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dead = true
}

// ID is the endpoint's.
func (e *endpoint) ID() data.EndpointID { return e.id }

// AttachStore takes commands of a topic.
func (e *endpoint) AttachStore(topic string, handle func([]byte)) (func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handlers[topic] = handle
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.handlers, topic)
	}, nil
}

// SendCommand puts a command on its way.
func (e *endpoint) SendCommand(topic string, receiver data.EndpointID, payload []byte) error {
	for place := range places {
		to := e.net.endpoint(place)
		if to != nil && to != e && (receiver.IsZero() || receiver == to.id) {
			e.net.links[e.place][place].send(e, to, topic, payload)
		}
	}
	return nil
}

// PublishLocal goes nowhere: nobody subscribes to store events here.
func (*endpoint) PublishLocal(string, data.Value) {}

func (l *link) send(from, to *endpoint, topic string, payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from.isDead() || l.cut || l.loss > 0 && from.net.roll(100) < l.loss {
		return
	}
	at := time.Now()
	if l.delay > 0 {
		at = at.Add(time.Duration(from.net.roll(int(l.delay))))
	}
	if at.Before(l.last) {
		at = l.last
	}
	l.last = at
	l.queue = append(l.queue, message{to, topic, bytes.Clone(payload)})
	time.AfterFunc(time.Until(at), l.deliver)
}

// deliver hands over what has waited longest. Each message has one call of its own, at its time or after it.
func (l *link) deliver() {
	l.delivering.Lock()
	defer l.delivering.Unlock()
	l.mu.Lock()
	m := l.queue[0]
	l.queue = l.queue[1:]
	l.mu.Unlock()
	m.to.receive(m.topic, m.payload)
}

func (e *endpoint) isDead() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dead
}

func (e *endpoint) receive(topic string, payload []byte) {
	e.mu.Lock()
	handle := e.handlers[topic]
	if e.dead {
		handle = nil
	}
	e.mu.Unlock()
	if handle != nil {
		handle(payload)
		clear(payload) // it is valid during the call only
	}
}
