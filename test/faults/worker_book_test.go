// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// topics are where messages are published, prefixes what is subscribed to.
var (
	topics   = []string{"/t/a", "/t/a/b", "/t/b", "/u/a", "/u/b"}
	prefixes = []string{"/", "/t/", "/t/a", "/t/a/", "/t/b", "/u/", "/u/a", "/u/b", "/nobody"}
)

// book keeps what a subscriber has got, and checks what can be checked at once: that nothing comes twice, nothing before its
// predecessors, and nothing that was never wanted.
type book struct {
	origins bool // the endpoint learns who published
	mu      struct {
		sync.Mutex
		ever    []string // prefixes
		streams map[string]stream
		heads   map[string]head
		broken  []string
	}
}

// head is the newest message of a stream.
type head struct {
	life, number uint64
	origin       data.EndpointID
}

// maxBroken is how many broken promises are noted.
const maxBroken = 10

func newBook(origins bool) *book {
	b := &book{origins: origins}
	b.mu.streams, b.mu.heads = make(map[string]stream), make(map[string]head)
	return b
}

// want notes prefixes that are wanted from now on.
func (b *book) want(prefixes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.ever = append(b.mu.ever, prefixes...)
}

func (b *book) breakLocked(format string, args ...any) {
	if len(b.mu.broken) < maxBroken {
		b.mu.broken = append(b.mu.broken, fmt.Sprintf(format, args...))
	}
}

// note takes a message.
func (b *book) note(m *broker.Message) {
	if strings.HasPrefix(m.Topic, "<$>") {
		return
	}
	n, ok := parseNote(m.Value)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok {
		b.breakLocked("a message at %s is %v", m.Topic, m.Value)
		return
	}
	if !slices.ContainsFunc(b.mu.ever, func(p string) bool { return strings.HasPrefix(m.Topic, p) }) {
		b.breakLocked("%+v at %s, wanted were only %q", n, m.Topic, b.mu.ever)
	}
	last, known := b.mu.heads[n.name]
	if known && (n.life < last.life || n.life == last.life && n.number <= last.number) {
		b.breakLocked("%s: number %d of life %d at %s came after number %d of life %d", n.name, n.number, n.life, m.Topic, last.number, last.life)
	}
	if known && b.origins && n.life == last.life && m.Origin != last.origin {
		b.breakLocked("%s: number %d is of %v, those before of %v", n.name, n.number, m.Origin, last.origin)
	}
	b.mu.heads[n.name] = head{n.life, n.number, m.Origin}
	s := b.mu.streams[n.name]
	if s == nil {
		s = stream{}
		b.mu.streams[n.name] = s
	}
	k := streamKey(n.life, m.Topic)
	if spans := s[k]; len(spans) > 0 && spans[len(spans)-1][1]+1 == n.ofTopic {
		spans[len(spans)-1][1] = n.ofTopic
	} else {
		s[k] = append(spans, span{n.ofTopic, n.ofTopic})
	}
}

// answer is everything so far.
func (b *book) answer() answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]stream, len(b.mu.streams))
	for name, s := range b.mu.streams {
		c := make(stream, len(s))
		for k, spans := range s {
			c[k] = slices.Clone(spans)
		}
		out[name] = c
	}
	return answer{Streams: out, Broken: slices.Clone(b.mu.broken)}
}

func streamKey(life uint64, topic string) string { return fmt.Sprintf("%d %s", life, topic) }

// note is what is in a message: who published it, in which of its lives, the how manieth it was, and the how manieth of its topic.
type note struct {
	name                  string
	life, number, ofTopic uint64
}

func (n note) value(size int) data.Value {
	return data.Vector(data.String(n.name), data.Count(n.life), data.Count(n.number), data.Count(n.ofTopic), data.String(strings.Repeat("x", size)))
}

func parseNote(v data.Value) (n note, ok bool) {
	name, ok := v.Index(0)
	if !ok {
		return n, false
	}
	n.name, ok = name.AsString()
	for i, to := range []*uint64{&n.life, &n.number, &n.ofTopic} {
		field, found := v.Index(i + 1)
		count, isCount := field.AsCount()
		*to, ok = count, ok && found && isCount
	}
	return n, ok
}

// pump publishes. Its goroutine is the only one that touches the numbers while it runs.
type pump struct {
	e      *broker.Endpoint
	name   string
	life   uint64
	number uint64
	sent   map[string]uint64
	// waiting are the publishers, by topic, if there is flow control; nil otherwise.
	waiting map[string]*broker.Publisher

	stop, done chan struct{}
	err        error
}

// begin publishes according to an order, in the background.
func (p *pump) begin(o *order) {
	p.halt()
	p.wait()
	p.stop, p.done = make(chan struct{}), make(chan struct{})
	go p.run(o, p.stop, p.done)
}

func (p *pump) run(o *order, stop, done chan struct{}) {
	defer close(done)
	rng := rand.New(rand.NewPCG(o.Seed, p.life))
	tick := time.NewTicker(time.Duration(max(o.Every, 1)) * time.Millisecond)
	defer tick.Stop()
	for i := 0; o.Count == 0 || i < o.Count; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for range max(o.AtOnce, 1) {
			i++
			if p.err = p.publish(topics[rng.IntN(len(topics))], o.Size); p.err != nil {
				return
			}
		}
	}
}

func (p *pump) publish(topic string, size int) error {
	p.number++
	p.sent[topic]++
	n := note{p.name, p.life, p.number, p.sent[topic]}
	if err := p.send(topic, n.value(size)); err != nil && !errors.Is(err, broker.ErrClosed) {
		return fmt.Errorf("publish %+v: %w", n, err)
	}
	return nil
}

// send publishes. A publisher that waits is never given up: if nobody lets it go on, that is a fault.
func (p *pump) send(topic string, v data.Value) error {
	if p.waiting == nil {
		return p.e.Publish(topic, v)
	}
	if p.waiting[topic] == nil {
		p.waiting[topic] = p.e.NewPublisher(topic, broker.PublisherOptions{})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p.waiting[topic].Publish(ctx, v)
}

func (p *pump) halt() {
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
}

// wait waits until the pump has stopped and answers how many messages of each topic have been published since the start.
func (p *pump) wait() (answer, error) {
	if p.done != nil {
		<-p.done
		p.halt()
	}
	return answer{Published: maps.Clone(p.sent)}, p.err
}
