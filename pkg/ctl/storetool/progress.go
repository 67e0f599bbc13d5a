// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// redraw is the time between two pictures of the bar.
const redraw = 100 * time.Millisecond

// progress is a bar on a terminal. The zero progress shows nothing.
type progress struct {
	out     io.Writer
	what    string
	total   int64
	done    int64
	started time.Time
	drawn   time.Time
}

func newProgress(out io.Writer, what string, total int64) *progress {
	return &progress{out: out, what: what, total: total, started: time.Now()}
}

// add counts what was done.
func (p *progress) add(n int64) {
	p.done += n
	if p.out == nil {
		return
	}
	if now := time.Now(); now.Sub(p.drawn) >= redraw {
		p.drawn = now
		fmt.Fprint(p.out, "\r", p.picture(now), "\x1b[K")
	}
}

// end removes the bar.
func (p *progress) end() {
	if p.out != nil && !p.drawn.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// picture is the bar: how much of how much, and how fast.
func (p *progress) picture(now time.Time) string {
	const width = 30
	rate := float64(p.done) / max(now.Sub(p.started).Seconds(), 0.001)
	if p.total <= 0 {
		return fmt.Sprintf("%s %d, %.0f/s", p.what, p.done, rate)
	}
	full := int(min(p.done, p.total) * width / p.total)
	return fmt.Sprintf("%s [%s%s] %d of %d, %.0f/s", p.what, strings.Repeat("=", full), strings.Repeat(" ", width-full), p.done, p.total, rate)
}
