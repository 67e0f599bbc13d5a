// SPDX-License-Identifier: Apache-2.0

//go:build race

package zeek

// raceDetector: sync.Pool drops some of what it is given, so that allocations
// are more than usual.
const raceDetector = true
