// SPDX-License-Identifier: Apache-2.0

package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// stamp names a message.
type stamp struct {
	Topic    string          `json:"topic"`
	Origin   data.EndpointID `json:"origin"`
	Entering data.EndpointID `json:"entering"`
	Number   uint64          `json:"number"`
}

// way is what was recorded of one message.
type way struct {
	stamp
	Records []nodeRecord `json:"records"`
	fresh   time.Time    // when the newest record came
	order   int
}

// nodeRecord is a record with the node that made it.
type nodeRecord struct {
	Node data.EndpointID `json:"node"`
	Name string          `json:"name"`
	inspect.TraceRecord
}

// watch gathers what nodes record. It belongs to one goroutine.
type watch struct {
	m    *mesh
	p    *Picture
	t    TraceOptions
	next map[data.EndpointID]uint64
	// ahead is by how much each node's clock is ahead.
	ahead map[data.EndpointID]time.Duration
	ways  map[stamp]*way
	seen  int // ways that began
	lost  uint64
}

func newWatch(m *mesh, p *Picture, t TraceOptions) *watch {
	return &watch{m: m, p: p, t: t, next: make(map[data.EndpointID]uint64), ahead: make(map[data.EndpointID]time.Duration), ways: make(map[stamp]*way)}
}

// begin starts recording at every node, measures the clocks, and publishes
// what is to be sent.
func (w *watch) begin(ctx context.Context) error {
	var ids []data.EndpointID
	for i := range w.p.Reports {
		ids = append(ids, w.p.Reports[i].ID)
	}
	var mu sync.Mutex
	each(ids, func(id data.EndpointID) {
		asking, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		clock, _ := w.m.ask.Ping(asking, id)
		tr, err := w.m.ask.Trace(asking, id, w.t.Topic, math.MaxUint64)
		mu.Lock()
		defer mu.Unlock()
		w.ahead[id] = difference(clock)
		if err != nil {
			w.p.Silent = append(w.p.Silent, Silent{id, err.Error()})
			return
		}
		w.next[id] = tr.Next // what was recorded before is not asked for
	})
	if len(w.next) == 0 {
		return errors.New("no node records what happens to messages")
	}
	if w.t.Send == nil {
		return nil
	}
	if info, ok := w.m.info(); ok && !topic.NewFilter(info.Filter...).Matches(w.t.Topic) {
		return fmt.Errorf("nobody behind %s wants %s: the message goes nowhere", w.m.address, w.t.Topic)
	}
	if err := w.m.publish(w.t.Topic, *w.t.Send); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// run shows each message once all nodes have told of it.
func (w *watch) run(ctx context.Context, out io.Writer) error {
	begun, shown := time.Now(), 0
	for {
		if !pause(ctx, pollEvery) {
			return ctx.Err()
		}
		w.poll(ctx)
		for _, done := range w.ripe(time.Now()) {
			if w.t.Send != nil && done.Origin != w.m.self {
				continue
			}
			if err := w.show(done, out); err != nil {
				return err
			}
			if shown++; w.t.Send != nil || shown == w.t.Count {
				return nil
			}
		}
		if w.t.Send != nil && len(w.ways) == 0 && time.Since(begun) > w.m.timeout {
			return ctl.TimedOut(errors.New("no node has recorded the message"))
		}
	}
}

// poll asks every node for new records.
func (w *watch) poll(ctx context.Context) {
	ids := make([]data.EndpointID, 0, len(w.next))
	for id := range w.next {
		ids = append(ids, id)
	}
	var mu sync.Mutex
	each(ids, func(id data.EndpointID) {
		mu.Lock()
		from := w.next[id]
		mu.Unlock()
		asking, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		tr, err := w.m.ask.Trace(asking, id, w.t.Topic, from)
		if err != nil {
			return // asked again soon
		}
		mu.Lock()
		defer mu.Unlock()
		w.next[id] = tr.Next
		w.lost += tr.Lost
		for _, r := range tr.Records {
			w.record(id, r, time.Now())
		}
	})
}

// record adds a record to its message. One without a stamp stands alone.
func (w *watch) record(node data.EndpointID, r inspect.TraceRecord, now time.Time) {
	if r.Topic != w.t.Topic && w.t.Send != nil {
		return
	}
	r.Time = r.Time.Add(-w.ahead[node])
	key := stamp{r.Topic, r.Origin, r.Entering, r.Number}
	if r.Number == 0 {
		key.Number, key.Entering = uint64(w.seen), node
	}
	entry := w.ways[key]
	if entry == nil {
		w.seen++
		entry = &way{stamp: stamp{r.Topic, r.Origin, r.Entering, r.Number}, order: w.seen}
		w.ways[key] = entry
	}
	entry.fresh = now
	entry.Records = append(entry.Records, nodeRecord{node, w.p.Name(node), r})
}

// ripe takes the messages of which nothing more has come for a while.
func (w *watch) ripe(now time.Time) []*way {
	var done []*way
	for key, entry := range w.ways {
		if now.Sub(entry.fresh) >= settled {
			done = append(done, entry)
			delete(w.ways, key)
		}
	}
	slices.SortFunc(done, func(a, b *way) int { return cmp.Compare(a.order, b.order) })
	return done
}

func (w *watch) show(entry *way, out io.Writer) error {
	slices.SortStableFunc(entry.Records, func(a, b nodeRecord) int { return a.Time.Compare(b.Time) })
	if w.t.JSON {
		return writeJSON(out, entry)
	}
	lines := w.p.wayLines(entry)
	if w.lost > 0 {
		lines = append(lines, fmt.Sprintf("(%s came too fast to be kept)", table.Count(int(w.lost), "record", "records")))
		w.lost = 0
	}
	_, err := io.WriteString(out, strings.Join(lines, "\n")+"\n")
	return err
}

// wayLines draws what was recorded as a tree: below each node those that got
// the message from it.
func (p *Picture) wayLines(entry *way) []string {
	start := entry.Records[0].Time
	head := fmt.Sprintf("%s from %s", table.Plain(entry.Topic), p.Name(entry.Origin))
	if entry.Number != 0 {
		head += fmt.Sprintf(", number %d", entry.Number)
	}
	out := []string{head + ", " + start.Local().Format("15:04:05.000000")}
	at := make(map[data.EndpointID]*branch)
	placed := make([]*branch, len(entry.Records))
	for i, r := range entry.Records {
		placed[i] = &branch{text: p.recordText(r, r.Time.Sub(start))}
		if at[r.Node] == nil && r.Dropped == "" {
			at[r.Node] = placed[i]
		}
	}
	for i, r := range entry.Records {
		if from := at[r.From]; from != nil && from != placed[i] && r.From != r.Node {
			from.below = append(from.below, placed[i])
			placed[i] = nil
		}
	}
	for _, b := range placed {
		if b != nil {
			out = append(out, b.lines()...)
		}
	}
	return out
}

// recordText is what happened at a node.
func (p *Picture) recordText(r nodeRecord, after time.Duration) string {
	text := r.Name
	if after > 0 {
		text += " +" + roundTrip(after)
	}
	if r.Dropped != "" {
		return text + ": dropped, from " + p.Name(r.From) + ": " + table.Plain(r.Dropped)
	}
	var parts []string
	if r.Delivered > 0 {
		parts = append(parts, "delivered to "+table.Count(r.Delivered, "consumer", "consumers"))
	}
	if len(r.To) > 0 {
		names := make([]string, len(r.To))
		for i, id := range r.To {
			names[i] = p.Name(id)
		}
		text := "passed to " + strings.Join(names, ", ")
		if more := r.Receivers - len(names); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		parts = []string{"went nowhere"}
	}
	return text + ": " + strings.Join(parts, ", ")
}
