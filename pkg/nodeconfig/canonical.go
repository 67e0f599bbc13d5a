// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// What a field means when it is not set.
const (
	DefaultListenPort   = 9999
	DefaultTLS          = TLSMesh
	DefaultForward      = ForwardMesh
	DefaultLogLevel     = LogInfo
	DefaultRetrySeconds = 10
)

// WithDefaults is a copy of the document in which defaults are written out and every list is sorted.
func (c Config) WithDefaults() Config {
	c = c.sorted()
	setDefault(&c.ListenPort, DefaultListenPort)
	setDefault(&c.TLS, DefaultTLS)
	setDefault(&c.Forward, DefaultForward)
	setDefault(&c.LogLevel, DefaultLogLevel)
	c.WebSocket = c.WebSocket.withDefaults()
	queues := c.Queues.WithDefaults()
	c.Queues = &queues
	for i := range c.Peers {
		setDefault(&c.Peers[i].RetrySeconds, DefaultRetrySeconds)
	}
	for i := range c.Stores {
		c.Stores[i].setDefaults()
	}
	return c
}

// Canonical is the one form in which a document is written: JSON without spaces, lists sorted, fields at their default left
// out. It includes the revision, if there is one; the hash doesn't.
func (c Config) Canonical() []byte {
	c = c.sorted()
	c.WebSocket = c.WebSocket.canonical()
	c.Queues = c.Queues.Canonical()
	dropDefault(&c.ListenPort, DefaultListenPort)
	dropDefault(&c.TLS, DefaultTLS)
	dropDefault(&c.Forward, DefaultForward)
	dropDefault(&c.LogLevel, DefaultLogLevel)
	for i := range c.Peers {
		dropDefault(&c.Peers[i].RetrySeconds, DefaultRetrySeconds)
	}
	for i := range c.Stores {
		c.Stores[i].dropDefaults()
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return nil // only NaN and infinities can't be encoded, and Validate refuses them
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Hash tells documents with different meanings apart. The revision is not part of it.
func (c Config) Hash() string {
	c.Revision = 0
	sum := sha256.Sum256(c.Canonical())
	return hex.EncodeToString(sum[:16])
}

// sorted copies the document with its lists in their canonical order. The subscriptions are a set. A peer that is dialed as the
// config's own TLS says has none of its own.
func (c Config) sorted() Config {
	c.Subscriptions = set(c.Subscriptions)
	c.Peers = slices.SortedStableFunc(slices.Values(c.Peers), func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Address, b.Address))
	})
	for i := range c.Peers {
		dropDefault(&c.Peers[i].TLS, cmp.Or(c.TLS, DefaultTLS))
	}
	c.Accept = sortedAccepts(c.Accept)
	c.Stores = slices.SortedStableFunc(slices.Values(c.Stores), func(a, b Store) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.StoreName, b.StoreName))
	})
	return c
}

func setDefault[T comparable](field *T, value T) {
	*field = cmp.Or(*field, value)
}

func dropDefault[T comparable](field *T, value T) {
	if *field == value {
		var zero T
		*field = zero
	}
}
