// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// ClonesOptions say whose store [Clones] follow.
type ClonesOptions struct {
	Link
	// Clones is their number. Each has an endpoint and a connection of its own.
	Clones int
}

// ClonesResult is what followers print. Its messages are the changes that the
// one which came least far has behind it, by event or by another snapshot.
type ClonesResult struct {
	Result
	// Clones is the number of followers.
	Clones int `json:"clones"`
}

// Clones follow the master of [StoreName] as clones do, but keep nothing and
// look at nothing: they acknowledge what they get, and are as cheap as a clone
// can be, so that a machine has enough left for the master of many. When all
// of them are attached they ask for the puts, and end with the master.
func Clones(ctx context.Context, o ClonesOptions) (result ClonesResult, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	attached := make(chan struct{}, o.Clones)
	all := make([]*follower, o.Clones)
	var running sync.WaitGroup
	defer running.Wait()
	failed := make(chan error, o.Clones)
	for i := range all {
		all[i] = &follower{attached: sync.OnceFunc(func() { attached <- struct{}{} }), ready: make(chan struct{})}
		running.Go(func() { failed <- o.with(ctx, all[i].run) })
	}
	for range all {
		select {
		case <-attached:
		case err := <-failed:
			cancel(err)
			return result, errors.Join(err, ErrLeft)
		}
	}
	m := startMeter()
	close(all[0].ready)
	for range all {
		if e := <-failed; e != nil && err == nil {
			err = e
		}
	}
	least := uint64(math.MaxInt)
	for _, f := range all {
		least = min(least, f.last.Load()-f.first.Load())
	}
	return ClonesResult{Result: m.stop(int(least)), Clones: o.Clones}, err
}

// follower is one of the clones.
type follower struct {
	attached func()
	// ready is closed when this one shall ask for the puts.
	ready chan struct{}
	e     *broker.Endpoint
	id    data.EntityID
	// first is the number that the first snapshot was made at, last how far it has come since.
	first, last atomic.Uint64
}

func (f *follower) run(ctx context.Context, e *broker.Endpoint, meet func() error) error {
	f.e, f.id = e, data.EntityID{Endpoint: e.ID(), Object: 1}
	detach, err := e.AttachStore(topic.Clone(StoreName), f.take)
	if err != nil {
		return fmt.Errorf("follow the store: %w", err)
	}
	defer detach()
	if err := meet(); err != nil {
		return err
	}
	if err := awaitWants(ctx, e, topic.Master(StoreName)); err != nil {
		return err
	}
	for again := time.NewTicker(askAgain); ; {
		if f.last.Load() == 0 { // the master serves some at a time
			f.send(data.EntityID{}, &command.Nack{Seqs: []uint64{0}}, &command.Trailer{Features: command.FeatureParts})
		}
		select {
		case <-f.ready:
			again.Stop()
			return follow(ctx, e)
		case <-ctx.Done():
			again.Stop()
			return f.ended(ctx)
		case <-again.C:
		}
	}
}

// askAgain is the pause before the master is asked again for the content.
const askAgain = 50 * time.Millisecond

// ended tells whether the end is a good one.
func (f *follower) ended(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, ErrLeft) {
		return err
	}
	return nil
}

// send says something to the master, or to all of them.
func (f *follower) send(to data.EntityID, body command.Command, t *command.Trailer) {
	msg := command.Message{Sender: f.id, Receiver: to, Body: body, Trailer: t}
	_ = f.e.SendCommand(topic.Master(StoreName), to.Endpoint, msg.Marshal()) // the channel repeats what is lost
}

// take looks at a command no more than it must.
func (f *follower) take(payload []byte) {
	kind, master, to, ok := command.Peek(payload)
	switch {
	case !ok || !to.IsZero() && to != f.id:
	case kind == command.KindBundle:
		n, _, err := data.Varbyte(payload[command.HeaderSize:])
		if err == nil {
			f.got(binary.BigEndian.Uint64(payload), uint64(n))
		}
	case kind.Class() == command.Action:
		f.got(binary.BigEndian.Uint64(payload), 1)
	default:
		f.heed(master, payload)
	}
}

// got counts events that come next.
func (f *follower) got(seq, n uint64) {
	if seq == f.last.Load()+1 {
		f.last.Store(seq + n - 1)
	}
}

// heed answers what the master says.
func (f *follower) heed(master data.EntityID, payload []byte) {
	msg, err := command.Parse(payload)
	if err != nil {
		return
	}
	switch body := msg.Body.(type) {
	case *command.SnapshotBegin:
		f.first.CompareAndSwap(0, body.Offset) // a later snapshot stands for events that the master no longer had
		f.last.Store(body.Offset)
		f.send(master, &command.SnapshotAck{Transfer: body.Transfer, Next: 1}, nil)
	case *command.SnapshotPart:
		f.send(master, &command.SnapshotAck{Transfer: body.Transfer, Next: body.Part + 1}, nil)
	case *command.SnapshotEnd:
		f.send(master, &command.SnapshotAck{Transfer: body.Transfer, Next: body.Part + 1}, nil)
		f.acknowledge(master)
		f.attached()
	case *command.Keepalive:
		f.acknowledge(master)
		if has := f.last.Load(); has > 0 && body.Seq > has {
			f.send(master, &command.Nack{Seqs: []uint64{has + 1}}, nil)
		}
	}
}

func (f *follower) acknowledge(master data.EntityID) {
	if has := f.last.Load(); has > 0 {
		f.send(master, &command.CumulativeAck{Seq: has}, nil)
	}
}
