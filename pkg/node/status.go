// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// Status is how the node is now.
func (n *Node) Status() statusapi.Status {
	n.observe()
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.published
}

// Wait is the long poll: it answers at once if the instance or the generation
// is not the newest, else when the generation advances or the context ends.
func (n *Node) Wait(ctx context.Context, instance string, generation uint64) statusapi.Status {
	for {
		n.mu.Lock()
		news := instance != n.instance || generation != n.mu.published.Generation
		changed := n.mu.changed
		n.mu.Unlock()
		if news {
			return n.Status()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return n.Status()
		}
	}
}

// observe looks at everything and publishes what it sees. The generation
// advances if something else than traffic differs from the last time.
func (n *Node) observe() {
	n.observing.Lock()
	defer n.observing.Unlock()
	s := n.collect(time.Now())
	print := fingerprint(s)
	n.mu.Lock()
	defer n.mu.Unlock()
	s.Generation = n.mu.published.Generation
	if print != n.mu.print {
		s.Generation++
		n.mu.print = print
		close(n.mu.changed)
		n.mu.changed = make(chan struct{})
	}
	n.mu.published = s
}

// fingerprint is the status without what moves with traffic.
func fingerprint(s statusapi.Status) string {
	s.Peers = slices.Clone(s.Peers)
	for i := range s.Peers {
		p := &s.Peers[i]
		p.QueueMessages, p.QueueBytes, p.Dropped, p.Sent, p.Received, p.InDoubt = 0, 0, 0, 0, 0, 0
	}
	s.Stores = slices.Clone(s.Stores)
	for i := range s.Stores {
		t := &s.Stores[i]
		t.Sequence, t.Lag, t.SyncedAt, t.Entries, t.Bytes, t.Clones = 0, 0, nil, 0, 0, 0
		t.AgeSeconds, t.WritesWaiting, t.WritesUnknown = 0, 0, 0
	}
	s.Flows = nil
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error() // no field can fail
	}
	return string(b)
}

// collect puts the document together.
func (n *Node) collect(now time.Time) statusapi.Status {
	n.mu.Lock()
	e, c := n.mu.engine, n.mu.config
	s := statusapi.Status{
		Instance:       n.instance,
		Namespace:      c.Namespace,
		Node:           c.Node,
		Pod:            c.Pod,
		Version:        n.o.Version,
		ConfigVersions: []int{nodeconfig.Version},
		Features:       nodeconfig.KnownFeatures(),
		ConfigRevision: c.Revision,
		ConfigError:    n.mu.problem,
		RestartNeeded:  n.mu.restart,
		Draining:       n.mu.draining,
		Listeners:      slices.Clone(n.mu.listeners),
	}
	n.mu.Unlock()
	if c.Version != 0 {
		s.ConfigHash = c.Hash()
	}
	if err := n.certs.refresh(); err != nil {
		s.Findings = append(s.Findings, err.Error())
	}
	s.LeafSerial, s.TrustHash = n.certs.serial, n.certs.trust
	if e == nil {
		return s
	}
	s.EndpointID = e.endpoint.ID().String()
	s.Listeners = append(slices.Clone(e.listeners), s.Listeners...)
	s.Peers = n.seen.peers(e.endpoint.Peers(), now, policies(c))
	s.Stores = storesStatus(e.runningStores())
	s.Flows = flowsStatus(e.endpoint.Flows())
	return s
}

// policies tells what the queue towards a peer does when it is full: as the
// connection has it, or as the config says while there is none.
func policies(c nodeconfig.Config) func(broker.PeerInfo) string {
	node := c.Queues.WithDefaults()
	dialed := make(map[string]string)
	for _, p := range c.Peers {
		address, err := peering.Normalize(p.Address)
		if err != nil {
			continue // it isn't dialed
		}
		dialed[address] = p.Queues.For(node).PeerOverflow
	}
	return func(i broker.PeerInfo) string {
		if (i.Queue == broker.QueueLimit{}) {
			return cmp.Or(dialed[i.Address], node.PeerOverflow)
		}
		return overflowName(i.Queue.Overflow)
	}
}

// seen is what the observer remembers from one observation to the next: of
// each peer what it has lost.
type seen map[string]dropped

// dropped is how many messages for a peer had been dropped when that number
// last grew.
type dropped struct {
	count uint64
	at    time.Time // zero if none ever was
	// overflow tells that the peer's last error was a full queue, which has
	// been counted; peered that it was connected when it was last seen.
	overflow, peered bool
}

// droppingFor is how long a peer counts as dropping after its last dropped
// message.
const droppingFor = 5 * time.Minute

