// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

const (
	// lease is how long a trace or tap goes on after the last question.
	lease = 10 * time.Second
	// maxTraces bounds the prefixes that are traced at once.
	maxTraces = 8
	// questionsPerSecond are answered, and so many at once after a pause.
	questionsPerSecond = 200
	questionsAtOnce    = 400
)

// mail carries messages between a client and servers.
type mail interface {
	// send sends to one endpoint; it never waits.
	send(to data.EndpointID, v data.Value) error
	// next waits for a message that came from another endpoint.
	next(ctx context.Context) (from data.EndpointID, v data.Value, err error)
	// close ends next.
	close()
}

// source is the node that a server tells of.
type source interface {
	// report is everything of a [Report] that the endpoint itself knows.
	report() Report
	route(topic string, entering, origin data.EndpointID) (Route, error)
	// trace begins to record what happens to messages of a prefix.
	trace(prefix string) (recording, error)
	// times asks for stamps with times, or no longer.
	times(on bool)
}

// recording is a trace that goes on.
type recording interface {
	// since are the records from a number on.
	since(n uint64) Trace
	stop()
}

// Server answers questions about a node. It has one goroutine, which owns all
// but the counters.
type Server struct {
	mail    mail
	node    source
	info    Info
	started time.Time
	limit   *rate.Limiter
	traces  map[string]*leased
	tapped  time.Time // until when; zero if not

	questions, malformed, refused atomic.Uint64

	stop context.CancelFunc
	done sync.WaitGroup
}

// leased is a recording until its lease ends.
type leased struct {
	recording
	until time.Time
}

func newServer(m mail, node source, info Info) *Server {
	s := &Server{
		mail: m, node: node, info: info, started: time.Now(),
		limit: rate.NewLimiter(questionsPerSecond, questionsAtOnce), traces: make(map[string]*leased),
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.done.Go(func() { s.run(ctx) })
	return s
}

// Close ends answering and returns when the last answer is out. Closing twice
// is fine.
func (s *Server) Close() {
	s.stop()
	s.mail.close()
	s.done.Wait()
}

func (s *Server) run(ctx context.Context) {
	defer s.expire(time.Now().Add(2 * lease))
	for {
		from, v, err := s.next(ctx)
		s.expire(time.Now())
		switch {
		case err == nil:
			s.question(from, v)
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		default:
			return
		}
	}
}

// next waits for a question, at most until the next lease ends.
func (s *Server) next(ctx context.Context) (data.EndpointID, data.Value, error) {
	first := s.tapped
	for _, t := range s.traces {
		if first.IsZero() || t.until.Before(first) {
			first = t.until
		}
	}
	if first.IsZero() {
		return s.mail.next(ctx)
	}
	ctx, cancel := context.WithDeadline(ctx, first)
	defer cancel()
	return s.mail.next(ctx)
}

// expire ends what nobody has asked for lately.
func (s *Server) expire(now time.Time) {
	for prefix, t := range s.traces {
		if !now.Before(t.until) {
			t.stop()
			delete(s.traces, prefix)
		}
	}
	if !s.tapped.IsZero() && !now.Before(s.tapped) {
		s.node.times(false)
		s.tapped = time.Time{}
	}
}

func (s *Server) question(from data.EndpointID, v data.Value) {
	received := time.Now()
	if !s.limit.AllowN(received, 1) {
		s.refused.Add(1)
		return
	}
	m, err := parse(v)
	if err != nil || m.word != wordAsk || from.IsZero() {
		s.malformed.Add(1)
		return
	}
	s.questions.Add(1)
	answer := message{word: wordAnswer, number: m.number}
	doc, err := s.answer(m, received)
	if err == nil {
		answer.text, err = encode(doc)
	}
	if err != nil {
		s.refused.Add(1)
		answer.word, answer.text = wordRefused, shorten(err.Error(), maxReason)
	}
	// Whoever asked and is not there any more, or not there yet, asks again.
	_ = s.mail.send(from, answer.value())
}

func encode(doc any) (string, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return "", fmt.Errorf("encode the answer: %w", err)
	}
	if len(b) > maxDocument {
		return "", fmt.Errorf("the answer has %d bytes, at most %d are allowed", len(b), maxDocument)
	}
	return string(b), nil
}

// answer is the document for a question.
func (s *Server) answer(m message, received time.Time) (any, error) {
	switch m.kind {
	case KindReport:
		return s.report(), nil
	case KindPing:
		return Pong{Received: received, Sent: time.Now()}, nil
	case KindRoute:
		return s.route(m.args)
	case KindTrace:
		return s.trace(m.args)
	case KindTap:
		if s.tapped.IsZero() {
			s.node.times(true)
		}
		s.tapped = time.Now().Add(lease)
		return struct{}{}, nil
	default:
		return nil, fmt.Errorf("this version knows no question %q", shorten(string(m.kind), maxKind))
	}
}

func (s *Server) report() Report {
	r := s.node.report()
	r.Info, r.Now, r.Started = s.info, time.Now(), s.started
	r.Stats.Questions, r.Stats.Malformed, r.Stats.Refused = s.questions.Load(), s.malformed.Load(), s.refused.Load()
	r.bound()
	return r
}

func (s *Server) route(args []string) (Route, error) {
	if len(args) != 3 {
		return Route{}, fmt.Errorf("a route needs 3 arguments, not %d", len(args))
	}
	var ids [2]data.EndpointID
	for i, text := range args[1:] {
		if text == "" {
			continue
		}
		var err error
		if ids[i], err = data.ParseEndpointID(text); err != nil {
			return Route{}, err
		}
	}
	r, err := s.node.route(args[0], ids[0], ids[1])
	if err == nil && len(r.Steps) > maxList {
		r.Steps, r.Truncated = r.Steps[:maxList], len(r.Steps)-maxList
	}
	return r, err
}

func (s *Server) trace(args []string) (Trace, error) {
	if len(args) != 2 {
		return Trace{}, fmt.Errorf("a trace needs 2 arguments, not %d", len(args))
	}
	from, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return Trace{}, fmt.Errorf("the number of a record: %w", err)
	}
	t := s.traces[args[0]]
	if t == nil {
		if len(s.traces) >= maxTraces {
			return Trace{}, fmt.Errorf("%d prefixes are traced already", maxTraces)
		}
		r, err := s.node.trace(args[0])
		if err != nil {
			return Trace{}, err
		}
		t = &leased{recording: r}
		s.traces[args[0]] = t
	}
	t.until = time.Now().Add(lease)
	return t.since(from), nil
}
