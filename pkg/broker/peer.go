// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// maxTopic is the longest topic or prefix.
const maxTopic = wire.MaxTopic

// firstFrameTimeout is how long a new peer may take to say who it is.
const firstFrameTimeout = time.Second

// peer is one connection in operation. Its goroutine runs run; the other fields are guarded as they say.
type peer struct {
	*peering.Link
	e       *Endpoint
	address string // as dialed, or the remote one
	log     *slog.Logger
	dialed  bool
	gone    chan struct{} // closed when the peer's last event has been raised

	// is changes while the endpoint's mutex is held.
	is atomic.Pointer[nature]

	// Guarded by the endpoint's mutex.
	target   *target // the dialed address that this connection serves, if any
	retry    time.Duration
	state    PeerState
	since    time.Time
	filter   topic.Filter // the peer's
	asked    topic.Filter // the own one, as the peer was told
	known    Recognized   // what is known of an accepted peer
	removing bool         // this side ends the peering
	lost     bool         // the peering broke
	bye      []byte       // payload of the closing ping

	pings struct {
		sync.Mutex
		next    uint64
		waiting map[string]chan struct{}
	}
	life     liveness
	rtt      roundTrip
	counts   counts
	drops    [dropCauses]atomic.Uint64
	dropping dropTeller

	// Owned by the reading goroutine.
	in      intake
	badData throttle
}

func (e *Endpoint) newPeer(est *peering.Established, address string, t *target) *peer {
	limit := e.opt.PeerQueue.toPeer()
	if t != nil {
		e.mu.Lock()
		limit = e.peerLimit(t.opt.Queue)
		e.mu.Unlock()
	}
	return e.newPeerOn(peering.NewLink(est, limit, e.opt.MaxFrame+wire.MaxStampSize), address, t)
}

func (e *Endpoint) newPeerOn(l *peering.Link, address string, t *target) *peer {
	p := &peer{
		Link: l,
		e:    e, address: address, log: e.log.With("peer", l.Peer, "address", address), target: t, dialed: t != nil, gone: make(chan struct{}),
		state: Connecting, since: time.Now(),
	}
	p.is.Store(&foreign)
	p.in.init(e.numbersFrom())
	if t != nil {
		e.mu.Lock()
		p.retry = t.opt.Retry
		e.mu.Unlock()
	}
	p.asked = topic.Filter(l.Announced)
	p.filter = topic.NewFilter(l.Filter...)
	p.pings.waiting = make(map[string]chan struct{})
	l.Account(e.memory, p.shed)
	return p
}

// run serves the peer until the connection has ended. The answer is why: nil if this side wanted it; peered tells whether the
// peering had been established.
func (p *peer) run() (cause error, peered bool) {
	if !p.join() {
		p.Close()
		p.LeaveMemory()
		p.e.registry.Forget(p.Peer)
		return ErrClosed, false
	}
	p.log.Debug("connected", "role", p.Role)
	p.Start(p.announcement())
	if !p.dialed {
		p.recognize()
	}
	frames, err := p.first()
	if err == nil {
		peered = p.register()
		for ; err == nil && peered; frames, err = p.Next() {
			if err = p.batch(frames); err != nil {
				break
			}
		}
	}
	cause = p.Cause(err)
	p.Fail(cause)
	p.Wait()
	p.life.stop()
	p.dropping.stop()
	p.leave(cause, peered)
	p.LeaveMemory()
	p.e.registry.Forget(p.Peer)
	close(p.gone)
	p.e.news.tell()
	return cause, peered
}

// join enters the connection into the endpoint's books; false when the endpoint closes, or when its address was unpeered while it was
// being dialed.
func (p *peer) join() bool {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	if p.e.mu.closing || p.target != nil && p.target.finished {
		return false
	}
	p.e.mu.conns[p] = struct{}{}
	if p.target != nil {
		p.target.peer = p
	}
	return true
}

// announcement is the ping by which endpoints of this project know each other.
func (p *peer) announcement() []byte {
	if p.outside() {
		return nil
	}
	a := wire.Announcement{Version: 1, Features: p.e.opt.features(), Nonce: randomNonce()}
	payload := a.Append(nil)
	p.rtt.sent(payload)
	return p.frame(wire.TypePing, payload)
}

// first waits for the first frames and learns from them of what class the peer is.
func (p *peer) first() ([][]byte, error) {
	if p.outside() {
		return nil, nil
	}
	frames, err := p.NextWithin(firstFrameTimeout)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, nil
		}
		return nil, err
	}
	if env, err := wire.ParseEnvelope(frames[0][wire.FrameHeader:]); err == nil && env.Type == wire.TypePing {
		if a, ok := wire.ParseAnnouncement(env.Payload); ok {
			p.is.Store(natureOf(p.e.opt.features(), a.Features))
		}
	}
	return frames, nil
}

