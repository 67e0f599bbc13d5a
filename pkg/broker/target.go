// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

const (
	// DefaultRetry is the retry interval of PeerAsync if none is given.
	DefaultRetry = 10 * time.Second
	// minRetry is the first pause after a failed attempt; it doubles up to the retry interval.
	minRetry = 100 * time.Millisecond
	// redials bounds the attempts at once after connections that were in the way.
	redials = 3
	// shortLived is the age below which the loss of a peering counts as a failed attempt and is not followed by a dial at once.
	shortLived = time.Second
)

// PeerOptions of one dialed address.
type PeerOptions struct {
	// Retry is the longest pause between attempts. Zero: Peer makes one attempt, PeerAsync uses DefaultRetry.
	Retry time.Duration
	// ServerURI is the URI that the peer's certificate must carry; empty: any certificate of the CA will do.
	ServerURI string
	// ServerName is the host name or IP address that the peer's certificate must be for; empty: any. C++ peers usually have none.
	ServerName string
	// Security protects connections to this address; nil: Options.TLS does, as for everything else of the endpoint.
	Security *Security
	// Queue bounds what waits for the peer; nil means Options.PeerQueue, as do its zero Messages and Bytes.
	Queue *QueueLimit
	// Name shows up in PeerInfo.
	Name string
}

// Security is how the connections to an address are protected, where that is not as Options.TLS says.
type Security struct {
	// TLS is used for the connection; nil means plain TCP.
	TLS *peering.TLS
}

// start looks whether it can be used.
func (s *Security) start(log *slog.Logger) error {
	if s == nil || s.TLS == nil {
		return nil
	}
	return s.TLS.Start(log)
}

// target is an address that the endpoint dials. Its goroutine runs run; the other fields are guarded by the endpoint's mutex.
type target struct {
	e       *Endpoint
	address string
	ctx     context.Context // ended by Unpeer and Close
	cancel  context.CancelFunc
	done    chan struct{} // closed when run has returned

	opt      PeerOptions
	peer     *peer // the connection that serves the address; it may have been accepted
	state    PeerState
	since    time.Time
	lastErr  error
	past     carried // of connections that have ended
	flaps    uint64  // how often a peering was lost
	finished bool    // no further attempt is made
}

