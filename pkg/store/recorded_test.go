// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// conversation is what two C++ endpoints said to each other about a store.
type conversation struct {
	t                         *testing.T
	store                     string
	fromMaster, fromClone     []command.Message
	master, clone, cloneAsker data.EntityID
}

func readConversation(t *testing.T, store, fromMaster, fromClone string) *conversation {
	t.Helper()
	c := &conversation{t: t, store: store, fromMaster: readRecorded(t, fromMaster), fromClone: readRecorded(t, fromClone)}
	c.master, c.clone = c.fromMaster[0].Sender, c.fromClone[0].Sender
	c.cloneAsker = data.EntityID{Endpoint: c.clone.Endpoint, Object: 7}
	return c
}

func readRecorded(t *testing.T, name string) (messages []command.Message) {
	t.Helper()
	content, err := os.ReadFile("command/testdata/recorded/" + name + ".jsonl")
	must(t, err)
	for line := range bytes.Lines(content) {
		var frame struct{ Payload string }
		must(t, json.Unmarshal(line, &frame))
		payload, err := hex.DecodeString(frame.Payload)
		must(t, err)
		msg, err := command.Parse(payload)
		must(t, err)
		messages = append(messages, msg)
	}
	return messages
}

// withIDs is a recorded message with the IDs of this run.
func (c *conversation) withIDs(msg command.Message, master, clone, asker data.EntityID) []byte {
	payload := msg.Marshal()
	for _, id := range [][2]data.EntityID{{c.master, master}, {c.cloneAsker, asker}, {c.clone, clone}} {
		payload = bytes.ReplaceAll(payload, id[0].AppendBinary(nil), id[1].AppendBinary(nil))
	}
	return payload
}

// periodic are the commands that depend on time alone.
func periodic(m command.Message) bool {
	kind := m.Body.Kind()
	return kind == command.KindKeepalive || kind == command.KindCumulativeAck
}

// bySequence is what the endpoint of the master did itself in the recorded conversation, by the number that the change got.
func bySequence(ctx context.Context, m *Master) map[uint64]func() error {
	n, set, tab, vec := str("n"), str("set"), str("tab"), str("vec")
	count := data.Count
	return map[uint64]func() error{
		2:  func() error { return m.Put(ctx, str("a"), str("A"), 0) },
		3:  func() error { return m.Increment(ctx, n, count(5), 0) },
		4:  func() error { return m.Increment(ctx, n, count(2), 0) },
		5:  func() error { return m.Decrement(ctx, n, count(1), 0) },
		6:  func() error { return m.Append(ctx, str("str"), "b", 0) },
		7:  func() error { return m.Append(ctx, str("str"), "ar", 0) },
		8:  func() error { return m.Put(ctx, set, data.Set(integer(1), integer(2)), 0) },
		9:  func() error { return m.InsertInto(ctx, set, integer(3), 0) },
		10: func() error { return m.RemoveFrom(ctx, set, integer(1), 0) },
		11: func() error { return m.InsertIntoTable(ctx, tab, integer(1), str("A"), 0) },
		12: func() error { return m.InsertIntoTable(ctx, tab, integer(3), str("D"), 0) },
		13: func() error { return m.RemoveFrom(ctx, tab, integer(1), 0) },
		14: func() error { return m.Put(ctx, vec, data.Vector(integer(1), integer(2)), 0) },
		15: func() error { return m.Push(ctx, vec, integer(3), 0) },
		16: func() error { return m.Pop(ctx, vec, 0) },
		17: func() error { return m.Put(ctx, str("short"), str("x"), 300*time.Millisecond) },
		18: func() error { return m.Erase(ctx, str("a")) },
		19: func() error { time.Sleep(500 * time.Millisecond); return nil },
		26: func() error { return m.Put(ctx, str("last"), integer(1), 0) },
		27: func() error { return m.Clear(ctx) },
	}
}

// TestRecordedClone plays the clone of a recorded conversation against a master, which does what the recorded one did.
func TestRecordedClone(t *testing.T) {
	for _, tt := range []struct{ name, fromMaster, fromClone string }{
		{"connecting", "store.connecting-is-originator.conn0.s2c", "store.connecting-is-originator.conn0.c2s"},
		{"accepting", "store.accepting-is-originator.conn0.s2c", "store.accepting-is-originator.conn0.c2s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { replayClone(t, readConversation(t, "s1", tt.fromMaster, tt.fromClone)) })
		})
	}
}

