// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// publisherCapacity is how many messages a publisher holds, as in the reference.
const publisherCapacity = 128

// publisher holds messages of one topic until the queues behind it have room.
type publisher struct {
	e   *endpoint
	out *broker.Publisher
	mu  struct {
		sync.Mutex
		bell
		queue   []data.Value // what waits, the one that is being sent included
		sending bool         // a goroutine empties the queue
		closed  bool
	}
}

// NewPublisher makes a publisher to a topic.
func NewPublisher(h Handle, name []byte) (Handle, error) {
	e, err := find[*endpoint](h)
	if err != nil {
		return 0, err
	}
	if err := checkTopic(frame{topic: name}); err != nil {
		return 0, err
	}
	b, err := newBell()
	if err != nil {
		return 0, err
	}
	b.ring(true)
	p := &publisher{e: e, out: e.NewPublisher(string(name), broker.PublisherOptions{})}
	p.mu.bell = b
	return objects.add(p), nil
}

// Send takes frames, all of which are checked before, and answers how many bytes of the row were taken. errAgain: it is full.
func Send(h Handle, row []byte) (done int, err error) {
	p, err := find[*publisher](h)
	if err != nil {
		return 0, err
	}
	err = checkFrames(row, func(f frame) error {
		if len(f.topic) > 0 {
			return wrong("topic: it must be empty, the publisher has one")
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for done < len(row) {
		if p.mu.closed || p.e.ctx.Err() != nil {
			return done, errClosed
		}
		if len(p.mu.queue) >= publisherCapacity {
			return done, errAgain
		}
		f, err := nextFrame(row[done:])
		if err != nil {
			return done, err
		}
		v, err := data.Decode(f.value)
		if err != nil {
			return done, err
		}
		if err := p.addLocked(v); err != nil {
			return done, err
		}
		done += f.size()
	}
	return done, nil
}

// addLocked queues a value, and sees to it that somebody sends it.
func (p *publisher) addLocked(v data.Value) error {
	p.mu.queue = append(p.mu.queue, v)
	if !p.mu.sending {
		if !p.e.background(p.run) {
			return errClosed
		}
		p.mu.sending = true
	}
	p.mu.bell.ring(len(p.mu.queue) < publisherCapacity)
	return nil
}

// run sends what is queued. It ends when there is nothing left, or with the endpoint.
func (p *publisher) run() {
	for {
		p.mu.Lock()
		if len(p.mu.queue) == 0 || p.e.ctx.Err() != nil {
			p.mu.queue, p.mu.sending = nil, false
			p.mu.bell.ring(true)
			p.mu.Unlock()
			return
		}
		v := p.mu.queue[0]
		p.mu.Unlock()
		// A value that can't be sent is gone, as one that the endpoint itself would publish.
		_ = p.out.Publish(p.e.ctx, v)
		p.mu.Lock()
		p.mu.queue = p.mu.queue[1:]
		p.mu.bell.ring(len(p.mu.queue) < publisherCapacity)
		p.mu.Unlock()
	}
}

// close ends the handle; what is queued is still sent.
func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.closed = true
	p.mu.bell.close()
}

// descriptor is the number to poll.
func (p *publisher) descriptor() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.bell.descriptor()
}

// Buffered is how many messages wait in a publisher, and how many may.
func Buffered(h Handle) (waiting, capacity int, err error) {
	p, err := find[*publisher](h)
	if err != nil {
		return 0, 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.queue), publisherCapacity, nil
}
