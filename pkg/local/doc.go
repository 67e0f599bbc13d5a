// SPDX-License-Identifier: Apache-2.0

// Package local runs a compiled topology on this machine: every node in this
// process, on free ports of the loopback, with certificates as in a cluster.
// The nodes' own status documents are judged by pkg/evidence, so the verdict
// is the one that a cluster would show for the same objects.
package local