func replayClone(t *testing.T, conv *conversation) {
	f := new(fabric)
	var before []data.Value
	for _, msg := range conv.fromMaster {
		if body, ok := msg.Body.(*command.AckClone); ok {
			for k, v := range body.State.Entries() {
				before = append(before, k, v)
			}
		}
	}
	m := startMasterWith(t, f.join(), conv.store, before...)
	p := play(t, f, topic.Clone(conv.store), topic.Master(conv.store))
	asker := data.EntityID{Endpoint: p.id.Endpoint, Object: 7}
	local := bySequence(t.Context(), m)
	clone := slices.DeleteFunc(conv.fromClone, periodic)
	var got []frame
	take := func() {
		synctest.Wait()
		got = append(got, p.take(command.KindKeepalive, command.KindCumulativeAck)...)
	}
	next := func() {
		p.sendRaw(conv.withIDs(clone[0], m.id, p.id, asker))
		clone = clone[1:]
		take()
	}
	for i, want := range slices.DeleteFunc(conv.fromMaster, periodic) {
		switch do := local[want.Seq]; {
		case want.Body.Kind() == command.KindAckClone:
			next() // nack{0}
			p.send(0, m.id, &command.CumulativeAck{Seq: 1})
			next() // attach_writer
		case do != nil:
			must(t, do())
			take()
		case len(got) <= i:
			next()
		}
		if len(got) <= i {
			t.Fatalf("nothing like %s", describe(want))
		}
		wantPayload := conv.withIDs(want, m.id, p.id, asker)
		if same := bytes.Equal(got[i].Marshal(), wantPayload); !same && want.Body.Kind() != command.KindAckClone {
			t.Fatalf("number %d:\n got %s\nwant %s", want.Seq, describe(got[i].Message), describe(want))
		}
		if want.Body.Kind() == command.KindAckClone { // the order of entries is free
			msg, err := command.Parse(wantPayload)
			must(t, err)
			if describe(got[i].Message) != describe(msg) {
				t.Fatalf(" got %s\nwant %s", describe(got[i].Message), describe(msg))
			}
		}
	}
	if len(clone) > 0 {
		t.Fatalf("%d commands of the clone were not played", len(clone))
	}
}

// TestRecordedMaster plays the master of a recorded conversation against a clone, which does what the recorded one did.
func TestRecordedMaster(t *testing.T) {
	for _, tt := range []struct{ name, fromMaster, fromClone string }{
		{"connecting", "store.connecting-is-originator.conn0.s2c", "store.connecting-is-originator.conn0.c2s"},
		{"accepting", "store.accepting-is-originator.conn0.s2c", "store.accepting-is-originator.conn0.c2s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newMasterReplay(t, readConversation(t, "s1", tt.fromMaster, tt.fromClone))
				r.until(19)
				ctx := t.Context()
				r.c.PutAsync(str("c1"), str("from clone"), 0)
				r.c.WriteAsync(WriteAdd(str("n"), data.Count(1), data.KindCount, 0))
				inserted := make(chan bool, 2)
				for _, v := range []string{"first", "second"} {
					go func() {
						ok, err := r.c.PutUnique(ctx, str("u"), str(v), 0)
						if err != nil {
							t.Error(err)
						}
						inserted <- ok
					}()
					synctest.Wait()
				}
				r.c.EraseAsync(str("pre"))
				r.until(26)
				if !<-inserted || <-inserted {
					t.Error("put_unique: the first wins, the second doesn't")
				}
				keys, err := r.c.Keys(ctx)
				if want := `{c1, exp, last, n, set, str, tab, u, vec, (k, 2)}`; err != nil || keys.String() != want {
					t.Errorf("keys %v, %v; want %s", keys, err, want)
				}
				r.until(27)
				if s := r.c.Status(); s.Entries != 0 || s.Sequence != 27 || s.Lag != 0 {
					t.Errorf("%+v", s)
				}
				r.checkSent()
			})
		})
	}
}

// TestRecordedLateMaster is the conversation of a clone that is written to before there is a master.
func TestRecordedLateMaster(t *testing.T) {
	for _, role := range []string{"connecting", "accepting"} {
		t.Run(role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				name := "store-late-master." + role + "-is-originator.conn0."
				r := newMasterReplay(t, readConversation(t, "s2", name+"c2s", name+"s2c"))
				r.c.PutAsync(str("early"), integer(1), 0)
				r.until(52)
				if s := r.c.Status(); s.Entries != 51 || s.Sequence != 52 {
					t.Errorf("%+v", s)
				}
				r.checkSent()
			})
		})
	}
}

// masterReplay plays a recorded master.
type masterReplay struct {
	*conversation
	c    *Clone
	p    *scripted
	rest []command.Message
	sent []frame
}

func newMasterReplay(t *testing.T, conv *conversation) *masterReplay {
	f := new(fabric)
	r := &masterReplay{conversation: conv, p: play(t, f, topic.Master(conv.store), topic.Clone(conv.store)), rest: conv.fromMaster}
	r.c = startClone(t, f.join(), conv.store, CloneOptions{})
	return r
}

// until plays everything up to the event of a number.
func (r *masterReplay) until(seq uint64) {
	for len(r.rest) > 0 {
		msg := r.rest[0]
		r.rest = r.rest[1:]
		synctest.Wait()
		r.p.sendRaw(r.withIDs(msg, r.p.id, r.c.reader.id, r.c.writes.who))
		synctest.Wait()
		r.sent = append(r.sent, r.p.take()...)
		if msg.Seq == seq {
			return
		}
	}
	r.t.Fatalf("no event %d", seq)
}

// checkSent compares what the clone said with what the recorded one said, but for what depends on time.
func (r *masterReplay) checkSent() {
	r.t.Helper()
	want := slices.DeleteFunc(slices.Clone(r.fromClone), periodic)
	i := 0
	for _, got := range r.sent {
		if periodic(got.Message) {
			continue
		}
		// What is ours follows behind the command, where the reference doesn't look.
		if kind := got.Body.Kind(); got.Trailer != nil && kind != command.KindNack && kind != command.KindAttachWriter {
			r.t.Fatalf("command %d of the clone has a trailer: %s", i, describe(got.Message))
		}
		got.Trailer = nil
		if i >= len(want) || !bytes.Equal(got.Marshal(), r.withIDs(want[i], r.p.id, r.c.reader.id, r.c.writes.who)) {
			r.t.Fatalf("command %d of the clone: %s", i, describe(got.Message))
		}
		i++
	}
	if i < len(want) {
		r.t.Fatalf("the clone did not say %s", describe(want[i]))
	}
}
