// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"syscall"
	"time"
)

// Result is what one half prints when it is done.
type Result struct {
	// Messages that were published or received.
	Messages int `json:"messages"`
	// Seconds from the first message to the last.
	Seconds float64 `json:"seconds"`
	// Rate is messages a second.
	Rate float64 `json:"rate"`
	// CPUPerMessage is this process's CPU time in that span, in microseconds
	// for each message; MaxRSS its largest resident memory.
	CPUPerMessage float64 `json:"cpu_us_per_message"`
	MaxRSS        int64   `json:"max_rss_kib"`
	// Checksum over all leaves of all messages; both halves print the same.
	Checksum string `json:"checksum"`
}

// meter measures the span between two moments.
type meter struct {
	began time.Time
	cpu   time.Duration
}

func startMeter() meter { return meter{began: time.Now(), cpu: cpuTime()} }

// stop turns the span into a Result.
func (m meter) stop(messages int, checksum uint64) Result {
	seconds := time.Since(m.began).Seconds()
	cpu := cpuTime() - m.cpu
	return Result{
		Messages:      messages,
		Seconds:       seconds,
		Rate:          float64(messages) / max(seconds, 1e-9),
		CPUPerMessage: float64(cpu.Nanoseconds()) / 1e3 / float64(max(messages, 1)),
		MaxRSS:        maxRSS(),
		Checksum:      fmt.Sprintf("%016x", checksum),
	}
}

// usage is what the system accounts this process for.
func usage() syscall.Rusage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return syscall.Rusage{}
	}
	return u
}

func cpuTime() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// maxRSS is in KiB, as Linux counts it; other systems count bytes, which the
// caller has to know.
func maxRSS() int64 { return int64(usage().Maxrss) }
