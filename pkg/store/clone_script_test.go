// SPDX-License-Identifier: Apache-2.0

package store

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

func snapshot(entries ...data.Value) (s command.Snapshot) {
	for i := 0; i < len(entries); i += 2 {
		s.Add(entries[i], entries[i+1])
	}
	return s
}

// expectEvents checks the store events since the last time, sorted, by their kind, key and values.
func expectEvents(t *testing.T, step string, bus *fakeBus, want ...string) {
	t.Helper()
	var got []string
	for _, e := range bus.takeEvents() {
		got = append(got, brief(e))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: events %q, want %q", step, got, want)
	}
}

// TestScriptedMaster is the conversation of spec/stores.md 13.2, row by row. Where this clone departs from the reference, the row says so.
func TestScriptedMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		p := play(t, f, topic.Master("s"), topic.Clone("s"))
		bus := f.join()
		c := startClone(t, bus, "s", CloneOptions{})
		c.PutAsync(str("early"), integer(1), 0)
		wait := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		control := []command.Kind{command.KindKeepalive, command.KindCumulativeAck}

		wait(450 * time.Millisecond)
		p.expect("1: at once, then every 200 ms", "nack [0]", "nack [0]", "nack [0]")
		own := c.reader.id
		send := func(seq uint64, body command.Command) {
			p.send(seq, data.EntityID{}, body)
			synctest.Wait()
		}
		direct := func(body command.Command) {
			p.send(0, own, body)
			synctest.Wait()
		}
		stranger := data.EntityID{Endpoint: own.Endpoint, Object: own.Object + 1}
		p.send(1, stranger, &command.AckClone{Offset: 1, Interval: 5})
		wait(200 * time.Millisecond)
		p.expect("2: somebody else's handshake", "nack [0]")

		p.send(1, own, &command.AckClone{Offset: 1, Interval: 5, State: snapshot(str("a"), integer(1), str("b"), integer(2))})
		synctest.Wait()
		p.expect("3: attached", "cumulative_ack 1 >6", "attach_writer 1,5 >6", "put early=1 #2 >6")
		expectEvents(t, "3", bus, "insert a 1 nil", "insert b 2 nil")

		direct(&command.CumulativeAck{Seq: 2})
		wait(time.Second)
		p.expectWithout("4: acks and heartbeats", nil, "cumulative_ack 1 >6", "keepalive 2", "cumulative_ack 1 >6", "keepalive 2")

		send(0, &command.Keepalive{Seq: 2})
		wait(300 * time.Millisecond)
		p.expectWithout("5: heartbeats to everybody count as well (not in the reference)", control, "nack [2] >6", "nack [2] >6")
		direct(&command.Keepalive{Seq: 3})
		wait(400 * time.Millisecond)
		p.expectWithout("6: the gap is asked for every 2 ticks", control, "nack [2 3] >6", "nack [2 3] >6")

		put := func(key string) *command.Put {
			return &command.Put{Key: str(key), Value: integer(3), Expiry: command.After(time.Second), Publisher: p.id}
		}
		send(3, put("three"))
		wait(200 * time.Millisecond)
		p.expectWithout("7: one is missing", control, "nack [2] >6")
		expectEvents(t, "7: nothing applied", bus)
		send(2, put("two"))
		expectEvents(t, "7: both", bus, "insert three 3 1000000000ns", "insert two 3 1000000000ns")
		wait(500 * time.Millisecond)
		p.expect("7: acknowledged", "cumulative_ack 3 >6")

		p.sendAs(data.EntityID{Endpoint: p.bus.id, Object: 7}, 4, data.EntityID{}, put("stranger"))
		synctest.Wait()
		expectEvents(t, "8: another object", bus)

		send(4, &command.Erase{Key: str("a"), Publisher: p.id})
		send(5, &command.Expire{Key: str("b"), Publisher: p.id})
		send(6, &command.Erase{Key: str("a"), Publisher: p.id})
		expectEvents(t, "9: erase, expire, erase of nothing", bus, "erase a", "expire b")
		send(7, &command.Clear{Publisher: p.id})
		expectEvents(t, "9: clear", bus, "erase three", "erase two")
		send(8, &command.Clear{Publisher: p.id})
		send(9, &command.Add{Key: str("n"), Operand: data.Count(1), Init: data.KindCount, Publisher: p.id})
		expectEvents(t, "9: clear of nothing, add", bus)
		wait(500 * time.Millisecond)
		p.expect("9: all acknowledged", "cumulative_ack 9 >6")

		c.PutAsync(str("k"), integer(7), time.Minute)
		synctest.Wait()
		p.expect("10: a write", "put k=7 for 1m0s #3 >6")
		direct(&command.Nack{Seqs: []uint64{3}})
		p.expect("10: again", "put k=7 for 1m0s #3 >6")
		direct(&command.Nack{Seqs: []uint64{2}})
		p.expect("11: acknowledged means gone", "retransmit_failed 2 >6")

		direct(&command.RetransmitFailed{Seq: 10})
		wait(250 * time.Millisecond)
		p.expectWithout("12: a fresh start (the reference breaks)", control, "nack [0]")
		if s := c.Status(); s.State != StateAttaching {
			t.Errorf("12: state %v", s.State)
		}
		p.send(20, c.reader.id, &command.AckClone{Offset: 20, Interval: 5, State: snapshot(str("z"), integer(26))})
		synctest.Wait()
		p.expectWithout("12: attached again, the writes go on", nil, "cumulative_ack 20 >6")
		expectEvents(t, "12: the new content", bus, "insert z 26 nil")
		direct(&command.CumulativeAck{Seq: 3})
		p.expect("12: once they are acknowledged, under the new identity", "attach_writer 1,5 >6")
		if s := c.Status(); s.State != StateSynced || s.Sequence != 20 || s.WritesUnknown != 0 {
			t.Errorf("12: %+v", s)
		}
	})
}
