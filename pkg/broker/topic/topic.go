// SPDX-License-Identifier: Apache-2.0

// Package topic knows topics, the prefixes that subscribe to them, and the table that finds the subscribers of a topic.
//
// A topic is a string of bytes. A prefix wants every topic that begins with it, byte by byte: "/foo" wants "/foobar" too, and the
// empty prefix wants everything.
package topic

import "strings"

const (
	// Reserved is the topic of routing updates, pings and pongs; programs must not publish on it or below it.
	Reserved = "<$>"
	// LocalPrefix is in front of topics that never leave an endpoint.
	LocalPrefix = "<$>/local/"
	// InternalPrefix is in front of topics that endpoints of this project use among themselves. They are in no filter and go from one
	// endpoint to another one only.
	InternalPrefix = "<$>/brokermesh/"
	// Statuses carries the status events of peerings.
	Statuses = "<$>/local/data/statuses"
	// Errors carries the error events of peerings.
	Errors = "<$>/local/data/errors"
	// storeEvents, joined with a store's name, carries the changes of that store.
	storeEvents  = "<$>/local/data/store-events"
	masterSuffix = "<$>/data/master"
	cloneSuffix  = "<$>/data/clone"
	remoteSuffix = "<$>/data/remote"
)

// Join puts two parts of a topic together: with a slash between them unless the right one begins with a slash or is empty, or the
// left one is empty; one slash at the end of the result is dropped.
func Join(a, b string) string {
	sep := ""
	if b != "" && a != "" && !strings.HasPrefix(b, "/") {
		sep = "/"
	}
	return strings.TrimSuffix(a+sep+b, "/")
}

// Master is the topic of commands to the master of a store.
func Master(store string) string { return Join(store, masterSuffix) }

// Clone is the topic of commands to the clones of a store.
func Clone(store string) string { return Join(store, cloneSuffix) }

// Remote is the topic of answers to those who ask a store's frontends without being one. The reference has nothing like it.
func Remote(store string) string { return Join(store, remoteSuffix) }

// StoreEvents is the topic on which an endpoint tells its own subscribers of changes of a store.
func StoreEvents(store string) string { return Join(storeEvents, store) }

// IsReserved tells whether programs must keep off a topic.
func IsReserved(topic string) bool {
	return topic == Reserved || strings.HasPrefix(topic, Reserved+"/")
}

// IsLocal tells whether a topic never leaves its endpoint.
func IsLocal[T ~string | ~[]byte](topic T) bool {
	return len(topic) >= len(LocalPrefix) && string(topic[:len(LocalPrefix)]) == LocalPrefix
}

// IsInternal tells whether a topic belongs to the endpoints themselves and not to programs.
func IsInternal[T ~string | ~[]byte](topic T) bool {
	return len(topic) >= len(InternalPrefix) && string(topic[:len(InternalPrefix)]) == InternalPrefix
}
