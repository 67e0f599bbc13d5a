// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
)

// options of a run.
type options struct {
	duration                       time.Duration
	capacity, factor, size, memory int
	probes                         int  // a second
	strict                         bool // it is an error if others lose anything
}

func defaults() options {
	return options{duration: 10 * time.Minute, capacity: 2000, factor: 10, size: 1000, memory: 16 << 20, probes: 500, strict: true}
}

// slack is how much more than the limit may be in use: memory is counted in pieces.
const slack = 1 << 20

func parties() []string { return []string{"publisher", "subscriber", "relay", "gateway"} }

// result is what came of overloading somebody.
type result struct {
	published, delivered, dropped uint64
	memory                        int64  // most that one endpoint held
	heap                          uint64 // of the process
	here, elsewhere               latencies
}

// latencies are sorted when they are complete.
type latencies []time.Duration

func (l latencies) quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[int(q*float64(len(l)-1))].Round(time.Microsecond)
}

// overload runs a party overloaded, and then with the same load elsewhere.
func (o options) overload(ctx context.Context, party string) (result, error) {
	r, err := o.phase(ctx, party, false)
	if err != nil {
		return r, err
	}
	calm, err := o.phase(ctx, party, true)
	r.elsewhere = calm.here
	return r, err
}

// phase is one run. Elsewhere the same happens at another relay than that of the others.
func (o options) phase(ctx context.Context, party string, elsewhere bool) (r result, err error) {
	bytes := o.capacity * (o.size + 60)
	var rates [2]int
	pause := time.Duration(0)
	switch {
	case party == "publisher":
		rates[0] = bytes
	case party == "relay":
		rates[1] = bytes
	default:
		pause = time.Second / time.Duration(o.capacity)
	}
	c, err := o.gather(ctx, elsewhere, rates)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var taker consumer
	if party == "gateway" {
		taker, err = newClient(ctx, c.loaded, pause)
	} else {
		taker, err = newReader(ctx, c.sink, pause)
	}
	if err != nil {
		return r, err
	}
	defer taker.close()
	watch, err := c.watcher.SubscribeSync(ctx, []string{"/probe"}, broker.QueueLimit{})
	if err != nil {
		return r, err
	}
	if err := wanted(ctx, c); err != nil {
		return r, err
	}
	var lost uint64
	r, lost = o.traffic(ctx, c, watch)
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	c.hurry()
	taker.hurry()
	if r.delivered, r.dropped, err = taker.settle(ctx, r.published, func() uint64 {
		return droppedFor(c.publisher, c.loaded) + droppedFor(c.loaded, c.sink)
	}); err != nil {
		return r, errors.Join(err, c.exact(ctx))
	}
	switch {
	case r.memory > int64(o.memory)+slack:
		return r, fmt.Errorf("%d bytes were held, the limit is %d", r.memory, o.memory)
	case o.strict && (lost > 0 || watch.Dropped() > 0):
		return r, fmt.Errorf("%d messages of others were lost", lost+watch.Dropped())
	}
	return r, c.exact(ctx)
}

// wanted waits until both publishers know the way.
func wanted(ctx context.Context, c *cast) error {
	for _, w := range []struct {
		e    *broker.Endpoint
		name string
	}{{c.publisher, "/load"}, {c.prober, "/probe"}} {
		for !knows(w.e, w.name) {
			news := time.NewTimer(5 * time.Millisecond)
			select {
			case <-news.C:
			case <-ctx.Done():
				return fmt.Errorf("nobody wants %s: %w", w.name, ctx.Err())
			}
		}
	}
	return nil
}

// knows tells whether the mesh as an endpoint sees it has a node that wants a topic.
func knows(e *broker.Endpoint, name string) bool {
	return slices.ContainsFunc(e.MeshView().Route(e.ID(), e.ID(), name), func(s mesh.Step) bool { return s.Wants })
}

// traffic publishes for the duration, and answers what others have lost.
func (o options) traffic(ctx context.Context, c *cast, watch *broker.Subscriber) (r result, lost uint64) {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	var working, watching sync.WaitGroup
	text := data.String(strings.Repeat("x", o.size-20))
	working.Go(func() {
		r.published = pace(ctx, o.capacity*o.factor, func(n uint64) { _ = c.publisher.Publish("/load", data.Vector(data.Count(n), text)) })
	})
	var probed uint64
	var seen atomic.Uint64
	working.Go(func() {
		probed = pace(ctx, o.probes, func(uint64) { _ = c.prober.Publish("/probe", data.Integer(time.Now().UnixNano())) })
	})
	end, done := context.WithCancel(context.Background())
	watching.Go(func() {
		for {
			m, err := watch.Get(end)
			if err != nil {
				return
			}
			sent, _ := m.Value.AsInteger()
			r.here = append(r.here, time.Duration(time.Now().UnixNano()-sent))
			seen.Add(1)
		}
	})
	for ctx.Err() == nil {
		r.memory = max(r.memory, c.memory())
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		r.heap = max(r.heap, m.HeapInuse)
		time.Sleep(50 * time.Millisecond)
	}
	working.Wait()
	for late := time.Now().Add(10 * time.Second); seen.Load() < probed && time.Now().Before(late); {
		time.Sleep(time.Millisecond)
	}
	done()
	watching.Wait()
	slices.Sort(r.here)
	return r, probed - uint64(len(r.here))
}

// pace calls f so often a second until the context ends, and answers how often that was.
func pace(ctx context.Context, rate int, f func(n uint64)) (n uint64) {
	began := time.Now()
	for ctx.Err() == nil {
		for due := uint64(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			f(n)
		}
		time.Sleep(time.Millisecond)
	}
	return n
}
