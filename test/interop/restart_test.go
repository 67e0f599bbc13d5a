// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// hand writes to the store as a Remote on an endpoint of its own: one push after the other, each with a number of its own.
type hand struct {
	*store.Remote
	endpoint *broker.Endpoint
	cancel   context.CancelFunc
	ctx      context.Context
	count    atomic.Int64
	done     chan struct{}
}

func newHand(t *testing.T, v *vault) *hand {
	t.Helper()
	h := &hand{endpoint: endpoint(t, broker.Options{}, ""), done: make(chan struct{})}
	_, err := h.endpoint.Peer(within(t), v.address, broker.PeerOptions{})
	ok(t, err)
	h.Remote, err = store.NewRemote(h.endpoint, "s", store.RemoteOptions{Timeout: patience, FindTimeout: patience})
	ok(t, err)
	t.Cleanup(func() { h.Close() })
	h.ctx, h.cancel = context.WithCancel(within(t))
	return h
}

// work pushes until it is told to stop. What is acknowledged is noted; the others may be there or not.
func (h *hand) work(w *witness) {
	defer close(h.done)
	for h.ctx.Err() == nil {
		if w.push(h.ctx, h.Remote) == nil {
			h.count.Add(1)
		}
	}
}

// witness knows what was pushed to key "ours", and which of it was acknowledged. One hand at a time uses it.
type witness struct {
	pushed       int
	acknowledged []int
}

func (w *witness) push(ctx context.Context, r *store.Remote) error {
	n := w.pushed
	w.pushed++
	err := r.Push(ctx, str("ours"), data.Count(uint64(n)), 0)
	if err == nil {
		w.acknowledged = append(w.acknowledged, n)
	}
	return err
}

// numbers are the elements of a vector of numbers.
func numbers(t *testing.T, v data.Value) (all []int) {
	t.Helper()
	for e := range v.Elements() {
		n, isCount := e.AsCount()
		if i, isInteger := e.AsInteger(); isInteger {
			n, isCount = uint64(i), true
		}
		if !isCount {
			t.Fatalf("%v is no number", e)
		}
		all = append(all, int(n))
	}
	return all
}

// check looks at key "ours": all that was acknowledged, nothing twice, in the order in which it was pushed.
func (w *witness) check(t *testing.T, v data.Value) {
	t.Helper()
	got := numbers(t, v)
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			t.Fatalf("push %d comes after push %d: %v", got[i], got[i-1], got)
		}
	}
	for _, n := range w.acknowledged {
		if _, there := slices.BinarySearch(got, n); !there {
			t.Fatalf("push %d was acknowledged and is not there: %v", n, got)
		}
	}
}

// replays are the changes that a clone in Python was sent, by number. The frames must be of one master, and those of one number the same.
func (p *python) replays() (all map[int]string, master string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	all = map[int]string{}
	for _, e := range p.lines {
		c, isCommand := e["command"].(map[string]any)
		if e.str("event") != "frame" || e.str("dir") != "in" || !isCommand {
			continue
		}
		m := event(c)
		switch m.str("name") {
		case "put", "put_unique_result", "erase", "expire", "clear":
		default:
			continue
		}
		n := int(m.num("seq"))
		if before, twice := all[n]; twice && before != e.str("payload") {
			p.t.Fatalf("number %d was %s and is %s", n, before, e.str("payload"))
		}
		if master != "" && m.str("sender") != master {
			p.t.Fatalf("master %s became %s", master, m.str("sender"))
		}
		all[n], master = e.str("payload"), m.str("sender")
	}
	return all, master
}

// said counts the events of a name.
func (p *python) said(name string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.lines {
		if e.str("event") == name {
			n++
		}
	}
	return n
}

// snapshot is all that a store in Python holds.
func (p *python) snapshot() data.Value {
	p.t.Helper()
	raw, err := hex.DecodeString(p.ask(command{"do": "snapshot", "store": "s"}).str("hex"))
	ok(p.t, err)
	v, err := data.Decode(raw)
	ok(p.t, err)
	return v
}

// caught waits until the clone in Python has what the master has, and answers the content.
func caught(t *testing.T, r *store.Remote, p *python) map[string]data.Value {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		keys, err := r.Keys(within(t))
		ok(t, err)
		content := map[string]data.Value{}
		var pairs []data.Entry
		for key := range keys.Elements() {
			v, err := r.Get(within(t), key)
			ok(t, err)
			content[key.String()] = v
			pairs = append(pairs, data.Entry{Key: key, Value: v})
		}
		there := p.snapshot()
		if data.Equal(data.Table(pairs...), there) {
			return content
		}
		if time.Now().After(deadline) {
			t.Fatalf("the master has %v, the clone %v; it said %v", content, there, p.said("store_error"))
		}
	}
}

// TestForeignCloneOverKill: a clone in Python follows a master of ours in a process that is killed and started again with its data folder,
// at rest, while both sides write, and after changes that the clone was not there for. It goes on with the next number of the same master;
// nothing acknowledged is lost, and nothing is executed twice.
func TestForeignCloneOverKill(t *testing.T) {
	for _, backend := range []string{nodeconfig.BackendSQLite, nodeconfig.BackendPebble} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			s := &siege{t: t, backend: backend, folder: t.TempDir(), p: start(t, "--trace")}
			s.begin()
			s.p.do(command{"do": "clone", "store": "s", "timeout": 0})
			attached := s.p.wait("clone_attached")
			s.beforeAll()
			s.atRest()
			for range 3 {
				s.whileWriting()
			}
			s.whileAway()
			s.atRest()
			s.end(attached)
		})
	}
}

