// SPDX-License-Identifier: Apache-2.0

//go:build race

package pebble

// How much the fault tests try: the race detector makes all of it several times as slow.
const (
	scriptLength = 30
	stride       = 7
	flipsAFile   = 10
)