// dial starts dialing an address, or joins what is under way.
func (e *Endpoint) dial(address string, o PeerOptions) (t *target, created bool, err error) {
	address, err = peering.Normalize(address)
	if err != nil {
		return nil, false, err
	}
	if err := o.Security.start(e.log); err != nil {
		return nil, false, fmt.Errorf("peer %s: %w", address, err)
	}
	if err := o.Queue.validPeerQueue(); err != nil {
		return nil, false, fmt.Errorf("peer %s: %w", address, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closing {
		return nil, false, ErrClosed
	}
	if t := e.mu.targets[address]; t != nil {
		return t, false, nil
	}
	t = &target{e: e, address: address, opt: o, done: make(chan struct{}), state: Connecting, since: time.Now()}
	t.ctx, t.cancel = context.WithCancel(e.stop)
	e.mu.targets[address] = t
	e.running.Go(t.run)
	return t, true, nil
}

// PeerAsync dials an address in the background, and again whenever the connection is lost, until Unpeer. What happens shows in Peers
// and in status events. An address that is dialed already gets the new options for its next
// attempt, and their queue limit at once.
func (e *Endpoint) PeerAsync(address string, o PeerOptions) error {
	if o.Retry <= 0 {
		o.Retry = DefaultRetry
	}
	t, created, err := e.dial(address, o)
	if err == nil && !created {
		e.mu.Lock()
		t.opt = o
		if p := t.peer; p != nil && p.target == t {
			p.Queue.SetLimit(e.peerLimit(o.Queue))
		}
		e.mu.Unlock()
	}
	return err
}

// Peer dials an address and waits until the peering stands, or until it is certain that it fails: with a retry interval that is never.
// It answers the peer's ID; that of the existing connection if the endpoint is connected already. If the context ends first, the
// dialing that this call started ends too.
func (e *Endpoint) Peer(ctx context.Context, address string, o PeerOptions) (data.EndpointID, error) {
	t, created, err := e.dial(address, o)
	if err != nil {
		return data.EndpointID{}, err
	}
	return e.await(ctx, t, created)
}

// await waits for the outcome of dialing an address; own tells that it was begun for this caller.
func (e *Endpoint) await(ctx context.Context, t *target, own bool) (data.EndpointID, error) {
	for {
		news := e.news.wait()
		id, finished, err := t.outcome()
		if !id.IsZero() || finished {
			return id, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			if own {
				t.giveUp()
			}
			if err != nil {
				return data.EndpointID{}, errors.Join(ctx.Err(), err)
			}
			return data.EndpointID{}, ctx.Err()
		}
	}
}

// outcome answers the ID of the peer once it is peered, else whether another attempt will be made, and the last error.
func (t *target) outcome() (id data.EndpointID, finished bool, err error) {
	t.e.mu.Lock()
	defer t.e.mu.Unlock()
	if t.peer != nil && t.peer.state == Peered {
		return t.peer.Peer, false, nil
	}
	err = t.lastErr
	if t.finished && err == nil {
		err = ErrClosed
	}
	return id, t.finished, err
}

// giveUp is end, and also closes a connection that was dialed and is not peered yet.
func (t *target) giveUp() {
	t.end()
	t.e.mu.Lock()
	p := t.peer
	if p != nil && (!p.dialed || p.state == Peered) {
		p = nil
	}
	t.e.mu.Unlock()
	if p != nil {
		p.bid()
	}
}

// end cancels all further attempts and takes the address out of the books. A connection that stands stays.
func (t *target) end() {
	t.e.mu.Lock()
	t.endLocked()
	t.e.mu.Unlock()
	t.e.news.tell()
}

func (t *target) endLocked() {
	t.cancel()
	t.finished = true
	if t.e.mu.targets[t.address] == t {
		delete(t.e.mu.targets, t.address)
	}
}

func (t *target) run() {
	defer close(t.done)
	defer t.end()
	pause := minRetry
	for t.ctx.Err() == nil {
		opt := t.begin()
		lived, err := t.attempt(opt)
		if t.ctx.Err() != nil {
			return
		}
		if lived >= shortLived {
			pause = minRetry
		}
		if opt.Retry <= 0 {
			return
		}
		if lived >= shortLived && !isClass(err, peering.Overflow) {
			continue // a loss is followed by a dial at once
		}
		pause = min(pause, opt.Retry)
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-t.ctx.Done():
		}
		pause *= 2
	}
}

func (t *target) begin() PeerOptions {
	t.e.mu.Lock()
	if t.state != Connecting {
		t.state, t.since = Connecting, time.Now()
	}
	opt := t.opt
	t.e.mu.Unlock()
	t.e.news.tell()
	return opt
}

// attempt dials once and serves the connection to its end. lived is how long the peering stood. If an older connection to the same
// endpoint is in the way and has just ended, it dials again.
func (t *target) attempt(opt PeerOptions) (lived time.Duration, err error) {
	est, err := t.e.dialer.Dial(t.ctx, t.address, t.e.config(opt))
	for again := 0; err != nil; again++ {
		var pe *peering.Error
		redundant := errors.As(err, &pe) && pe.Class == peering.Redundant && !pe.Peer.IsZero()
		if redundant {
			if lived := t.adopt(pe); lived > 0 {
				return lived, nil
			}
		}
		if !redundant || again == redials || t.ctx.Err() != nil || t.e.registry.Known(pe.Peer) {
			t.failed(opt, err)
			return 0, err
		}
		est, err = t.e.dialer.Dial(t.ctx, t.address, t.e.config(opt))
	}
	p := t.e.newPeer(est, t.address, t)
	started := time.Now()
	cause, peered := p.run()
	if !peered {
		if cause != nil {
			t.failed(opt, cause)
		}
		return 0, cause
	}
	return time.Since(started), cause
}

// failed records a failed attempt and raises its event.
func (t *target) failed(opt PeerOptions, err error) {
	if t.ctx.Err() != nil {
		return
	}
	t.e.mu.Lock()
	news := t.lastErr == nil || t.lastErr.Error() != err.Error()
	t.settledLocked(Disconnected, err)
	if opt.Retry <= 0 {
		t.endLocked() // there is no further attempt: who waits and asks for the peers doesn't see the address any more
	}
	t.e.mu.Unlock()
	t.e.counters.dialsFailed.Add(1)
	level := slog.LevelDebug
	if news && (isClass(err, peering.TLSFailed) || isClass(err, peering.Incompatible)) {
		level = slog.LevelWarn // what retrying will hardly mend
	}
	t.e.log.Log(t.ctx, level, "dial failed", "address", t.address, "code", code.PeerUnavailable.String(), "class", classOf(err), "error", err)
	t.e.raiseError(code.PeerUnavailable, StatusEvent{Address: t.address, Retry: opt.Retry}, "unable to connect to remote peer")
	t.e.news.tell()
}

// settledLocked sets the state of an address without connection. The error of a wanted end is nil and changes nothing.
func (t *target) settledLocked(s PeerState, err error) {
	if t.state != s {
		t.state, t.since = s, time.Now()
	}
	if err != nil {
		t.lastErr = err
	}
}

// adopt lets the existing connection to an endpoint serve this address, and waits for its end. Zero: there is none after all.
func (t *target) adopt(redundant *peering.Error) time.Duration {
	if !t.awaitLink(redundant.Peer) {
		return 0
	}
	t.e.mu.Lock()
	p, wanted := t.e.mu.peers[redundant.Peer], t.opt.ServerURI
	if p != nil && wanted != "" && p.URI != wanted {
		t.e.mu.Unlock()
		t.e.log.Warn("another connection bears the ID of a peer, and not its name; it is closed", "address", p.address, "id", redundant.Peer, "uri", p.URI, "want", wanted)
		p.bid()
		return 0
	}
	if p != nil {
		t.peer, t.lastErr = p, redundant
		if p.target == nil {
			p.target, p.retry = t, t.opt.Retry
			p.Queue.SetLimit(t.e.peerLimit(t.opt.Queue))
		}
	}
	t.e.mu.Unlock()
	if p == nil {
		return 0
	}
	t.e.news.tell()
	started := time.Now()
	select {
	case <-p.gone:
	case <-t.ctx.Done():
	}
	t.e.mu.Lock()
	if t.peer == p {
		t.peer = nil
		t.settledLocked(Disconnected, nil)
		if p.lost {
			t.flaps++
		}
	}
	t.e.mu.Unlock()
	return max(time.Since(started), 1)
}

// awaitLink waits until the other connection to an endpoint is peered; false if it comes to nothing, or has ended.
func (t *target) awaitLink(id data.EndpointID) bool {
	late := time.After(peering.HandshakeTimeout)
	for t.ctx.Err() == nil {
		news := t.e.news.wait()
		if t.e.routes.Load().peers[id] != nil {
			return true
		}
		if !t.e.registry.Known(id) {
			return false
		}
		select {
		case <-news:
		case <-time.After(minRetry): // nobody tells of handshakes that fail
		case <-late:
			return false
		case <-t.ctx.Done():
		}
	}
	return false
}

func classOf(err error) PeerErrorClass {
	var pe *peering.Error
	if errors.As(err, &pe) {
		return pe.Class
	}
	return ""
}