// siege is a master that is killed again and again.
type siege struct {
	t               *testing.T
	backend, folder string
	v               *vault
	h               *hand
	p               *python
	w               witness
	theirs          int
}

// begin starts the master and connects everybody.
func (s *siege) begin() {
	s.t.Helper()
	s.v = openVault(s.t, s.backend, s.folder)
	s.p.reconnect(s.v.address)
	s.h = newHand(s.t, s.v)
	_, err := s.h.Master(within(s.t))
	ok(s.t, err)
}

// kill kills the master, and waits until the clone has noticed.
func (s *siege) kill() {
	s.t.Helper()
	s.v.kill()
	s.h.cancel()
	s.p.wait("peer_lost")
}

// pushThere pushes at the clone, which waits for nothing.
func (s *siege) pushThere() {
	s.p.do(command{"do": "push", "store": "s", "key": "theirs", "value": s.theirs})
	s.theirs++
}

// agree waits until both have the same, and checks it. All that was pushed at the clone is there, as long as it isn't too many at once.
func (s *siege) agree() {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		content := caught(s.t, s.h.Remote, s.p)
		s.w.check(s.t, content["ours"])
		got := numbers(s.t, content["theirs"])
		for i, n := range got {
			if i != n {
				s.t.Fatalf("push %d of the clone is at %d: %v", n, i, got)
			}
		}
		if len(got) == s.theirs {
			return
		}
		if len(got) > s.theirs || time.Now().After(deadline) {
			s.t.Fatalf("%d pushes of the clone are there, it has made %d", len(got), s.theirs)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// beforeAll kills a master to which the clone has attached and never written. Then it writes.
func (s *siege) beforeAll() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if idle := s.p.ask(command{"do": "idle", "store": "s"}); idle.str("hex") == hex.EncodeToString(data.Boolean(true).AppendBinary(nil)) {
			break
		} else if time.Now().After(deadline) {
			s.t.Fatalf("the clone isn't idle: %v", idle)
		}
	}
	s.kill()
	s.begin()
	s.pushThere()
	s.agree()
}

// atRest kills a master that has nothing to do. The first change of the next process has the next number, and arrives.
func (s *siege) atRest() {
	s.t.Helper()
	ok(s.t, s.w.push(within(s.t), s.h.Remote))
	s.pushThere()
	s.agree()
	before, err := s.h.Master(within(s.t))
	ok(s.t, err)
	s.kill()
	s.begin()
	after, err := s.h.Master(within(s.t))
	ok(s.t, err)
	if after.Number != before.Number || after.ID != before.ID {
		s.t.Fatalf("%v at %d became %v at %d", before.ID, before.Number, after.ID, after.Number)
	}
	ok(s.t, s.w.push(within(s.t), s.h.Remote))
	s.agree()
	if all, _ := s.p.replays(); all[int(before.Number)+1] == "" || all[int(before.Number)+2] != "" {
		s.t.Errorf("the change after number %d got another number", before.Number)
	}
}

// whileWriting kills a master while both sides write. The clone writes on while it is away.
func (s *siege) whileWriting() {
	s.t.Helper()
	go s.h.work(&s.w)
	few := s.theirs + 50 // a vector travels as a whole
	for deadline := time.Now().Add(patience); s.h.count.Load() < 30; time.Sleep(time.Millisecond) {
		if s.theirs < few {
			s.pushThere()
		}
		if time.Now().After(deadline) {
			s.t.Fatal("no writes are acknowledged")
		}
	}
	s.kill()
	<-s.h.done
	for range 5 {
		s.pushThere()
	}
	s.begin()
	s.agree()
}

// whileAway kills a master that has done things while the clone was not there.
func (s *siege) whileAway() {
	s.t.Helper()
	s.p.do(command{"do": "drop"})
	s.p.wait("peer_lost")
	for range 50 {
		ok(s.t, s.w.push(within(s.t), s.h.Remote))
	}
	s.v.kill()
	s.h.cancel()
	s.begin()
	ok(s.t, s.w.push(within(s.t), s.h.Remote))
	s.agree()
}

// end looks at what the clone was sent over all that: each number, of one master, to one clone that was attached once.
func (s *siege) end(attached event) {
	s.t.Helper()
	all, master := s.p.replays()
	first, last := int(attached.num("offset"))+1, 0
	for n := range all {
		last = max(last, n)
	}
	for n := first; n <= last; n++ {
		if all[n] == "" {
			s.t.Errorf("number %d never came", n)
		}
	}
	if master != attached.str("master") || s.p.said("clone_attached") != 1 || s.p.said("store_closed")+s.p.said("store_error") > 0 {
		s.t.Errorf("master %s, %v; attached %d times, closed %d, %d errors", master, attached, s.p.said("clone_attached"),
			s.p.said("store_closed"), s.p.said("store_error"))
	}
	if got, err := s.h.Master(within(s.t)); err != nil || got.Number != uint64(last) || fmt.Sprint(got.ID) != master || len(got.Stranded) > 0 {
		s.t.Errorf("the master is %+v (%v), the clone has numbers up to %d of %s", got, err, last, master)
	}
}
