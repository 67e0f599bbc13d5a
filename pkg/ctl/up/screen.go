// SPDX-License-Identifier: Apache-2.0

package up

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl/meshview"
)

// redrawEvery is how often a live table shows new traffic figures.
const redrawEvery = time.Second

// Terminal is what is known of the terminal that Out is.
type Terminal struct {
	// Width answers the number of columns; 0 if it isn't known.
	Width func() int
	// Color tells that colours are wanted.
	Color bool
}

// settle is how often changes become lines: what passes by while a mesh
// starts isn't worth reading.
const settle = 300 * time.Millisecond

// screen shows the states of a mesh one after the other.
type screen struct {
	o       Options
	changes meshview.Changes
	rates   meshview.Rates
	drawn   int // lines of the table that stands on the terminal
	// tick fires when the figures of a live table should be shown again, or
	// when what has changed since should become lines.
	tick <-chan time.Time
}

func newScreen(o Options) *screen {
	s := &screen{o: o, tick: time.Tick(settle)}
	if s.live() {
		s.tick = time.Tick(redrawEvery)
	}
	return s
}

// live tells that the table is drawn over itself.
func (s *screen) live() bool { return s.o.Terminal != nil && s.o.Output == Table }

// ready shows the state in which every condition holds for the first time.
func (s *screen) ready(state meshview.State) error {
	switch {
	case s.o.Output == JSON:
		return meshview.NewDocument(state).WriteJSON(s.o.Out)
	case s.o.Output == YAML:
		return meshview.NewDocument(state).WriteYAML(s.o.Out)
	case s.live():
		return s.redraw(state)
	}
	if err := s.lines(state); err != nil {
		return err
	}
	return writeLines(s.o.Out, meshview.Table(state, meshview.TableOptions{Hint: s.hint()}))
}

// update shows any other state.
func (s *screen) update(state meshview.State, wasReady bool) error {
	switch {
	case s.live():
		return s.redraw(state)
	case s.o.Output == Table:
		return s.lines(state)
	case wasReady:
		// The document was printed; what happens since goes elsewhere.
		return writeLines(s.o.Notes, s.changes.Next(state))
	default:
		s.changes.Next(state)
		return nil
	}
}

// lines appends what has changed.
func (s *screen) lines(state meshview.State) error {
	return writeLines(s.o.Out, s.changes.Next(state))
}

// redraw draws the table over the last one.
func (s *screen) redraw(state meshview.State) error {
	lines := meshview.Table(state, meshview.TableOptions{
		Color: s.o.Terminal.Color,
		Width: s.o.Terminal.Width(),
		Rates: s.rates.Next(state, time.Now()),
		Hint:  s.hint(),
	})
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, line := range lines {
		b.WriteString("\r" + line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	s.drawn = len(lines)
	_, err := io.WriteString(s.o.Out, b.String())
	return err
}

func (s *screen) hint() string {
	if s.o.UntilReady {
		return ""
	}
	return "Ctrl-C stops"
}

func writeLines(w io.Writer, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}
