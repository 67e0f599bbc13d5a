// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// Path is where clients connect.
const Path = "/v1/messages/json"

// Defaults of Options.
const (
	DefaultClients       = 100
	DefaultMessage       = 16 << 20
	DefaultSubscriptions = 1000
	DefaultPrefix        = 65535
	DefaultQueue         = 512
	DefaultInterval      = 5 * time.Second
)

// ClientCerts says what is asked of clients in the TLS handshake.
type ClientCerts string

// The values; the empty one is CertsRequired. A certificate that is given must be of the CA, whatever the value.
const (
	CertsRequired ClientCerts = "Required"
	CertsOptional ClientCerts = "Optional"
	CertsNone     ClientCerts = "None"
)

// Options of a Gateway. The zero Options are good for a trusted network. All but TLS and Logger are plain data, so that a document can
// hold them.
type Options struct {
	// TLS protects what Serve listens on; nil means plain TCP. Anonymous TLS is not for WebSocket clients: none speaks it.
	TLS *peering.TLS
	// ClientCerts says whether clients need a certificate of TLS's CA.
	ClientCerts ClientCerts
	// Version is what clients are told.
	Version string
	Dialect Dialect
	Access  Access
	Limits  Limits
	// PingInterval is the time between two pings, and that within which a client has to answer one.
	PingInterval time.Duration
	// Logger gets who comes and goes, and never a token; nil discards it.
	Logger *slog.Logger
}

// Limits of a Gateway. Zero fields mean the defaults.
type Limits struct {
	// Clients is how many there may be at a time, by default 100. As many connections again may be on their way to be one.
	Clients int
	// PerAddress is how many of them may come from one address, or with IPv6 from one network of 64 bits; by default half of Clients. An
	// address of the own machine may have all.
	PerAddress int
	// Message is how many bytes a message of a client may have, by default 16 MiB, and Depth how deep containers may be nested in
	// it, by default as deep as values can be, which is 128.
	Message, Depth int
	// Subscriptions is how many prefixes a client may ask for, by default 1000, and Prefix how many bytes one may have, by default
	// 65535.
	Subscriptions, Prefix int
	// Queue bounds what waits for each client, by default 512 messages and 32 MiB, and says what happens when more would. Dropping
	// is at once. OverflowDisconnect bears with a burst: it lets a client go when more than that many messages have been waiting
	// for a second, and at once for the bytes.
	Queue broker.QueueLimit
	// Rate is how much a client may send.
	Rate Rate
}

// Excess says what happens to a client that sends more than it may.
type Excess string

// The values; the empty one is ExcessThrottle.
const (
	// ExcessThrottle reads no further until the rate allows it, so that the client has to wait.
	ExcessThrottle Excess = "Throttle"
	// ExcessDisconnect ends the session with code 1008.
	ExcessDisconnect Excess = "Disconnect"
)

// Rate bounds what a client sends. Zero means no limit. What a client could have sent in a second may come at once, and so may one
// message of any allowed size.
type Rate struct {
	Messages float64 // a second
	Bytes    float64 // a second
	Excess   Excess
}

func (o Options) withDefaults() Options {
	o.ClientCerts = cmp.Or(o.ClientCerts, CertsRequired)
	o.Version = cmp.Or(o.Version, "brokermesh")
	o.Dialect = cmp.Or(o.Dialect, DialectAuto)
	o.PingInterval = cmp.Or(o.PingInterval, DefaultInterval)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &o.Limits
	l.Clients = cmp.Or(l.Clients, DefaultClients)
	l.PerAddress = cmp.Or(l.PerAddress, (l.Clients+1)/2)
	l.Message = cmp.Or(l.Message, DefaultMessage)
	l.Depth = cmp.Or(l.Depth, data.MaxDepth)
	l.Subscriptions = cmp.Or(l.Subscriptions, DefaultSubscriptions)
	l.Prefix = cmp.Or(l.Prefix, DefaultPrefix)
	l.Queue.Messages = cmp.Or(l.Queue.Messages, DefaultQueue)
	l.Queue.Bytes = cmp.Or(l.Queue.Bytes, broker.DefaultQueueBytes)
	l.Rate.Excess = cmp.Or(l.Rate.Excess, ExcessThrottle)
	return o
}

// Validate tells all that is wrong with the options; zero fields never are.
func (o Options) Validate() error {
	o = o.withDefaults()
	var all []error
	oneOf := func(name, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			all = append(all, fmt.Errorf("%s %q: allowed are %q", name, value, allowed))
		}
	}
	oneOf("client certificates", string(o.ClientCerts), string(CertsRequired), string(CertsOptional), string(CertsNone))
	oneOf("dialect", string(o.Dialect), string(DialectAuto), string(DialectBroker), string(DialectZeek))
	oneOf("excess", string(o.Limits.Rate.Excess), string(ExcessThrottle), string(ExcessDisconnect))
	l := o.Limits
	for name, n := range map[string]int{
		"clients": l.Clients, "clients of an address": l.PerAddress, "bytes of a message": l.Message, "nesting": l.Depth, "subscriptions": l.Subscriptions,
		"bytes of a prefix": l.Prefix, "queued messages": l.Queue.Messages, "queued bytes": l.Queue.Bytes,
	} {
		if n < 0 {
			all = append(all, fmt.Errorf("limit of %s: %d is negative", name, n))
		}
	}
	if l.Queue.Overflow > broker.OverflowDropOldest {
		all = append(all, errors.New("nobody waits for a client: its queue's policy is to disconnect or to drop"))
	}
	if l.Rate.Messages < 0 || l.Rate.Bytes < 0 || o.PingInterval < 0 {
		all = append(all, errors.New("rates and the ping interval can't be negative"))
	}
	all = append(all, o.Access.validate())
	return errors.Join(all...)
}
