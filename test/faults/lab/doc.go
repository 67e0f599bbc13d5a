// SPDX-License-Identifier: Apache-2.0

// Package lab makes small networks of Linux network namespaces in which things go wrong: hosts that hang at one router, rules by which
// the router loses packets or drops all of them without a word, and a detour in user space that delays, reorders and repeats them.
// It needs root, iproute2 and nftables. A network ends with the process that made it; nothing of it stays on the machine.
package lab
