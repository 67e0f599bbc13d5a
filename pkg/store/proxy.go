// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// maxProxyRequests bounds the requests of a Proxy that wait for an answer, or whose answer waits to be received.
const maxProxyRequests = 1 << 16

// ProxyFrontend is what a Proxy needs: a *Master, a *Clone or a *Remote.
type ProxyFrontend interface {
	Exists(ctx context.Context, key data.Value) (bool, error)
	Get(ctx context.Context, key data.Value) (data.Value, error)
	GetIndex(ctx context.Context, key, index data.Value) (data.Value, error)
	Keys(ctx context.Context) (data.Value, error)
	PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error)
}

// Response is the answer to a request of a Proxy.
type Response struct {
	// ID is the number of the request.
	ID uint64
	// Value is what was asked for: a boolean for Exists and PutUnique, the set of keys for Keys.
	Value data.Value
	// Err is why there is none: code.NoSuchKey and so on.
	Err error
}

// Proxy asks a store without waiting: requests answer a number at once, and the responses are received later, in the order of the
// requests (spec/stores.md 6.2). All methods may be called from any goroutine. It does not time out.
type Proxy struct {
	frontend ProxyFrontend
	stop     context.CancelFunc
	ctx      context.Context
	running  sync.WaitGroup
	wake     chan struct{}

	mu struct {
		sync.Mutex
		closed    bool
		number    uint64
		requests  []proxyRequest
		responses []Response
		// ready is closed while there are responses, or after Close.
		ready chan struct{}
		shut  bool // ready is closed
	}
}

type proxyRequest struct {
	id  uint64
	ask func(context.Context) (data.Value, error)
}

// NewProxy makes a proxy of a frontend. Close ends it; the frontend stays as it is.
func NewProxy(f ProxyFrontend) *Proxy {
	p := &Proxy{frontend: f, wake: make(chan struct{}, 1)}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.mu.ready = make(chan struct{})
	p.running.Go(p.run)
	return p
}

// Close ends the proxy. What was not received is lost. Closing twice is fine.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.mu.closed, p.mu.requests, p.mu.responses = true, nil, nil
	p.readyLocked()
	p.mu.Unlock()
	p.stop()
	p.running.Wait()
}

// Exists asks whether there is a value under a key. It answers the number of the request, as all requests do; 0 means that it was not
// taken: the proxy is closed, or 65,536 requests wait already.
func (p *Proxy) Exists(key data.Value) uint64 {
	return p.request(func(ctx context.Context) (data.Value, error) {
		ok, err := p.frontend.Exists(ctx, key)
		return data.Boolean(ok), err
	})
}

// Get asks for the value of a key.
func (p *Proxy) Get(key data.Value) uint64 {
	return p.request(func(ctx context.Context) (data.Value, error) { return p.frontend.Get(ctx, key) })
}

// GetIndex asks for a part of the value of a key.
func (p *Proxy) GetIndex(key, index data.Value) uint64 {
	return p.request(func(ctx context.Context) (data.Value, error) { return p.frontend.GetIndex(ctx, key, index) })
}

// PutUnique stores a value under a key that holds none; the response tells whether it did. An expiry of 0 means that the entry stays.
func (p *Proxy) PutUnique(key, value data.Value, expiry time.Duration) uint64 {
	return p.request(func(ctx context.Context) (data.Value, error) {
		ok, err := p.frontend.PutUnique(ctx, key, value, expiry)
		return data.Boolean(ok), err
	})
}

// Keys asks for the set of all keys.
func (p *Proxy) Keys() uint64 {
	return p.request(func(ctx context.Context) (data.Value, error) { return p.frontend.Keys(ctx) })
}

// request takes a number for a request.
func (p *Proxy) request(ask func(context.Context) (data.Value, error)) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed || len(p.mu.requests)+len(p.mu.responses) >= maxProxyRequests {
		return 0
	}
	p.mu.number++
	p.mu.requests = append(p.mu.requests, proxyRequest{p.mu.number, ask})
	signal(p.wake)
	return p.mu.number
}

// run asks the frontend, one request after the other.
func (p *Proxy) run() {
	for {
		p.mu.Lock()
		var req *proxyRequest
		if len(p.mu.requests) > 0 {
			req = &p.mu.requests[0]
		}
		p.mu.Unlock()
		if req == nil {
			select {
			case <-p.wake:
				continue
			case <-p.ctx.Done():
				return
			}
		}
		v, err := req.ask(p.ctx)
		if err != nil {
			v = data.Value{}
		}
		p.respond(Response{req.id, v, err})
	}
}

// respond puts the answer to the first request where it can be received.
func (p *Proxy) respond(r Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		return
	}
	p.mu.requests = p.mu.requests[1:]
	p.mu.responses = append(p.mu.responses, r)
	p.readyLocked()
}

func (p *Proxy) readyLocked() {
	if !p.mu.shut {
		p.mu.shut = true
		close(p.mu.ready)
	}
}

// Ready is a channel that can be received from while a response waits, and after Close. Get it anew before each wait.
func (p *Proxy) Ready() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.ready
}

// Len is the number of responses that wait.
func (p *Proxy) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.responses)
}

// Receive waits for a response. It ends with the context's error, or with code.ShuttingDown after Close.
func (p *Proxy) Receive(ctx context.Context) (Response, error) {
	for {
		r, ready, err := p.next()
		if err != nil || ready == nil {
			return r, err
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return Response{}, ctx.Err()
		}
	}
}

// next is the first response, or what to wait for.
func (p *Proxy) next() (Response, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.mu.closed:
		return Response{}, nil, code.ShuttingDown
	case len(p.mu.responses) == 0:
		return Response{}, p.mu.ready, nil
	}
	r := p.mu.responses[0]
	if p.mu.responses = p.mu.responses[1:]; len(p.mu.responses) == 0 {
		p.mu.responses, p.mu.ready, p.mu.shut = nil, make(chan struct{}), false
	}
	return r, nil, nil
}

// ReceiveN waits for n responses. On an error it answers those that came before it.
func (p *Proxy) ReceiveN(ctx context.Context, n int) ([]Response, error) {
	var list []Response
	for len(list) < n {
		r, err := p.Receive(ctx)
		if err != nil {
			return list, err
		}
		list = append(list, r)
	}
	return list, nil
}
