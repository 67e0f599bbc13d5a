// SPDX-License-Identifier: Apache-2.0

//go:build !race

package pebble

// How much the fault tests try.
const (
	scriptLength = 40
	stride       = 1
	flipsAFile   = 30
)
