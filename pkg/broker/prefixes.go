// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/credit"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// checkPrefixes tells whether prefixes can be subscribed to.
func checkPrefixes(prefixes []string) error {
	for _, p := range prefixes {
		if len(p) > maxTopic {
			return fmt.Errorf("%w: prefix of %d bytes, at most %d are allowed", ErrTopic, len(p), maxTopic)
		}
	}
	return nil
}

func (s *Subscriber) wantLocked(prefixes []string) {
	s.prefixes = slices.Compact(slices.Sorted(slices.Values(prefixes)))
	s.filter = topic.NewFilter(s.prefixes...)
}

// Prefixes are what the subscriber asks for, sorted.
func (s *Subscriber) Prefixes() []string {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return slices.Clone(s.prefixes)
}

// SetPrefixes replaces what the subscriber asks for, and peers are told. Messages that are queued stay. When it has returned, messages
// that come later are seen or no more seen. The error, for a prefix that is longer than a topic can be, is ErrTopic, and nothing changes.
func (s *Subscriber) SetPrefixes(prefixes []string) error {
	return s.reconsider(prefixes, func([]string) []string { return prefixes })
}

// AddPrefixes adds to what the subscriber asks for, as SetPrefixes does.
func (s *Subscriber) AddPrefixes(prefixes ...string) error {
	return s.reconsider(prefixes, func(now []string) []string { return slices.Concat(now, prefixes) })
}

// RemovePrefixes takes prefixes out of what the subscriber asks for. What was asked for in other words stays: without "/a" a subscriber
// of "/a" and "/a/b" still gets "/a/b".
func (s *Subscriber) RemovePrefixes(prefixes ...string) {
	s.e.change(func() {
		s.wantLocked(slices.DeleteFunc(s.prefixes, func(p string) bool { return slices.Contains(prefixes, p) }))
		s.recontrol()
	})
}

// SetPrefixesSync is SetPrefixes, and waits until every direct peer has answered a ping that was sent after the change: what they
// publish from then on follows it. If the context ends first, the answer is its error and the change stays.
func (s *Subscriber) SetPrefixesSync(ctx context.Context, prefixes []string) error {
	if err := s.SetPrefixes(prefixes); err != nil {
		return err
	}
	if err := s.e.syncPeers(ctx); err != nil {
		return fmt.Errorf("set prefixes: %w", err)
	}
	return nil
}

// reconsider changes the prefixes after a look at the new ones.
func (s *Subscriber) reconsider(added []string, f func(now []string) []string) error {
	if err := checkPrefixes(added); err != nil {
		return err
	}
	var err error
	s.e.change(func() {
		next := f(s.prefixes)
		if s.flow != nil && !credit.Controllable(topic.NewFilter(next...).Public()) {
			err = ErrPrefixes
			return
		}
		s.wantLocked(next)
		s.recontrol()
	})
	return err
}
