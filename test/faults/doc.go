// SPDX-License-Identifier: Apache-2.0

// Package faults puts endpoints on machines of their own, which are network namespaces, and breaks everything between and beside them:
// packets get lost, delayed, reordered and repeated, lines are cut without a sign, processes are killed and stopped, peers are hostile.
// Whatever happens, the promises of package broker must hold.
//
// The package consists of tests, which need Linux, root, iproute2 and nftables. `make faults` runs them with fixed seeds, `make soak`
// with random ones for as long as one likes. An endpoint is a process of the test binary itself, which takes orders on its standard
// input.
package faults
