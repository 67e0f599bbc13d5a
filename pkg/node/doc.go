// SPDX-License-Identifier: Apache-2.0

// Package node makes a running endpoint of a config, keeps it as the config
// says while that changes, and tells how it is. It is where the two roads of
// the architecture meet: intent comes in as [nodeconfig.Config], evidence goes
// out as [statusapi.Status].
//
// [Node.Apply] takes a document whole or refuses it whole. The first one that
// is accepted opens the ports; later ones change peers, stores, subscriptions,
// the forwarding mode and the log level of the running endpoint. What can't be
// changed without a new process (ports, TLS) is named in the status as
// RestartNeeded, and everything else is applied.
//
// Metric names follow section 5 of the configuration and metrics
// specification.
package node
