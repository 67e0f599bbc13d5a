// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// What the reference does with time, in ticks of 100 ms.
const (
	outsideTick    = 100 * time.Millisecond
	outsideBeat    = 5
	outsidePatient = 2
	outsideTimeout = 500
)

// outsider plays a clone of C++ Broker, from the specification of stores alone: it gets one snapshot in its life, follows the identity that
// sent it, acknowledges twice a second, asks for what it knows to be missing, and says nothing of an extension. It drops keepalives to
// everybody, as the reference does.
type outsider struct {
	at   *endpoint
	id   data.EntityID
	key  string
	fail func(format string, args ...any)
	stop chan struct{}
	done chan struct{}

	mu     sync.Mutex
	master data.EntityID
	// next is the number that comes next, last one past the highest number that it knows of.
	next, last uint64
	early      map[uint64]command.Command
	content    content
	ticks      uint64
	before     uint64
	idle       int
	// heard is when the master last spoke, silence the longest time for which it did not.
	heard   time.Time
	silence time.Duration
	writing writing
}

// writing is the channel of an outsider's writes. Write i has number i+1; it pushes i.
type writing struct {
	made, acked uint64
	established bool
	// answered is the tick of the last ack. An outsider that got none for as long as the reference waits has given up writing.
	answered uint64
	over     bool
	// waited is the longest time without an ack. From about as long as the reference waits it depends on chance who gives up.
	waited uint64
}

// goOutside starts an outsider at a place of the network.
func (w *world) goOutside(i int) {
	place := endpoints + i
	o := &outsider{
		at: w.net.join(place, data.NewEndpointID()), fail: w.fail, stop: make(chan struct{}), done: make(chan struct{}),
		early: map[uint64]command.Command{}, content: content{}, heard: time.Now(),
	}
	o.id = data.EntityID{Endpoint: o.at.id, Object: 6}
	o.key = "outside/" + o.id.String()
	w.outside[i] = o
	w.everOutside = append(w.everOutside, o)
	_, _ = o.at.AttachStore(topic.Clone(storeName), o.receive)
	go o.run()
}

func (o *outsider) run() {
	defer close(o.done)
	ticker := time.NewTicker(outsideTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			o.tick()
		case <-o.stop:
			return
		}
	}
}

// die ends it without a word.
func (o *outsider) die() {
	o.at.die()
	close(o.stop)
	<-o.done
}

// send sends to everybody, or to the endpoint of one frontend.
func (o *outsider) send(seq uint64, receiver data.EntityID, only bool, body command.Command) {
	msg := command.Message{Seq: seq, Sender: o.id, Receiver: receiver, Body: body}
	var to data.EndpointID
	if only {
		to = receiver.Endpoint
	}
	_ = o.at.SendCommand(topic.Master(storeName), to, msg.Marshal())
}

func (o *outsider) ack() { o.send(0, o.master, true, &command.CumulativeAck{Seq: o.next - 1}) }

func (o *outsider) receive(payload []byte) {
	msg, err := command.Parse(bytes.Clone(payload))
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		return // an extension
	}
	if o.next != 0 && msg.Sender != o.master {
		return
	}
	mine := msg.Receiver == o.id
	if !mine && !msg.Receiver.IsZero() {
		return
	}
	o.silence, o.heard = max(o.silence, time.Since(o.heard)), time.Now()
	switch body := msg.Body.(type) {
	case *command.Put, *command.Erase, *command.Expire, *command.Clear, *command.PutUniqueResult:
		o.event(msg.Seq, body)
	case *command.AckClone:
		if mine && o.next == 0 {
			o.attach(msg.Sender, body)
		}
	case *command.Keepalive:
		if mine && o.next != 0 {
			o.last = max(o.last, body.Seq+1)
		}
	case *command.RetransmitFailed:
		if mine && o.next != 0 && body.Seq >= o.next {
			o.fail("the outsider %s, which has come to %d, is told that %d is gone: it is broken from then on", o.id, o.next-1, body.Seq)
		}
	case *command.CumulativeAck:
		if mine {
			o.acknowledged(body.Seq)
		}
	case *command.Nack:
		if mine {
			o.again(body.Seqs)
		}
	}
}

// attach takes the snapshot, and begins to write.
func (o *outsider) attach(master data.EntityID, body *command.AckClone) {
	o.master, o.next = master, body.Offset+1
	for key, value := range body.State.Entries() {
		o.content[text(key)] = value.String()
	}
	for n := range o.early {
		if n < o.next {
			delete(o.early, n)
		}
	}
	o.last = max(o.last, o.next)
	o.consume()
	o.ack()
	o.writing.answered = o.ticks
	o.send(0, o.master, false, &command.AttachWriter{Offset: 1, Interval: outsideBeat})
	for i := range o.writing.made {
		o.sendWrite(i + 1)
	}
}

