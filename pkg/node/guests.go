// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

const (
	// resolveWithin is how long a peer that may come from a named host is kept
	// waiting for the name's addresses.
	resolveWithin = 2 * time.Second
	// resolvedFor is how long they are remembered, also that there are none.
	resolvedFor = time.Minute
)

// guestbook knows those who connect to a node for a peering of its config. It
// is made for one config.
type guestbook struct {
	namespace string
	list      []nodeconfig.Accept // in canonical order
	queues    nodeconfig.Queues   // of the node
	resolve   func(ctx context.Context, host string) ([]netip.Addr, error)
	// missed tells that somebody was not recognized, and perhaps only because
	// a name could not be resolved.
	missed atomic.Bool

	mu struct {
		sync.Mutex
		hosts map[string]resolved
	}
}

// resolved are the addresses of a host, for a while.
type resolved struct {
	addresses []netip.Addr
	failed    bool
	until     time.Time
}

func newGuestbook(c nodeconfig.Config) *guestbook {
	g := &guestbook{
		namespace: c.Namespace, list: c.WithDefaults().Accept, queues: c.Queues.WithDefaults(),
		resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
	}
	g.mu.hosts = make(map[string]resolved)
	return g
}

// turnGuests has the peers of the config recognized that come by themselves.
func (e *engine) turnGuests(c nodeconfig.Config) {
	if reflect.DeepEqual(e.config.Accept, c.Accept) {
		return
	}
	g := newGuestbook(c)
	e.guests.Store(g)
	e.endpoint.SetRecognizer(g.recognize)
}

// lookAgain recognizes everybody anew if a name was missing.
func (e *engine) lookAgain() {
	if g := e.guests.Load(); g != nil && g.missed.Swap(false) {
		e.endpoint.SetRecognizer(g.recognize)
	}
}

// recognize says for which peering a peer has come.
func (g *guestbook) recognize(ctx context.Context, who broker.Arrival) broker.Recognized {
	a, ok := g.find(ctx, who)
	if !ok {
		return broker.Recognized{}
	}
	known := broker.Recognized{Name: a.Name}
	if (a.Queues != nodeconfig.PeerQueues{}) {
		known.Queue = queueLimit(a.Queues.For(g.queues))
	}
	return known
}

// find takes who the certificate names before what it says otherwise, and
// that before where the peer comes from. Who is another node of the mesh
// comes from nowhere else.
func (g *guestbook) find(ctx context.Context, who broker.Arrival) (nodeconfig.Accept, bool) {
	first := func(fits func(nodeconfig.Accept) bool) (nodeconfig.Accept, bool) {
		i := slices.IndexFunc(g.list, fits)
		if i < 0 {
			return nodeconfig.Accept{}, false
		}
		return g.list[i], true
	}
	named := func(a nodeconfig.Accept) bool { return a.Node != "" && who.URI == meshtls.NodeURI(g.namespace, a.Node) }
	if a, ok := first(named); ok || meshtls.IsMeshURI(who.URI) {
		return a, ok
	}
	if who.Subject != "" {
		if a, ok := first(func(a nodeconfig.Accept) bool { return a.Subject != "" && sameSubject(a.Subject, who.Subject) }); ok {
			return a, true
		}
	}
	source := sourceOf(who.Address)
	return first(func(a nodeconfig.Accept) bool {
		return a.Source != "" && (a.Subject == "" || who.Subject == "") && g.comesFrom(ctx, source, a.Source)
	})
}

// sourceOf is the host of a remote address.
func sourceOf(address string) netip.Addr {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

func (g *guestbook) comesFrom(ctx context.Context, source netip.Addr, host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("") == source
	}
	r := g.lookup(ctx, host)
	if r.failed {
		g.missed.Store(true)
	}
	return slices.Contains(r.addresses, source)
}

func (g *guestbook) lookup(ctx context.Context, host string) resolved {
	g.mu.Lock()
	r, known := g.mu.hosts[host]
	g.mu.Unlock()
	if known && time.Now().Before(r.until) {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, resolveWithin)
	defer cancel()
	addresses, err := g.resolve(ctx, host)
	r = resolved{failed: err != nil, until: time.Now().Add(resolvedFor)}
	if r.failed {
		r.until = time.Now().Add(watchEvery / 2) // the watcher comes back for who was missed
	}
	for _, a := range addresses {
		r.addresses = append(r.addresses, a.Unmap().WithZone(""))
	}
	g.mu.Lock()
	g.mu.hosts[host] = r
	g.mu.Unlock()
	return r
}

// sameSubject compares the subjects of two certificates as people and programs
// write them: with or without spaces, types in any case, the most specific
// part first or last.
func sameSubject(a, b string) bool {
	x, y := subjectParts(a), subjectParts(b)
	if slices.Equal(x, y) {
		return true
	}
	slices.Reverse(x)
	return slices.Equal(x, y)
}

// subjectParts splits at commas that no backslash precedes.
func subjectParts(s string) []string {
	var parts []string
	begin, escaped := 0, false
	add := func(end int) {
		kind, value, _ := strings.Cut(s[begin:end], "=")
		parts = append(parts, strings.ToUpper(strings.TrimSpace(kind))+"="+strings.TrimSpace(value))
	}
	for i := range len(s) {
		switch {
		case escaped:
			escaped = false
		case s[i] == '\\':
			escaped = true
		case s[i] == ',':
			add(i)
			begin = i + 1
		}
	}
	add(len(s))
	return parts
}

// queueLimit is the limit of a queue towards a peer, as the engine knows it.
func queueLimit(q nodeconfig.PeerQueues) *broker.QueueLimit {
	return &broker.QueueLimit{Messages: q.PeerMessages, Bytes: int(q.PeerBytes), Overflow: overflowOf(q.PeerOverflow)}
}