// register makes the peer known to the routes and raises its first events; false when the endpoint closes.
func (p *peer) register() bool {
	ok := false
	p.e.change(func() {
		if ok = !p.e.mu.closing && !p.removing; ok {
			p.e.mu.peers[p.Peer] = p
			p.e.linkLocked(p)
			p.state, p.since = Peered, time.Now()
			p.life.start(p)
		}
	})
	if !ok {
		return false
	}
	p.log.Info("peered", "code", code.PeerAdded.String(), "class", p.class().String(), "filter", len(p.Filter))
	p.e.raise(code.EndpointDiscovered, p, "found a new peer in the network")
	p.e.raise(code.PeerAdded, p, "handshake successful")
	p.e.news.tell()
	return true
}

// leave takes the peer out of the books and raises its last events.
func (p *peer) leave(cause error, registered bool) {
	var removing bool
	overflow := isClass(cause, peering.Overflow)
	p.e.change(func() {
		removing = p.removing
		p.lost = registered && cause != nil && (overflow || !removing)
		delete(p.e.mu.conns, p)
		if p.e.mu.peers[p.Peer] == p {
			delete(p.e.mu.peers, p.Peer)
			p.e.unlinkLocked(p)
		}
		sum := p.carried(true)
		p.e.mu.past.add(&sum)
		if p.target != nil && p.target.peer == p {
			p.target.past.add(&sum)
			p.target.peer = nil
			p.target.settledLocked(Disconnected, cause)
			if p.lost {
				p.target.flaps++
			}
		}
	})
	if p.lost {
		p.e.counters.lost.Add(1)
	}
	p.e.counters.retire(p)
	if !registered {
		return
	}
	switch {
	case overflow:
		p.log.Warn("peer disconnected: its queue overflowed", "code", code.PeerRemoved.String(), "dropped", p.Queue.Stats().Dropped)
		p.e.raise(code.PeerRemoved, p, "removed connection to remote peer (caf::sec::backpressure_overflow)")
	case removing || cause == nil:
		p.log.Info("peer removed", "code", code.PeerRemoved.String())
		p.e.raise(code.PeerRemoved, p, "removed connection to remote peer")
	default:
		p.log.Info("peer lost", "code", code.PeerLost.String(), "class", classOf(cause), "error", cause)
		p.e.raise(code.PeerLost, p, "lost connection to remote peer")
	}
	p.e.raise(code.EndpointUnreachable, p, "lost the last path")
}

func isClass(err error, class peering.ErrorClass) bool {
	var pe *peering.Error
	return errors.As(err, &pe) && pe.Class == class
}

// frame makes a control frame to the peer.
func (p *peer) frame(t wire.Type, payload []byte) []byte {
	env := wire.Envelope{Sender: p.e.opt.ID, Receiver: p.Peer, Type: t, TTL: wire.DefaultTTL, Topic: []byte(topic.Reserved), Payload: payload}
	b, _ := wire.AppendFrame(nil, &env) // fails for long topics only
	return b
}

func (p *peer) updateFrame(f topic.Filter) []byte {
	return p.frame(wire.TypeRoutingUpdate, wire.AppendFilter(nil, f))
}

// control queues a ping or pong. A peer that doesn't take them is given up.
func (p *peer) control(frame []byte) {
	if p.Queue.Control(frame) == peering.Overflowed {
		p.Fail(&peering.Error{Class: peering.Overflow, Text: "too many pings and pongs are waiting"})
	}
}

// ping sends a ping and answers a channel that is closed by its pong. end must be called when nobody waits any more.
func (p *peer) ping() (pong <-chan struct{}, end func()) {
	ch := make(chan struct{})
	p.pings.Lock()
	p.pings.next++
	payload := string(appendUint64([]byte("SYNC"), p.pings.next))
	p.pings.waiting[payload] = ch
	p.pings.Unlock()
	p.rtt.sent([]byte(payload))
	p.control(p.frame(wire.TypePing, []byte(payload)))
	return ch, func() {
		p.pings.Lock()
		defer p.pings.Unlock()
		delete(p.pings.waiting, payload)
	}
}

// settle looks at what became of a frame that was queued for the peer.
func (p *peer) settle(r peering.Result, command bool) {
	switch r {
	case peering.Dropped:
		cause := DropPeerQueue
		if command {
			cause = DropCommandQueue
		}
		p.drop(cause, 1)
		p.tellDrops()
	case peering.Overflowed:
		p.drop(DropPeerQueue, 1)
		p.Fail(&peering.Error{Class: peering.Overflow, Peer: p.Peer, Text: "the queue for the peer overflowed"})
	}
}
