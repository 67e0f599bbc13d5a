// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// Master finds the master and asks it for its report.
func (r *Remote) Master(ctx context.Context) (Report, error) {
	got, err := r.query(ctx, opStat)
	if err != nil {
		return Report{}, err
	}
	return parseReport(got)
}

// Masters are the reports of all masters of the name that answer within a time: more than one is a conflict. With enough > 0 it ends as
// soon as that many have answered.
func (r *Remote) Masters(ctx context.Context, within time.Duration, enough int) ([]Report, error) {
	return r.gather(ctx, topic.Master(r.name), within, enough)
}

// Clones are the reports of all clones that answer within a time; those of C++ Broker don't. With enough > 0 it ends as soon as that many
// have answered.
func (r *Remote) Clones(ctx context.Context, within time.Duration, enough int) ([]Report, error) {
	return r.gather(ctx, topic.Clone(r.name), within, enough)
}

// gather asks everybody on a topic for a report.
func (r *Remote) gather(ctx context.Context, topicName string, within time.Duration, enough int) ([]Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	looking, stop := context.WithTimeout(ctx, within)
	defer stop()
	q := r.begin(1024)
	defer r.end(q)
	ticker := time.NewTicker(findAgain)
	defer ticker.Stop()
	reports := map[data.EntityID]Report{}
	for ask := true; enough <= 0 || len(reports) < enough; {
		if ask {
			msg := command.Message{Sender: r.id, Body: &command.Ask{Number: q.number, Operation: uint8(opStat)}}
			if err := r.bus.SendCommand(topicName, data.EndpointID{}, msg.Marshal()); err != nil {
				return nil, fmt.Errorf("store %s: ask for reports: %w", r.name, err)
			}
			ask = false
		}
		select {
		case got := <-q.got:
			if report, err := parseReport(got); err == nil {
				reports[got.from] = report
			}
			continue
		case <-ticker.C:
			ask = true
			continue
		case <-looking.Done():
		}
		if ctx.Err() != nil {
			return nil, r.over(ctx)
		}
		break
	}
	list := make([]Report, 0, len(reports))
	for _, report := range reports {
		list = append(list, report)
	}
	slices.SortFunc(list, func(a, b Report) int { return a.ID.Endpoint.Compare(b.ID.Endpoint) })
	return list, nil
}

func parseReport(got reply) (Report, error) {
	if err := errorOf(got.from, got.Answer); err != nil {
		return Report{}, err
	}
	in := args{rest: got.Values}
	text := in.string()
	if in.err != nil {
		return Report{}, in.err
	}
	report := Report{ID: got.from}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return Report{}, fmt.Errorf("store: report of %s: %w", got.from, err)
	}
	return report, nil
}

// Source is one frontend to read from, a master or a clone.
type Source struct {
	remote *Remote
	id     data.EntityID
	topic  string
	// epoch is that of the report.
	epoch uint64
}

// At is the frontend that has sent a report.
func (r *Remote) At(who Report) *Source {
	s := &Source{remote: r, id: who.ID, topic: topic.Master(r.name), epoch: who.Epoch}
	if who.Role == RoleClone.String() {
		s.topic = topic.Clone(r.name)
	}
	return s
}

// ErrGone: the frontend that was asked does not exist any more.
var ErrGone = errors.New("store: the frontend is gone")

// Report asks the frontend how it is.
func (s *Source) Report(ctx context.Context) (Report, error) {
	got, err := s.query(ctx, opStat)
	if err != nil {
		return Report{}, err
	}
	return parseReport(got)
}

// Get is the value of a key there.
func (s *Source) Get(ctx context.Context, key data.Value) (data.Value, error) {
	got, err := s.query(ctx, opGet, key)
	if err != nil {
		return data.Value{}, err
	}
	in := args{rest: got.Values}
	return in.value(), in.err
}

// Adopt tells a clone that the new history which it has met is wanted (Report.NewHistory, Clone.Adopt). It returns when the clone has the
// content, and is bounded by the context alone. Error: ErrNoNewHistory.
func (s *Source) Adopt(ctx context.Context, history string) error {
	_, err := s.asked(ctx, opAdopt, data.String(history))
	return err
}

// Scan begins to read the frontend's whole content, or one bucket of it.
func (s *Source) Scan(ctx context.Context, o ScanOptions) (*Scan, error) {
	what := scanEntries
	switch {
	case o.Buckets > 0:
		what, o.KeysOnly = scanBucket, false
	case o.KeysOnly:
		what = scanKeys
	}
	got, err := s.query(ctx, opScan, data.Count(uint64(what)), data.Count(uint64(o.Buckets)), data.Count(uint64(o.Bucket)))
	if err != nil {
		return nil, err
	}
	in := args{rest: got.Values}
	scan := &Scan{from: s, id: in.count(), number: in.count(), size: int(in.count()), opt: o}
	return scan, in.err
}

// Checksums asks for the sums of so many buckets, 1 to 65536. It reads everything there is, and is bounded by the context alone.
func (s *Source) Checksums(ctx context.Context, buckets int) (Checksums, error) {
	got, err := s.asked(ctx, opChecksums, data.Count(uint64(buckets)))
	if err != nil {
		return Checksums{}, err
	}
	return parseChecksums(got.Values)
}

// query is asked within the Remote's Timeout.
func (s *Source) query(ctx context.Context, op operation, values ...data.Value) (reply, error) {
	ctx, cancel := s.remote.bounded(ctx)
	defer cancel()
	return s.asked(ctx, op, values...)
}

// asked asks the frontend something that changes nothing, until the context ends.
func (s *Source) asked(ctx context.Context, op operation, values ...data.Value) (reply, error) {
	r := s.remote
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	release, err := r.slot(ctx)
	if err != nil {
		return reply{}, err
	}
	defer release()
	for {
		q, sent := r.begin(4), 0
		got, err := r.ask(ctx, s.topic, s.id, q, command.Ask{Operation: uint8(op), Args: values}, &sent)
		r.end(q)
		if err != nil && ctx.Err() != nil {
			return reply{}, r.over(ctx)
		} else if err != nil {
			return reply{}, err
		}
		err = errorOf(got.from, got.Answer)
		switch {
		case errors.Is(err, errNoSession) || errors.Is(err, code.ShuttingDown):
			return reply{}, fmt.Errorf("%w: %w", ErrGone, err)
		case !errors.Is(err, errBusy):
			return got, err
		}
		if err := r.rest(ctx); err != nil {
			return reply{}, err
		}
	}
}

// tell asks once and doesn't wait for the answer.
func (s *Source) tell(op operation, values ...data.Value) {
	q := s.remote.begin(1)
	defer s.remote.end(q)
	msg := command.Message{Sender: s.remote.id, Receiver: s.id, Body: &command.Ask{Number: q.number, Operation: uint8(op), Args: values}}
	if err := s.remote.bus.SendCommand(s.topic, s.id.Endpoint, msg.Marshal()); err != nil {
		s.remote.log.Debug("a scan was not closed", "error", err)
	}
}
