// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"cmp"
	"reflect"
	"slices"
)

// Values of WebSocket.Dialect.
const (
	DialectAuto   = "Auto"
	DialectBroker = "Broker"
	DialectZeek   = "Zeek"
)

// Values of WebSocket.ClientCertificates.
const (
	CertificatesRequired = "Required"
	CertificatesOptional = "Optional"
	CertificatesNone     = "None"
)

// Values of Limits.Overflow.
const (
	OverflowDisconnect = "Disconnect"
	OverflowDropOldest = "DropOldest"
	OverflowDropNewest = "DropNewest"
)

// WebSocket says how the clients of the WebSocket port are served. Without it everybody whom TLS lets in may do everything.
type WebSocket struct {
	// Dialect is "Auto" (default), "Broker" or "Zeek".
	Dialect string `json:"dialect,omitempty"`
	// AllowedOrigins are patterns for the web pages that may connect besides those of the port's own host.
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
	// ClientCertificates is "Required" (default), "Optional" or "None". It means nothing without TLS.
	ClientCertificates string `json:"clientCertificates,omitempty"`
	// Clients are those that are known. With any, who is not among them is refused, unless Others is set.
	Clients []Client `json:"clients,omitempty"`
	// Others are the rights of everybody else; nil: see Clients.
	Others *Rights `json:"others,omitempty"`
	// Limits of one client, and of all; nil means the gateway's own.
	Limits *Limits `json:"limits,omitempty"`
}

// Client is a client that is known by a token, by a certificate, or by either of the two.
type Client struct {
	Name string `json:"name"`
	// TokenSHA256 is the hash of the token, 64 hexadecimal digits.
	TokenSHA256 string `json:"tokenSHA256,omitempty"`
	// Certificate is the URI in the client's certificate.
	Certificate string `json:"certificate,omitempty"`
	Rights
}

// Rights are topic prefixes. None means nothing, the empty one everything.
type Rights struct {
	Publish   []string `json:"publish,omitempty"`
	Subscribe []string `json:"subscribe,omitempty"`
}

// Limits bound what clients can ask of the node; 0 means the gateway's own limit, for rates that there is none.
type Limits struct {
	MessageBytes  int64 `json:"messageBytes,omitempty"`
	Subscriptions int   `json:"subscriptions,omitempty"`
	Connections   int   `json:"connections,omitempty"`
	// ConnectionsPerAddress are those from one address, or from one IPv6 network of 64 bits; 0 means half of Connections.
	ConnectionsPerAddress int `json:"connectionsPerAddress,omitempty"`

	MessagesPerSecond int   `json:"messagesPerSecond,omitempty"`
	BytesPerSecond    int64 `json:"bytesPerSecond,omitempty"`
	QueueMessages     int   `json:"queueMessages,omitempty"`
	// Overflow is "Disconnect" (default), "DropOldest" or "DropNewest".
	Overflow string `json:"overflow,omitempty"`
}

// withDefaults is a copy with the defaults written out; nil stays nil.
func (w *WebSocket) withDefaults() *WebSocket {
	if w = w.canonical(); w == nil {
		return nil
	}
	setDefault(&w.Dialect, DialectAuto)
	setDefault(&w.ClientCertificates, CertificatesRequired)
	if w.Limits != nil {
		setDefault(&w.Limits.Overflow, OverflowDisconnect)
	}
	return w
}

// canonical is a copy with sorted lists and without what is at its default; nil if nothing is left.
func (w *WebSocket) canonical() *WebSocket {
	if w == nil {
		return nil
	}
	c := *w
	dropDefault(&c.Dialect, DialectAuto)
	dropDefault(&c.ClientCertificates, CertificatesRequired)
	c.AllowedOrigins = set(c.AllowedOrigins)
	c.Clients = slices.SortedStableFunc(slices.Values(c.Clients), func(a, b Client) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.Clients {
		c.Clients[i].Rights = c.Clients[i].canonical()
	}
	if c.Others != nil {
		others := c.Others.canonical()
		c.Others = &others
	}
	if c.Limits != nil {
		limits := *c.Limits
		dropDefault(&limits.Overflow, OverflowDisconnect)
		if c.Limits = &limits; limits == (Limits{}) {
			c.Limits = nil
		}
	}
	if reflect.ValueOf(c).IsZero() {
		return nil
	}
	return &c
}

func (r Rights) canonical() Rights {
	return Rights{Publish: set(r.Publish), Subscribe: set(r.Subscribe)}
}

// set is a sorted copy with each entry once; nil if there are none.
func set(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
