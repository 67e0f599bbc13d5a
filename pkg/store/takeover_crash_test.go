// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// platter is a disk in a test: what was committed outlives who committed it, and nothing else does.
type platter struct {
	mu      sync.Mutex
	entries []backend.Entry
	metas   []backend.Meta
	dead    bool
	commits int
	// onCommit is asked before and after each commit whether that is where everything ends.
	onCommit func(n int, after bool) bool
}

// open is a backend with what the platter has.
func (p *platter) open() backend.Backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = false
	be := memory.New()
	for _, e := range p.entries {
		be.Put(e)
	}
	for _, m := range p.metas {
		be.SetMeta(m.Name, m.Value)
	}
	be.Commit()
	return &platterBackend{be, p}
}

func (p *platter) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

// platterBackend hides that its content is volatile.
type platterBackend struct {
	backend.Backend
	p *platter
}

func (b *platterBackend) Commit() error {
	p := b.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commits++
	p.dead = p.dead || p.onCommit != nil && p.onCommit(p.commits, false)
	if p.dead {
		return backend.Failure("platter", "commit", errors.New("power is cut"))
	}
	if err := b.Backend.Commit(); err != nil {
		return err
	}
	p.entries, p.metas = nil, nil
	content, err := b.Backend.Snapshot()
	if err != nil {
		return err
	}
	defer content.Close()
	for e := range content.Entries() {
		p.entries = append(p.entries, e)
	}
	for m := range b.Backend.Metas("") {
		p.metas = append(p.metas, backend.Meta{Name: m.Name, Value: append([]byte(nil), m.Value...)})
	}
	if p.onCommit != nil && p.onCommit(p.commits, true) {
		p.dead = true
		return backend.Failure("platter", "commit", errors.New("power is cut"))
	}
	return nil
}

// crash says who is killed when.
type crash struct {
	// target: the endpoint that takes over, else that of the master before.
	target bool
	// message is the handover's message during which it happens, which is lost; 0: none.
	message int
	// commit is the commit since the handover began before or after which it happens; 0: none.
	commit int
	after  bool
}

func (c crash) String() string {
	who := "old"
	if c.target {
		who = "target"
	}
	return fmt.Sprintf("%s at message %d, commit %d, after %v", who, c.message, c.commit, c.after)
}

// TestTakeOverCrashes kills either side of a handover at each of its messages, and before and after each commit of it. Afterwards it
// comes to an end, with everything that was acknowledged, and one master.
func TestTakeOverCrashes(t *testing.T) {
	points := 0
	for _, target := range []bool{false, true} {
		for i := 1; ; i++ {
			if !runCrash(t, crash{target: target, message: i}) {
				break
			}
			points++
		}
		for _, after := range []bool{false, true} {
			for i := 1; i < 30; i++ {
				if !runCrash(t, crash{target: target, commit: i, after: after}) {
					break
				}
				points++
			}
		}
	}
	if points < 25 {
		t.Errorf("only %d points to crash at", points)
	}
}

// runCrash answers whether the handover came to the point of the crash.
func runCrash(t *testing.T, at crash) (happened bool) {
	synctest.Test(t, func(t *testing.T) {
		s := &crashScene{t: t, at: at, f: new(fabric)}
		s.play()
		happened = s.happened
		if t.Failed() {
			t.Logf("%v: %q", at, s.trace)
		}
	})
	return happened
}

// crashScene is a handover with a crash.
type crashScene struct {
	t          *testing.T
	at         crash
	f          *fabric
	abus, bbus *fakeBus
	a, b       platter

	mu       sync.Mutex
	messages int
	began    bool
	happened bool
	dead     *fakeBus
	trace    []string
}

