// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// line is where the endpoint's own messages stand in line for the mesh: the last number of each lane. A message takes its number while it
// takes its places in the queues of peers, so that numbers rise in every queue. Nothing waits in here.
type line [2]atomic.Uint64

// raise lets numbers go on above one.
func (l *line) raise(number uint64) {
	for i := range l {
		for last := l[i].Load(); last < number && !l[i].CompareAndSwap(last, number); {
			last = l[i].Load()
		}
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

// number queues a message of this endpoint for peers, which are in the order of their IDs. The head of the frame is that of a stamped
// message, and its stamp is filled in. The answer is how many had no room, if the admission was OrFull.
func (e *Endpoint) number(lane mesh.Lane, how *sending, to []*peer, f *peering.Frame, admission peering.Admission) (full int) {
	in := peering.LaneData
	if lane == mesh.LaneCommand {
		in = peering.LaneCommand
	}
	head := f.Head
	f.Counter, f.NumberAt = &e.line[lane], len(head)-wire.NumberSize
	if v := e.routes.Load().view; v != nil && v.Times {
		f.Head = wire.AppendOwn(slices.Clip(head[:len(head)-wire.OwnStampSize]), time.Now().UnixNano())
	}
	command := lane == mesh.LaneCommand
	if len(to) == 1 {
		if r := to[0].Queue.Put(in, f, admission); r == peering.Full {
			full = 1
		} else {
			how.settle(to[0], r, command)
		}
	} else {
		full = numberAll(in, how, to, f, admission)
	}
	if e.tracers.on() {
		e.tracers.published(e.opt.ID, f, to)
	}
	f.Head, f.Counter = head, nil
	return full
}

func numberAll(in peering.Lane, how *sending, to []*peer, f *peering.Frame, admission peering.Admission) (full int) {
	var bad []queued
	peering.PutAll(len(to), func(i int) *peering.Queue { return to[i].Queue }, in, f, admission, func(i int, r peering.Result) {
		switch r {
		case peering.Queued:
		case peering.Full:
			full++
		default:
			bad = append(bad, queued{to[i], r})
		}
	})
	for _, b := range bad { // with no queue locked
		how.settle(b.p, b.r, in == peering.LaneCommand)
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
