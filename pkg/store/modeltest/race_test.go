// SPDX-License-Identifier: Apache-2.0

//go:build race

package modeltest

// How many histories are tried: the race detector makes them several times as slow.
const (
	memoryHistories = 120
	pebbleHistories = 60
	sqliteHistories = 30
)
