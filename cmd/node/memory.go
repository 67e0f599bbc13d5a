// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent trades CPU time for memory. Nodes are small and many, and messages
// live short, so the heap may grow by half only before it is swept.
const gcPercent = 50

// cgroupLimit is where a container reads how much memory it may use.
const cgroupLimit = "/sys/fs/cgroup/memory.max"

// limitMemory sets up the garbage collector, unless the environment does.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit, ok := heapLimit(cgroupLimit); ok {
			debug.SetMemoryLimit(limit)
		}
	}
}

// heapLimit is nine tenths of the container's limit: coming near it the
// collector works harder, instead of the kernel ending the process.
func heapLimit(file string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is no number
	return limit / 10 * 9, err == nil && limit > 0
}