// peers is the status of all connections and of all addresses that are dialed.
func (s seen) peers(infos []broker.PeerInfo, now time.Time, policy func(broker.PeerInfo) string) []statusapi.Peer {
	out := make([]statusapi.Peer, 0, len(infos))
	for _, i := range infos {
		p := statusapi.Peer{
			Peering:       i.Name,
			Address:       i.Address,
			URI:           i.URI,
			Subject:       i.Subject,
			Dialed:        i.Dialed,
			State:         i.State.String(),
			Since:         i.Since,
			Error:         string(i.LastError),
			QueueMessages: i.QueuedMessages,
			QueueBytes:    i.QueuedBytes,
			Dropped:       i.Dropped,
			Sent:          i.Sent,
			Received:      i.Received,
			InDoubt:       i.InDoubt,
			DropPolicy:    policy(i),
		}
		if !i.ID.IsZero() {
			p.EndpointID = i.ID.String()
		}
		p.Dropping = s.dropping(p, now)
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b statusapi.Peer) int {
		return strings.Compare(a.Peering+"\x00"+a.Address+"\x00"+a.EndpointID, b.Peering+"\x00"+b.Address+"\x00"+b.EndpointID)
	})
	s.forget(now)
	return out
}

// dropping notes the peer's count of dropped messages. A peer that was let go
// because its queue was full counts as well: what was queued is lost.
func (s seen) dropping(p statusapi.Peer, now time.Time) bool {
	key := p.Address
	if p.URI != "" {
		key = p.URI
	}
	d, known := s[key]
	if p.Dropped > d.count {
		d.at = now
	}
	d.count = p.Dropped
	overflow := p.Error == string(broker.PeerOverflow)
	peered := p.State == statusapi.PeerPeered
	if overflow && (!d.overflow || d.peered && !peered) {
		d.at = now
	}
	d.overflow, d.peered = overflow, peered
	if known || !d.at.IsZero() {
		s[key] = d
	}
	return !d.at.IsZero() && now.Sub(d.at) < droppingFor
}

// forget removes what no longer matters, so that peers that come and go leave
// nothing behind.
func (s seen) forget(now time.Time) {
	maps.DeleteFunc(s, func(_ string, d dropped) bool {
		return now.Sub(d.at) >= 2*droppingFor && d.count == 0 && !d.overflow
	})
}

// storesStatus is the status of all stores of the config.
func storesStatus(running []*runningStore) []statusapi.Store {
	out := make([]statusapi.Store, 0, len(running))
	for _, r := range running {
		out = append(out, r.status())
	}
	slices.SortFunc(out, func(a, b statusapi.Store) int { return strings.Compare(a.Object, b.Object) })
	return out
}

// status is how the store is.
func (r *runningStore) status() statusapi.Store {
	r.mu.Lock()
	h, err, since, c, takingOver, restore := r.mu.handle, r.mu.err, r.mu.since, r.mu.config, r.mu.takingOver, r.mu.restore
	r.mu.Unlock()
	t := statusapi.Store{
		Backup:  r.backups.status(),
		Restore: restore,
		Object:  c.Object,
		Name:    c.StoreName,
		Role:    c.Role,
		Backend: c.Backend,
		Since:   since,
	}
	switch {
	case takingOver:
		fillStore(&t, h.Status())
		t.State = statusapi.StoreTakingOver
		if t.Refused = refusal(err); t.Refused == "" && err != nil {
			t.Error = err.Error()
		}
	case err != nil:
		t.State, t.Error = statusapi.StoreFailed, err.Error()
	case h != nil && c.Remove:
		t.State = statusapi.StoreRemoved
	case h != nil:
		s := h.Status()
		fillStore(&t, s)
		t.Leased = c.LeaseSeconds != 0 && s.Leased
		t.LeaseMissing = t.Leased && s.LeaseLeft == 0
	case t.Role == statusapi.RoleMaster:
		t.State = statusapi.StoreLoading
	default:
		t.State = statusapi.StoreAttaching
	}
	return t
}

// maxStranded is how many stranded clones the status names.
const maxStranded = 20

func fillStore(t *statusapi.Store, st store.Status) {
	t.State, t.Since = storeState(st.State), st.Since
	t.Sequence, t.Lag, t.Entries, t.Bytes, t.Clones = st.Sequence, st.Lag, st.Entries, st.Bytes, st.Clones
	if st.Epoch != 0 {
		t.History, t.Epoch = st.History.String(), st.Epoch
	}
	t.Conflict, t.NewHistory = st.Conflict, !st.NewHistory.IsZero()
	for _, id := range st.Stranded[:min(len(st.Stranded), maxStranded)] {
		t.Stranded = append(t.Stranded, id.String())
	}
	t.AgeSeconds, t.WritesWaiting, t.WritesUnknown = st.Age.Seconds(), st.WritesWaiting, st.WritesUnknown
	if st.Err != nil {
		t.Error = st.Err.Error()
	}
	if !st.SyncedAt.IsZero() {
		t.SyncedAt = &st.SyncedAt
	}
}

func storeState(s store.State) string {
	switch s {
	case store.StateLoading:
		return statusapi.StoreLoading
	case store.StateServing:
		return statusapi.StoreServing
	case store.StateFailed:
		return statusapi.StoreFailed
	case store.StateAttaching:
		return statusapi.StoreAttaching
	case store.StateSynced:
		return statusapi.StoreSynced
	case store.StateStale:
		return statusapi.StoreStale
	default:
		return statusapi.StoreBroken
	}
}
