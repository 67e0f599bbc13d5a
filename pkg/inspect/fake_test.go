// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// network carries messages between its mailboxes.
type network struct {
	sync.Mutex
	boxes map[data.EndpointID]*box
	// down is how many messages are lost before the way is known.
	down int
}

func newNetwork() *network { return &network{boxes: make(map[data.EndpointID]*box)} }

var errNoWay = errors.New("no way")

type letter struct {
	from data.EndpointID
	v    data.Value
}

// box is a mail.
type box struct {
	n    *network
	id   data.EndpointID
	in   chan letter
	end  chan struct{}
	once sync.Once
}

func (n *network) box(id data.EndpointID) *box {
	b := &box{n: n, id: id, in: make(chan letter, 1000), end: make(chan struct{})}
	n.Lock()
	defer n.Unlock()
	n.boxes[id] = b
	return b
}

func (b *box) send(to data.EndpointID, v data.Value) error {
	b.n.Lock()
	defer b.n.Unlock()
	if b.n.down > 0 {
		b.n.down--
		return errNoWay
	}
	other := b.n.boxes[to]
	if other == nil {
		return fmt.Errorf("%w to %s", errNoWay, to)
	}
	// What travels is bytes.
	copied, err := data.Decode(v.AppendBinary(nil))
	if err != nil {
		return err
	}
	other.in <- letter{b.id, copied}
	return nil
}

func (b *box) next(ctx context.Context) (data.EndpointID, data.Value, error) {
	select {
	case l := <-b.in:
		return l.from, l.v, nil
	case <-b.end:
		return data.EndpointID{}, data.Value{}, ErrClosed
	case <-ctx.Done():
		return data.EndpointID{}, data.Value{}, ctx.Err()
	}
}

func (b *box) close() { b.once.Do(func() { close(b.end) }) }

// fakeNode is a source.
type fakeNode struct {
	sync.Mutex
	is       Report
	timed    []bool
	stopped  int
	routeErr error
}

func (f *fakeNode) report() Report { return f.is }

func (f *fakeNode) route(topic string, entering, origin data.EndpointID) (Route, error) {
	return Route{Entering: entering, Origin: origin, Steps: make([]Step, len(topic))}, f.routeErr
}

func (f *fakeNode) trace(prefix string) (recording, error) {
	if prefix == "/bad" {
		return nil, errors.New("no")
	}
	return &fakeRecording{f, prefix}, nil
}

func (f *fakeNode) times(on bool) {
	f.Lock()
	defer f.Unlock()
	f.timed = append(f.timed, on)
}

type fakeRecording struct {
	f      *fakeNode
	prefix string
}

func (r *fakeRecording) since(n uint64) Trace {
	return Trace{Next: n + 1, Records: []TraceRecord{{Topic: r.prefix, Number: n}}}
}

func (r *fakeRecording) stop() {
	r.f.Lock()
	defer r.f.Unlock()
	r.f.stopped++
}

func (f *fakeNode) state() (timed []bool, stopped int) {
	f.Lock()
	defer f.Unlock()
	return append([]bool(nil), f.timed...), f.stopped
}
