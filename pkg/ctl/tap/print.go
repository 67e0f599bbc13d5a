// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
)

// Kinds of records that are messages.
const (
	kindData    = "data"
	kindCommand = "command"
	kindNote    = "note"
)

// errEnough ends printing: as many records as asked for were shown.
var errEnough = errors.New("enough")

// Output says how records are printed.
type Output struct {
	Filter Filter
	// JSON prints objects instead of lines.
	JSON bool
	// Count ends after so many records; 0 never does.
	Count int
	// Rate is the most records shown in a second; 0 for all. How many were
	// left out is said with the next one.
	Rate float64
}

// Validate says what is wrong with the options.
func (o Output) Validate() error {
	switch {
	case o.Count < 0:
		return fmt.Errorf("--count: %d: allowed: 0 (no end) and more", o.Count)
	case o.Rate < 0:
		return fmt.Errorf("--rate: %v: allowed: 0 (no limit) and more", o.Rate)
	}
	return o.Filter.Validate()
}

// printer prints the records that pass the filter. It belongs to one
// goroutine.
type printer struct {
	o       Output
	out     *bufio.Writer
	limit   *rate.Limiter
	shown   int
	left    int // out because of the rate
	line    func(*Record) string
	scratch []byte
}

func newPrinter(o Output, out io.Writer, line func(*Record) string) *printer {
	p := &printer{o: o, out: bufio.NewWriterSize(out, 64<<10), line: line}
	if o.Rate > 0 {
		p.limit = rate.NewLimiter(rate.Limit(o.Rate), max(1, int(o.Rate)))
	}
	return p
}

// print shows a record, or leaves it out. The error is errEnough after the
// last one that was asked for.
func (p *printer) print(r *Record, now time.Time) error {
	if !p.o.Filter.Passes(r) {
		return nil
	}
	if p.limit != nil && !p.limit.AllowN(now, 1) {
		p.left++
		return nil
	}
	var err error
	if p.o.JSON {
		err = p.object(r)
	} else {
		if p.left > 0 {
			fmt.Fprintf(p.out, "… %d left out …\n", p.left)
		}
		_, err = fmt.Fprintln(p.out, p.line(r))
	}
	p.left = 0
	if err != nil {
		return err
	}
	if p.shown++; p.shown == p.o.Count {
		return errEnough
	}
	return nil
}

// note shows a record that no filter or rate applies to, and that does not
// count.
func (p *printer) note(r *Record) error {
	if p.o.JSON {
		return p.object(r)
	}
	_, err := fmt.Fprintln(p.out, p.line(r))
	return err
}

// document is a record in JSON.
type document struct {
	Time   string          `json:"time,omitempty"`
	Kind   string          `json:"kind"`
	Source string          `json:"source,omitempty"`
	Origin string          `json:"origin,omitempty"`
	From   string          `json:"from,omitempty"`
	Hops   *int            `json:"hops,omitempty"`
	AgeNS  *int64          `json:"ageNanoseconds,omitempty"`
	Topic  string          `json:"topic,omitempty"`
	Event  string          `json:"event,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Text   string          `json:"text,omitempty"`
	Error  string          `json:"error,omitempty"`
	// LeftOut counts the records before this one that --rate has left out.
	LeftOut int `json:"leftOut,omitempty"`
}

func (p *printer) object(r *Record) error {
	d := document{Kind: r.Kind, Source: r.Source, Topic: r.Topic, Text: r.Text, LeftOut: p.left}
	if !r.Time.IsZero() {
		d.Time = r.Time.UTC().Format(time.RFC3339Nano)
	}
	if !r.Origin.IsZero() {
		d.Origin = r.Origin.String()
	}
	if !r.From.IsZero() {
		d.From = r.From.String()
	}
	if r.Hops >= 0 {
		d.Hops = &r.Hops
	}
	if age, ok := r.Age(); ok {
		ns := int64(age)
		d.AgeNS = &ns
	}
	if r.Err != nil {
		d.Error = r.Err.Error()
	} else if r.Kind == kindData {
		p.scratch = jsonwire.AppendValue(p.scratch[:0], r.Value)
		d.Value = p.scratch
		if e, err := zeek.ParseEvent(r.Value); err == nil {
			d.Event = e.Name
		}
	}
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(d)
}

// clock is a record's time of day.
func clock(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format("15:04:05.000000")
}

// ending is topic and content, with which every line ends.
func ending(r *Record) string {
	var b strings.Builder
	if r.Topic != "" {
		b.WriteString(table.Plain(r.Topic))
		b.WriteString("  ")
	}
	if r.Err != nil {
		return b.String() + "UNREADABLE: " + table.Plain(r.Err.Error())
	}
	return b.String() + r.text()
}
