// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

// How many histories are tried.
const (
	memoryHistories = 1000
	pebbleHistories = 500
	sqliteHistories = 300
)
