// SPDX-License-Identifier: Apache-2.0

package look

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
)

// Names as reports write them.
var (
	classNode    = broker.ClassNode.String()
	classClient  = broker.ClassClient.String()
	classForeign = broker.ClassForeign.String()
	statePeered  = broker.Peered.String()
)

// roundTrip is a short time to three digits.
func roundTrip(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < time.Millisecond:
		return strconv.FormatFloat(float64(d)/1e3, 'f', 0, 64) + "µs"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d)/1e6, 'f', 2, 64) + "ms"
	case d < time.Second:
		return strconv.FormatFloat(float64(d)/1e6, 'f', 1, 64) + "ms"
	default:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + "s"
	}
}

// span is a long time in its two largest units, such as 3m20s or 2d4h.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
}

// perSecond is a rate in few digits.
func perSecond(n float64) string {
	switch {
	case n < 0.05:
		return "0"
	case n < 10:
		return strconv.FormatFloat(n, 'f', 1, 64)
	case n < 10_000:
		return strconv.FormatFloat(n, 'f', 0, 64)
	case n < 10_000_000:
		return strconv.FormatFloat(n/1e3, 'f', 1, 64) + "k"
	default:
		return strconv.FormatFloat(n/1e6, 'f', 1, 64) + "M"
	}
}

// write writes a table with what is to be said below it.
func write(out io.Writer, rows [][]string, remarks []string, width int) error {
	var b strings.Builder
	for _, line := range table.Align(rows) {
		b.WriteString(table.Cut(strings.TrimRight(line, " "), width))
		b.WriteByte('\n')
	}
	for _, line := range remarks {
		b.WriteString(" " + line + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}
