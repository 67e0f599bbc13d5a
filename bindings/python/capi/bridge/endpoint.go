// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// endpoint is an endpoint with what belongs to it.
type endpoint struct {
	*broker.Endpoint
	flowControl bool
	log         io.Closer
	// ctx ends with the shutdown, and with it what goes on in the background.
	ctx     context.Context
	cancel  context.CancelFunc
	senders senders

	attaching sync.Mutex // held while a store is attached or detached, before mu

	down    chan struct{} // closed when the shutdown is over
	downErr error         // why something was lost, once down is closed

	mu struct {
		sync.Mutex
		ending  bool
		running sync.WaitGroup // of what has been started before the end
		stores  map[storeKey]*frontend
		forward map[string]bool // topics that are asked for in vain
	}
}

// NewEndpoint makes an endpoint by a table of options.
func NewEndpoint(options []byte) (Handle, error) {
	s, err := parseSettings(options)
	if err != nil {
		return 0, err
	}
	log, err := s.openLog()
	if err != nil {
		return 0, err
	}
	core, err := broker.New(s.Options)
	if err != nil {
		if log != nil {
			err = errors.Join(err, log.Close())
		}
		return 0, err
	}
	e := &endpoint{Endpoint: core, flowControl: s.flowControl, log: log, down: make(chan struct{})}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.mu.stores = make(map[storeKey]*frontend)
	e.mu.forward = make(map[string]bool)
	return objects.add(e), nil
}

// EndpointID is the ID as 36 characters.
func EndpointID(h Handle) (string, error) {
	e, err := find[*endpoint](h)
	if err != nil {
		return "", err
	}
	return e.ID().String(), nil
}

// Listen accepts peers at an address and answers the port.
func Listen(h Handle, address string, port int) (int, error) {
	e, err := find[*endpoint](h)
	if err != nil {
		return 0, err
	}
	if port < 0 || port > 65535 {
		return 0, wrong("port %d: allowed are 0 to 65535", port)
	}
	at, err := e.Listen(net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	return at.(*net.TCPAddr).Port, nil
}

// background runs f until it is over; the endpoint's shutdown waits for it. False: the endpoint has ended.
func (e *endpoint) background(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.ending {
		return false
	}
	e.mu.running.Go(f)
	return true
}

// close begins the shutdown.
func (e *endpoint) close() { e.beginShutdown() }

// beginShutdown ends the endpoint in the background. It may be called again.
func (e *endpoint) beginShutdown() {
	e.mu.Lock()
	first := !e.mu.ending
	e.mu.ending = true
	e.mu.Unlock()
	if first {
		go e.shutdown()
	}
}

// shutdown ends everything: first what is under way, then stores, which may have something to send, then the peerings.
func (e *endpoint) shutdown() {
	defer close(e.down)
	e.cancel()
	e.mu.running.Wait()
	e.mu.Lock()
	stores := e.mu.stores
	e.mu.stores = nil
	e.mu.Unlock()
	var errs []error
	for _, f := range stores {
		errs = append(errs, f.end())
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	errs = append(errs, e.Close(ctx))
	if e.log != nil {
		errs = append(errs, e.log.Close())
	}
	e.downErr = errors.Join(errs...)
}

// askFor adds to the topics that peers are asked for although nobody here receives them.
func (e *endpoint) askFor(topics []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]string, 0, len(e.mu.forward)+len(topics))
	for _, t := range topics {
		e.mu.forward[t] = true
	}
	for t := range e.mu.forward {
		all = append(all, t)
	}
	e.SetWants(all)
}

// senders are the publishers of the topics that were published to last: finding one costs less than making it.
type senders [16]atomic.Pointer[sender]

type sender struct {
	topic string
	*broker.Publisher
}

// sender is a publisher for a topic, of which nothing is kept.
func (e *endpoint) sender(topic []byte) *sender {
	at := uint32(len(topic))
	for _, b := range topic[max(0, len(topic)-8):] {
		at = at*31 + uint32(b)
	}
	place := &e.senders[at%uint32(len(e.senders))]
	if s := place.Load(); s != nil && s.topic == string(topic) {
		return s
	}
	s := &sender{topic: string(topic)}
	s.Publisher = e.NewPublisher(s.topic, broker.PublisherOptions{Full: broker.FullFail})
	place.Store(s)
	return s
}

// formatID is an ID as values hold it; all zeros if there is none.
func formatID(id data.EndpointID) data.Value { return data.String(id.String()) }
