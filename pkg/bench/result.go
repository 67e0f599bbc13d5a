// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Result is what every half prints when it is done.
type Result struct {
	// Messages that were published, received, answered or passed on; for stores
	// writes, for a clone the entries of its first copy.
	Messages int `json:"messages"`
	// Seconds from the first message to the last.
	Seconds float64 `json:"seconds"`
	// Rate is messages a second.
	Rate float64 `json:"rate"`
	// CPUPerMessage is this process's CPU time in that span, in microseconds
	// for each message; Allocs is how often it allocated memory for each.
	CPUPerMessage float64 `json:"cpu_us_per_message"`
	Allocs        float64 `json:"allocs_per_message"`
	// MaxRSS is the largest resident memory of the process so far.
	MaxRSS int64 `json:"max_rss_kib"`
	// Checksum over all leaves of all messages; a source and its sinks print
	// the same.
	Checksum string `json:"checksum,omitempty"`
}

// meter measures the span between two moments.
type meter struct {
	began   time.Time
	cpu     time.Duration
	mallocs uint64
}

func startMeter() meter {
	m := meter{mallocs: mallocs(), cpu: cpuTime()}
	m.began = time.Now()
	return m
}

// stop turns the span into a Result.
func (m meter) stop(messages int) Result {
	seconds := time.Since(m.began).Seconds()
	cpu := cpuTime() - m.cpu
	return Result{
		Seconds:       seconds,
		CPUPerMessage: float64(cpu.Nanoseconds()) / 1e3,
		Allocs:        float64(mallocs() - m.mallocs),
		MaxRSS:        maxRSS(),
	}.of(messages)
}

// of is a result of one message as one of n.
func (r Result) of(n int) Result {
	per := float64(max(n, 1))
	r.Messages, r.Rate = n, float64(n)/max(r.Seconds, 1e-9)
	r.CPUPerMessage, r.Allocs = r.CPUPerMessage/per, r.Allocs/per
	return r
}

// withSum is the result of who read all leaves.
func (r Result) withSum(sum uint64) Result {
	r.Checksum = fmt.Sprintf("%016x", sum)
	return r
}

func mallocs() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.Mallocs
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

// maxRSS is in KiB. Linux's getrusage would also count what the parent had
// before this program was loaded, so /proc is asked first; systems without it
// may count in bytes.
func maxRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return int64(usage().Maxrss)
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			fields := bytes.Fields(rest)
			if len(fields) > 0 {
				kib, _ := strconv.ParseInt(string(fields[0]), 10, 64)
				return kib
			}
		}
	}
	return int64(usage().Maxrss)
}
