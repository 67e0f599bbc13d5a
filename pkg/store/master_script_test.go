// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

var (
	str     = data.String
	integer = data.Integer

	negativeZero = math.Copysign(0, -1)
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func startMaster(t *testing.T, bus Bus, name string) *Master {
	t.Helper()
	return startMasterWith(t, bus, name)
}

// startMasterWith starts a master whose backend has entries already (key, value, ..), so that they took no numbers.
func startMasterWith(t *testing.T, bus Bus, name string, entries ...data.Value) *Master {
	t.Helper()
	be := memory.New()
	for i := 0; i < len(entries); i += 2 {
		must(t, be.Put(backend.Entry{Key: data.Canonical(entries[i]), Value: data.Canonical(entries[i+1]), Deadline: backend.Never}))
	}
	must(t, be.Commit())
	m, err := NewMaster(bus, name, be, MasterOptions{})
	must(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func startClone(t *testing.T, bus Bus, name string, o CloneOptions) *Clone {
	t.Helper()
	c, err := NewClone(bus, name, o)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// TestScriptedClone is the conversation of spec/stores.md 13.1, row by row. Where this master departs from the reference, the row says so.
func TestScriptedClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMasterWith(t, f.join(), "s", str("a"), integer(1))
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		ctx := t.Context()
		step := func(do func()) {
			do()
			synctest.Wait()
		}
		nack := func(seqs ...uint64) { step(func() { p.send(0, data.EntityID{}, &command.Nack{Seqs: seqs}) }) }
		ack := func(n uint64) { step(func() { p.send(0, m.id, &command.CumulativeAck{Seq: n}) }) }
		put := func(seq uint64, key string) {
			step(func() { p.send(seq, m.id, &command.Put{Key: str(key), Value: integer(0), Publisher: p.id}) })
		}
		localPut := func(key string, v int64) {
			step(func() { must(t, m.Put(ctx, str(key), integer(v), 0)) })
		}

		nack(0)
		p.expect("1: nack{0}", "ack_clone 1,5 {a=1} #1 >6")
		localPut("b", 2)
		nack(0)
		p.expect("2: the same ack_clone again", "put b=2 #2", "ack_clone 1,5 {a=1} #1 >6")
		ack(1)
		nack(0)
		p.expect("3: a new snapshot after the first ack", "ack_clone 1,5 {a=1 b=2} #1 >6")
		ack(2)
		localPut("c", 3)
		nack(2)
		p.expect("4: acknowledged means gone", "put c=3 #3", "retransmit_failed 2 >6")
		nack(3, 9)
		p.expect("5: again with the receiver nobody", "put c=3 #3", "retransmit_failed 9 >6")
		nack()
		ack(99)
		p.expect("6: nothing")
		nack(5, 4)
		nack(3)
		localPut("d", 4)
		p.expect("7: not ascending: dropped")
		nack(0)
		p.expect("8: new path; d took a number all the same (not in the reference)", "ack_clone 4,5 {a=1 b=2 c=3 d=4} #4 >6")
		ack(4)
		put(2, "w")
		p.expect("9: a writer that did not attach")
		step(func() { p.send(0, m.id, &command.AttachWriter{Offset: 1, Interval: 5}) })
		p.expect("10: attach_writer", "cumulative_ack 1 >6")
		ack(3)
		time.Sleep(time.Second)
		synctest.Wait()
		p.take()
		step(func() { p.send(0, data.EntityID{}, &command.Keepalive{Seq: 2}) })
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		p.expectWithout("11: the gap is asked for every 2 ticks", []command.Kind{command.KindKeepalive, command.KindCumulativeAck},
			"nack [2] >6", "nack [2] >6")
		put(3, "w3")
		p.expect("12: out of order")
		step(func() {
			p.send(2, m.id, &command.Subtract{Key: str("a"), Operand: integer(5), Expiry: command.After(7 * time.Second), Publisher: p.id})
		})
		p.expect("12: both, in order", "put a=-4 #5", "put w3=0 #6")
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		p.expect("12: later", "cumulative_ack 3 >6")
		step(func() {
			who := data.EntityID{Endpoint: p.bus.id, Object: 77}
			p.send(4, m.id, &command.PutUnique{Key: str("u"), Value: integer(1), Who: who, Request: 5, Publisher: p.id})
			p.send(5, m.id, &command.PutUnique{Key: str("u"), Value: integer(2), Request: 6, Publisher: p.id})
		})
		p.expect("13: put_unique", "put u=1 #7", "put_unique_result true 77?5 #8", "put_unique_result false 0?6 #9")
		step(func() { p.send(0, m.id, &command.RetransmitFailed{Seq: 6}) })
		put(7, "x")
		p.expect("14: a lost write is skipped", "put x=0 #10")
		step(func() { p.send(0, m.id, &command.AttachWriter{Offset: 50, Interval: 5}) })
		p.expect("15: attached already")
		step(func() {
			p.send(8, m.id, &command.Expire{Key: str("a"), Publisher: p.id})
			p.send(9, m.id, &command.PutUniqueResult{Who: p.id, Publisher: p.id})
		})
		put(10, "y")
		p.expect("16: what makes no sense counts and does nothing", "put y=0 #11")
		step(func() {
			for _, number := range []byte{0xff, 0x63} {
				payload := (&command.Message{Sender: p.id, Body: &command.Clear{}}).Marshal()
				payload[56] = number
				p.sendRaw(payload)
			}
			p.sendRaw(nil)
		})
		p.expect("17: not readable")
		if got := m.Status().Malformed; got != 3 {
			t.Errorf("17: %d malformed", got)
		}
		surplus := command.Message{Seq: 11, Sender: p.id, Body: &command.Put{Key: str("z"), Value: integer(0), Publisher: p.id}}
		step(func() { p.sendRaw(append(surplus.Marshal(), 1, 2, 3)) })
		p.expect("18: surplus bytes", "put z=0 #12")
		step(func() {
			p.send(12, data.EntityID{Endpoint: data.EndpointID{1}, Object: 3}, &command.Put{Key: str("f"), Value: integer(0), Publisher: p.id})
		})
		p.expect("19: the receiver does not matter", "put f=0 #13")
		other := data.EntityID{Endpoint: p.bus.id, Object: 9}
		step(func() { p.sendAs(other, 0, m.id, &command.AttachWriter{Offset: 100, Interval: 5}) })
		step(func() { p.sendAs(other, 101, m.id, &command.Put{Key: str("g"), Value: integer(0), Publisher: other}) })
		p.expect("20: another object is another writer", "cumulative_ack 100 >9", "put g=0 #14")
	})
}
