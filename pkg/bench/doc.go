// SPDX-License-Identifier: Apache-2.0

// Package bench measures the engine from outside: two processes, one that
// publishes Zeek events (spec/zeek.md, 1) as fast as it may and one that reads
// every leaf of every event. Each half speaks the plain native protocol, so
// that either can be another implementation, and answers with one [Result].
package bench

// Topic is what the halves of the pubsub workload talk on.
const Topic = "/bench"
