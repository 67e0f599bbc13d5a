// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// localAudience is what a Bus may offer besides: whether PublishLocal to a topic would reach anybody.
type localAudience interface {
	HasLocal(topic string) bool
}

// feed tells others what has changed: subscribers of store events, and watchers. It belongs to the goroutine of a frontend.
type feed struct {
	bus      Bus
	audience localAudience // nil: not known
	topic    string
	store    data.Value
	watchers *watchers
	// events and watched say who wants to know, as of the beginning of the group.
	events, watched bool
}

func newFeed(bus Bus, name string, ringBytes int) *feed {
	f := &feed{bus: bus, topic: topic.StoreEvents(name), store: data.String(name), watchers: newWatchers(bus, ringBytes)}
	f.audience, _ = bus.(localAudience)
	return f
}

// begin begins a group.
func (f *feed) begin() {
	f.events = f.audience == nil || f.audience.HasLocal(f.topic)
	f.watched = f.watchers.recording
	if !f.wanted() {
		f.drop()
	}
}

// wanted tells whether anybody wants to know of changes, so that it's worth finding out what was there before.
func (f *feed) wanted() bool { return f.events || f.watched }

// add takes a change of the group.
func (f *feed) add(c Change) {
	if f.wanted() {
		*f.next() = c
	}
}

// next is a place for a change of the group, which is empty. Only for who has asked wanted. It stays there until the group ends.
func (f *feed) next() *Change { return f.watchers.stage() }

// publish ends a group whose changes may be seen, and which ends at a number of the history.
func (f *feed) publish(number uint64) {
	if f.events {
		r := &f.watchers.mu.ring
		for place := r.end; place < r.tail; place++ {
			f.bus.PublishLocal(f.topic, r.at(place).event(f.store))
		}
	}
	if f.watched {
		f.watchers.publish(number)
	} else {
		f.drop()
	}
}

// drop forgets the changes of a group.
func (f *feed) drop() { f.watchers.drop() }

// watch begins to record changes for a watcher, from a number of the history on where the store is. Called between two groups.
func (f *feed) watch(number uint64) answer {
	f.watchers.start(number)
	return answer{ok: true, number: number, watchers: f.watchers}
}
