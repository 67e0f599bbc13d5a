// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"maps"
	"time"

	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/node"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// refreshEvery is how often a node is looked at when it has no news, well
// before its evidence counts as too old.
const refreshEvery = 5 * time.Second

// movesEvery is how often the data folder is looked into for moves.
const movesEvery = 500 * time.Millisecond

// askAgainAfter is when two nodes that contradict each other are judged again,
// by answers that they have given since.
const askAgainAfter = 50 * time.Millisecond

// watch passes on what a node says of itself.
func (m *Mesh) watch(ctx context.Context, pod string, n *node.Node) {
	var instance string
	var generation uint64
	for ctx.Err() == nil {
		waiting, cancel := context.WithTimeout(ctx, refreshEvery)
		s := n.Wait(waiting, instance, generation)
		cancel()
		instance, generation = s.Instance, s.Generation
		m.observe(pod, s)
		select {
		case m.news <- struct{}{}:
		default:
		}
	}
}

// observe notes what a node says.
func (m *Mesh) observe(pod string, s statusapi.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.observed[pod] = evidence.Observation{Status: &s, Received: time.Now(), Pod: evidence.PodRunning}
}

// judgeAlways judges when there is news, and when time alone changes things.
func (m *Mesh) judgeAlways(ctx context.Context) {
	moves := time.NewTicker(movesEvery)
	defer moves.Stop()
	for {
		next := m.judge()
		if m.follow(m.Verdict()) {
			if err := m.turn(ctx); err != nil && ctx.Err() == nil {
				m.o.Logger.Error("turn the mesh", "error", err)
			}
			next = askAgainAfter
		}
		var due <-chan time.Time
		if next > 0 {
			due = time.After(next)
		}
		for asked := false; !asked; {
			select {
			case <-m.news:
				asked = true
			case <-due:
				asked = true
			case <-moves.C:
				asked = m.movesAsked()
			case <-ctx.Done():
				return
			}
		}
	}
}

// judge makes the verdict anew and answers when time alone may change it.
func (m *Mesh) judge() time.Duration {
	m.mu.Lock()
	in := evidence.Input{
		Objects:      m.mu.objects,
		Compiled:     m.mu.plan,
		Namespace:    m.o.Namespace,
		Observations: maps.Clone(m.mu.observed),
		Previous:     m.mu.verdict,
		Now:          time.Now(),
		Started:      m.started,
	}
	m.mu.Unlock()
	verdict := evidence.Judge(in)
	m.mu.Lock()
	m.mu.verdict = verdict
	close(m.mu.changed)
	m.mu.changed = make(chan struct{})
	m.mu.Unlock()
	if len(verdict.AskAgain) == 0 {
		return verdict.NextCheck
	}
	for _, pod := range verdict.AskAgain {
		if n := m.nodes[pod]; n != nil {
			m.observe(pod, n.Status())
		}
	}
	return askAgainAfter
}

// Verdict is the judgement of all objects as of now.
func (m *Mesh) Verdict() evidence.Verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.verdict
}

// Changed is closed at the next judgement. Ask for it before Verdict, so that
// none is missed.
func (m *Mesh) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.changed
}
