// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// front is the WebSocket port of an engine: a listener for as long as the
// engine lives, and behind it the gateway of the current config. Who holds the
// node's turn owns it.
type front struct {
	endpoint *broker.Endpoint
	listener *lasting
	gateway  *gateway.Gateway // nil before the first config
	options  gateway.Options  // of gateway
	serving  sync.WaitGroup
}

// openFront takes the port. Nobody is served before the first swap.
func openFront(e *broker.Endpoint, address string) (*front, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for WebSocket clients: %w", err)
	}
	return &front{endpoint: e, listener: &lasting{l.(*net.TCPListener)}}, nil
}

// prepare checks what can be wrong with options and answers how to change to
// them, which can't fail. If only the rights of clients differ, those whose
// rights stay the same notice nothing; any other difference takes a new
// gateway on the same port, and clients have to connect again.
func (f *front) prepare(o gateway.Options) (change func(), err error) {
	nothing := func() {}
	if f == nil {
		return nothing, nil
	}
	before, after := f.options, o
	same := f.gateway != nil && reflect.DeepEqual(before, after)
	before.Access, after.Access = gateway.Access{}, gateway.Access{}
	switch {
	case same:
		return nothing, nil
	case f.gateway != nil && reflect.DeepEqual(before, after):
		if err := o.Validate(); err != nil {
			return nil, fmt.Errorf("webSocket: %w", err)
		}
		return func() {
			f.options = o
			_ = f.gateway.SetAccess(o.Access) // valid, as was seen
		}, nil
	}
	g, err := gateway.New(f.endpoint, o)
	if err != nil {
		return nil, fmt.Errorf("webSocket: %w", err)
	}
	return func() {
		f.stop()
		f.gateway, f.options = g, o
		f.listener.reopen()
		f.serving.Go(func() {
			if err := g.Serve(f.listener); err != nil {
				o.Logger.Error("the WebSocket port ended", "error", err)
			}
		})
	}, nil
}

// stop lets all clients go.
func (f *front) stop() {
	if f.gateway != nil {
		_ = f.gateway.Close() // it closes what stays open: see lasting
	}
	f.serving.Wait()
}

// close gives the port free.
func (f *front) close() error {
	if f == nil {
		return nil
	}
	f.stop()
	return f.listener.TCPListener.Close()
}

// lasting is a listener that outlives those who accept from it: Close only
// ends their waiting. Meanwhile connections queue up in the system.
type lasting struct{ *net.TCPListener }

// Close ends a waiting Accept, and fails every later one.
func (l *lasting) Close() error { return l.SetDeadline(time.Unix(1, 0)) }

// reopen lets Accept wait again.
func (l *lasting) reopen() { _ = l.SetDeadline(time.Time{}) }

// gatewayOptions is what a config says of WebSocket clients.
func (e *engine) gatewayOptions(c nodeconfig.Config) gateway.Options {
	o := gateway.Options{Version: e.o.Version, Logger: e.log}
	if c.TLS != nodeconfig.TLSDisabled {
		o.TLS = e.mesh
	}
	w := c.WebSocket
	if w == nil {
		return o
	}
	o.Dialect, o.ClientCerts = gateway.Dialect(w.Dialect), gateway.ClientCerts(w.ClientCertificates)
	o.Access = accessOf(w)
	if l := w.Limits; l != nil {
		o.Limits = gateway.Limits{
			Clients: l.Connections, PerAddress: l.ConnectionsPerAddress, Message: int(l.MessageBytes), Subscriptions: l.Subscriptions,
			Queue: broker.QueueLimit{Messages: l.QueueMessages, Overflow: overflowOf(l.Overflow)},
			Rate:  gateway.Rate{Messages: float64(l.MessagesPerSecond), Bytes: float64(l.BytesPerSecond)},
		}
	}
	return o
}

// accessOf: a client that is known by a token and by a certificate has the
// same rights with either. Others come in without a token only if the config
// says what they may do.
func accessOf(w *nodeconfig.WebSocket) gateway.Access {
	a := gateway.Access{Origins: w.AllowedOrigins, Anonymous: w.Others != nil}
	for _, c := range w.Clients {
		rights := gateway.Rights{Publish: c.Publish, Subscribe: c.Subscribe}
		if c.TokenSHA256 != "" {
			a.Tokens = append(a.Tokens, gateway.Token{Name: c.Name, SHA256: c.TokenSHA256})
			a.Permissions = append(a.Permissions, gateway.Permission{Token: c.Name, Rights: rights})
		}
		if c.Certificate != "" {
			a.Permissions = append(a.Permissions, gateway.Permission{URI: c.Certificate, Rights: rights})
		}
	}
	if w.Others != nil {
		a.Default = &gateway.Rights{Publish: w.Others.Publish, Subscribe: w.Others.Subscribe}
	}
	return a
}

func overflowOf(name string) broker.Overflow {
	switch name {
	case nodeconfig.OverflowDropOldest:
		return broker.OverflowDropOldest
	case nodeconfig.OverflowDropNewest:
		return broker.OverflowDropNewest
	default:
		return broker.OverflowDisconnect
	}
}

// overflowName is the config's word for what a full queue does.
func overflowName(o broker.Overflow) string {
	switch o {
	case broker.OverflowDropOldest:
		return nodeconfig.OverflowDropOldest
	case broker.OverflowDropNewest:
		return nodeconfig.OverflowDropNewest
	default:
		return nodeconfig.OverflowDisconnect
	}
}

// errNoCertificates: the config needs those of the mesh.
var errNoCertificates = errors.New(`a connection with tls "Mesh" needs certificates, but this node was given none`)
