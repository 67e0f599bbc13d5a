// SPDX-License-Identifier: Apache-2.0

// Package bench measures the engine from outside. A workload has two halves or
// more, each in a process of its own: one publishes Zeek events (spec/zeek.md,
// 1) and another reads every leaf of every event, one pings and another
// answers, one masters a store and another clones it. Halves speak the plain
// native protocol, so that any of them can be another implementation, and each
// answers with figures of its own process.
package bench

// What the halves talk on.
const (
	// Topic carries the events of source and sink.
	Topic = "/bench"
	// PingTopic carries an event to be answered, PongTopic the answers: counts
	// from 1.
	PingTopic = "/ping"
	PongTopic = "/pong"
	// GoTopic tells a master that its clone is there.
	GoTopic = "/go"
	// StoreName is the store of master and clone.
	StoreName = "b"
)