func (o *outsider) event(n uint64, body command.Command) {
	if o.next != 0 && n < o.next {
		return
	}
	o.early[n] = body
	o.last = max(o.last, n)
	if o.next != 0 {
		o.consume()
	}
}

func (o *outsider) consume() {
	for body := o.early[o.next]; body != nil; body = o.early[o.next] {
		switch body := body.(type) {
		case *command.Put:
			o.content[text(body.Key)] = body.Value.String()
		case *command.Erase:
			delete(o.content, text(body.Key))
		case *command.Expire:
			delete(o.content, text(body.Key))
		case *command.Clear:
			clear(o.content)
		}
		delete(o.early, o.next)
		o.next++
	}
	o.last = max(o.last, o.next)
}

func (o *outsider) tick() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ticks++
	progress := o.next > o.before
	o.before = o.next
	if o.idle++; progress {
		o.idle = 0
	}
	switch {
	case o.next == 0 && o.idle >= outsidePatient:
		o.idle = 0
		o.send(0, data.EntityID{}, false, &command.Nack{Seqs: []uint64{0}})
	case o.next == 0:
	case !progress && o.next < o.last && o.idle >= outsidePatient:
		o.idle = 0
		var missing []uint64
		for n := o.next; n < o.last && len(missing) < 1000; n++ {
			if o.early[n] == nil {
				missing = append(missing, n)
			}
		}
		if len(missing) > 0 {
			o.send(0, o.master, true, &command.Nack{Seqs: missing})
		}
	case o.ticks%outsideBeat == 0:
		o.ack()
	}
	if o.next != 0 && o.ticks%outsideBeat == 0 {
		o.beat()
	}
}

// beat is the heartbeat of the channel of writes.
func (o *outsider) beat() {
	w := &o.writing
	w.waited = max(w.waited, o.ticks-w.answered)
	if w.over = w.over || o.ticks-w.answered >= outsideTimeout; w.over {
		return
	}
	if !w.established {
		o.send(0, o.master, false, &command.AttachWriter{Offset: 1, Interval: outsideBeat})
	}
	o.send(0, data.EntityID{}, false, &command.Keepalive{Seq: w.made + 1})
}

// write makes a write, which waits for the handshake if there was none.
func (o *outsider) write() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing.over {
		return
	}
	o.writing.made++
	if o.next != 0 {
		o.sendWrite(o.writing.made)
	}
}

func (o *outsider) sendWrite(i uint64) {
	o.send(i+1, o.master, false, &command.Add{Key: data.String(o.key), Operand: data.Count(i), Init: data.KindVector, Publisher: o.id})
}

func (o *outsider) acknowledged(n uint64) {
	w := &o.writing
	w.established, w.answered = true, o.ticks
	if n > w.made+1 {
		o.fail("write %d of the outsider %s is acknowledged, it has made %d", n-1, o.id, w.made)
	}
	w.acked = max(w.acked, n)
}

// again sends writes once more. What was acknowledged is gone.
func (o *outsider) again(seqs []uint64) {
	o.writing.answered = o.ticks
	for _, n := range seqs {
		switch {
		case n <= o.writing.acked:
			o.fail("the outsider %s is asked for write %d again, which was acknowledged", o.id, n-1)
		case n-1 <= o.writing.made:
			o.sendWrite(n - 1)
		}
	}
}

// look notes what an outsider has.
func (r *record) lookOutside(place int, o *outsider) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sights = append(r.sights, sight{place: place, number: o.next - 1, content: maps.Clone(o.content), at: time.Now()})
}

// judge checks an outsider in the end: it has what the master has and is counted, or it is named.
func (o *outsider) judge(number uint64, want content, stranded []data.EntityID, mayStrand bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	named := slices.Contains(stranded, o.id)
	switch {
	case o.next == 0:
		return fmt.Errorf("the outsider %s never attached", o.id)
	case named && o.next-1 == number:
		return fmt.Errorf("the outsider %s is at %d, as the master is, and named as stranded", o.id, number)
	case named && !mayStrand && o.silence < 4*time.Minute:
		return fmt.Errorf("the outsider %s at %d is stranded by a master at %d that had room for everything", o.id, o.next-1, number)
	case named:
		return nil
	case o.next-1 != number || !maps.Equal(o.content, want):
		return fmt.Errorf("the outsider %s is at %d, the master at %d; it is not named: %s", o.id, o.next-1, number, difference(o.content, want))
	case o.writing.waited < outsideTimeout-50 && o.writing.acked != o.writing.made+1:
		return fmt.Errorf("of the outsider %s %d writes are acknowledged, it has made %d", o.id, o.writing.acked-1, o.writing.made)
	}
	return nil
}
