// SPDX-License-Identifier: Apache-2.0

// Package nodeconfig is the document that tells a node what to be: the operator (or brokerctl) writes it, the node reads it.
// Operator and engine share it; it knows nothing of Kubernetes.
//
// A document is taken whole or refused whole: [Parse] is strict about names, sizes and values, and says of each fault which
// field it is, what was found there and what is allowed. Two documents mean the same exactly if their [Config.Hash] is the
// same: order, defaults that are written out, and the revision make no difference. How documents travel is told in
// "How configuration travels" of the architecture.
package nodeconfig