// lose counts the messages of the handover, and loses what a dead endpoint would say or hear.
func (s *crashScene) lose(from, to *fakeBus, payload []byte) bool {
	kind, _, _, _ := command.Peek(payload)
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind >= command.KindHandover && kind <= command.KindHandoverPart && (from == s.abus || to == s.abus) {
		if s.messages++; !s.began {
			s.began = true
			s.a.commits, s.b.commits = 0, 0
		}
		msg, _ := command.Parse(payload)
		if len(s.trace) < 100 {
			s.trace = append(s.trace, fmt.Sprintf("%v %+v\n", time.Now().Format("05.000"), msg.Body))
		}
		if s.messages == s.at.message {
			s.die()
		}
	}
	return s.dead != nil && (from == s.dead || to == s.dead)
}

// die kills the endpoint; s.mu is held.
func (s *crashScene) die() {
	s.happened = true
	if s.dead = s.abus; s.at.target {
		s.dead = s.bbus
	}
	go func(p *platter) { p.kill() }(s.disk())
}

func (s *crashScene) disk() *platter {
	if s.at.target {
		return &s.b
	}
	return &s.a
}

func (s *crashScene) onCommit(n int, after bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (!s.began && !s.at.target) || s.happened || s.at.commit == 0 || n != s.at.commit || after != s.at.after {
		return false
	}
	s.happened = true
	if s.dead = s.abus; s.at.target {
		s.dead = s.bbus
	}
	return true
}

func (s *crashScene) revive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = nil
}

func (s *crashScene) hasHappened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.happened
}

func (s *crashScene) start(bus *fakeBus, p *platter) *Master {
	m, err := NewMaster(bus, "s", p.open(), MasterOptions{})
	must(s.t, err)
	s.t.Cleanup(func() { m.Close() })
	return m
}

func (s *crashScene) play() {
	t := s.t
	s.abus, s.bbus = s.f.join(), s.f.join()
	old := s.start(s.abus, &s.a)
	for i := range 20 {
		must(t, old.Put(t.Context(), data.Count(uint64(i)), str("before"), 0))
	}
	b, other := startClone(t, s.bbus, "s", CloneOptions{}), startClone(t, s.f.join(), "s", CloneOptions{})
	must(t, other.AwaitIdle(t.Context()))
	must(t, b.AwaitIdle(t.Context()))
	s.f.setLoss(s.lose)
	s.disk().mu.Lock()
	s.disk().onCommit = s.onCommit
	s.disk().mu.Unlock()
	w := gather(t, func() time.Duration { return 50 * time.Millisecond })
	w.join("at the clone", other, false)
	pass(100 * time.Millisecond)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	m, err := b.TakeOver(ctx, s.b.open(), TakeOverOptions{})
	pass(time.Second)
	switch {
	case !s.hasHappened():
		must(t, err)
	case s.at.target:
		if m != nil { // it was killed after the end, as far as the old master is concerned
			m.Close()
		}
		m, err = nil, errors.New("killed")
		must(t, b.Close())
		s.revive()
		b = startClone(t, s.bbus, "s", CloneOptions{})
	default:
		old.Close()
		s.revive()
		old = s.start(s.abus, &s.a)
	}
	if err != nil {
		m = s.again(b)
	}
	pass(3 * time.Second)
	w.check(m)
	expectWrites(t, "the one before", old, ErrFenced)
	expectWrites(t, "the one that took over", m, nil)
	same(t, m, other)
	must(t, m.Close())
	must(t, old.Close())
	alone := s.start(new(fabric).join(), &s.a) // where nobody tells it
	expectWrites(t, "the one before, started anew", alone, ErrFenced)
}

// again takes over after a crash, as a node does that is told to be the master: it opens a database that is finished, and takes over if not.
func (s *crashScene) again(b *Clone) *Master {
	be := s.b.open()
	known, err := Inspect(be)
	must(s.t, err)
	if !known.Unfinished && known.Epoch == 2 {
		must(s.t, be.Close())
		return s.start(s.bbus, &s.b)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		m, err := b.TakeOver(ctx, be, TakeOverOptions{})
		if err == nil {
			s.t.Cleanup(func() { m.Close() })
			return m
		}
		if ctx.Err() != nil {
			s.t.Fatal(err)
		}
		pass(200 * time.Millisecond)
		be = s.b.open()
	}
}
