// SPDX-License-Identifier: Apache-2.0

//go:build linux && race

package faults

// memoryFactor is how much more memory a process may take because of the race detector.
const memoryFactor = 8
