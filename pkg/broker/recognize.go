// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Arrival is a peer that has connected to this endpoint.
type Arrival struct {
	ID data.EndpointID
	// Address is the remote address, HOST:PORT.
	Address string
	// URI is the name in the peer's verified certificate, Subject that certificate's subject; empty if there is none.
	URI, Subject string
}

// Recognized is what is known of an accepted peer. The zero value says that nothing is.
type Recognized struct {
	// Name shows up in PeerInfo.
	Name string
	// Queue bounds what waits for the peer; nil means Options.PeerQueue, as do its zero Messages and Bytes.
	Queue *QueueLimit
}

// Recognizer says what is known of an accepted peer. It is called from many goroutines, and should not take long: until it has answered,
// the peer isn't peered. The context ends with the endpoint.
type Recognizer func(ctx context.Context, who Arrival) Recognized

// recognizer is the Recognizer of the moment. It is guarded by the endpoint's mutex.
type recognizer struct {
	ask Recognizer
	// turn rises with each SetRecognizer: an answer of an earlier one doesn't count.
	turn uint64
}

// SetRecognizer has accepted peers recognized, those that are connected now before it returns and later ones before they are peered.
// Accepted peers that also serve a dialed address have the name and the limit of that address. A limit that a peer's queue can't have is
// logged, and not used. Nil forgets what was known.
func (e *Endpoint) SetRecognizer(ask Recognizer) {
	e.mu.Lock()
	e.mu.recognize = recognizer{ask: ask, turn: e.mu.recognize.turn + 1}
	var accepted []*peer
	for p := range e.mu.conns {
		if !p.dialed && !p.Local() {
			accepted = append(accepted, p)
		}
	}
	e.mu.Unlock()
	for _, p := range accepted {
		p.recognize()
	}
	e.news.tell()
}

// recognize asks who an accepted peer is, and keeps the answer.
func (p *peer) recognize() {
	if p.Local() {
		return
	}
	who := Arrival{ID: p.Peer, Address: p.address, URI: p.URI, Subject: p.Subject}
	for {
		p.e.mu.Lock()
		now := p.e.mu.recognize
		p.e.mu.Unlock()
		if now.turn == 0 {
			return
		}
		var known Recognized
		if now.ask != nil {
			known = now.ask(p.e.stop, who)
		}
		if p.keep(known, now.turn) {
			return
		}
	}
}

// keep puts an answer into force; false if it was asked of a Recognizer that isn't in use any more.
func (p *peer) keep(known Recognized, turn uint64) bool {
	if err := known.Queue.validPeerQueue(); err != nil {
		p.log.Error("an accepted peer can't have its queue", "error", fmt.Errorf("peering %s: %w", known.Name, err))
		known.Queue = nil
	}
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	if turn != p.e.mu.recognize.turn {
		return false
	}
	p.known = known
	if p.target == nil {
		p.Queue.SetLimit(p.e.peerLimit(known.Queue))
	}
	return true
}
