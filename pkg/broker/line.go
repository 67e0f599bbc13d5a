// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// line is where the endpoint's own messages stand in line for the mesh. Each takes its number and its places in the queues of peers in
// one go, so that numbers rise in every queue. Nothing waits in here.
type line struct {
	mu struct {
		sync.Mutex
		last  [2]uint64               // number of each lane
		stamp [wire.MaxStampSize]byte // of the message that is being queued
	}
}

func (l *line) init(number uint64) { l.mu.last = [2]uint64{number, number} }

// raise lets numbers go on above one.
func (l *line) raise(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.mu.last {
		l.mu.last[i] = max(l.mu.last[i], number)
	}
}

// numbersFrom is a number above all that were given before: they begin with a time in nanoseconds and rise more slowly.
func (e *Endpoint) numbersFrom() uint64 {
	return uint64(e.started.UnixNano()) + uint64(time.Since(e.started))
}

// queued is what became of a frame for one peer.
type queued struct {
	p *peer
	r peering.Result
}

// number gives a message of this endpoint its stamp and queues it for peers. It answers how many had no room, if the admission was
// OrFull.
func (e *Endpoint) number(lane mesh.Lane, how *sending, to []*peer, f *peering.Frame, admission peering.Admission) (full int) {
	in := peering.LaneData
	if lane == mesh.LaneCommand {
		in = peering.LaneCommand
	}
	var bad []queued
	var sent int64
	if v := e.routes.Load().view; v != nil && v.Times {
		sent = time.Now().UnixNano()
	}
	l := &e.line
	l.mu.Lock()
	l.mu.last[lane]++
	number := l.mu.last[lane]
	f.Stamp = wire.AppendOwn(l.mu.stamp[:0], number, sent)
	for _, p := range to {
		switch r := p.Queue.Put(in, f, admission); r {
		case peering.Queued:
		case peering.Full:
			full++
		default:
			bad = append(bad, queued{p, r})
		}
	}
	l.mu.Unlock()
	for _, b := range bad {
		how.settle(b.p, b.r, lane == mesh.LaneCommand)
	}
	if e.tracers.on() {
		e.tracers.published(e.opt.ID, number, f, to)
	}
	return full
}

// sendStamped queues a data frame with a stamp for peers. Who waits for room does so before the message gets its number, and is then
// queued even if a queue has become full meanwhile; with one peer it is simply tried again.
func (e *Endpoint) sendStamped(ctx context.Context, how *sending, sure bool, to []*peer, f *peering.Frame) error {
	admission := how.admission(sure, len(to))
	if admission == peering.Always && !sure {
		for _, p := range to {
			for p.Queue.Room(f.Size()+wire.MaxStampSize) != nil {
				if err := p.room(ctx, f.Size()+wire.MaxStampSize); err != nil {
					return err
				}
			}
		}
	}
	for e.number(mesh.LaneData, how, to, f, admission) > 0 {
		if err := to[0].room(ctx, f.Size()); err != nil {
			return err
		}
	}
	return nil
}
