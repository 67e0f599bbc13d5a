// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"fmt"
	"path"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

// Filter says which records are shown. Empty fields let everything pass; the
// others all have to hold.
type Filter struct {
	// Prefixes of topics, of which one has to fit.
	Prefixes []string
	// Event is the name of a Zeek event that the message has to hold.
	Event string
	// From is the name, address or ID of the source, or the beginning of it.
	From string
	// Topic is a pattern as of files: * and ? don't match a slash, [a-z] is a
	// range.
	Topic string
	// Match is text that topic or value have to contain.
	Match string
}

// Validate says what is wrong with the filter.
func (f Filter) Validate() error {
	if _, err := path.Match(f.Topic, ""); err != nil {
		return fmt.Errorf("--topic: %q: %w", f.Topic, err)
	}
	return nil
}

// onlyMessages tells whether the filter asks for something that only messages
// have.
func (f Filter) onlyMessages() bool {
	return len(f.Prefixes) > 0 || f.Event != "" || f.Topic != ""
}

// Passes tells whether a record is to be shown.
func (f Filter) Passes(r *Record) bool {
	message := r.Kind == kindData || r.Kind == kindCommand
	switch {
	case f.onlyMessages() && !message:
		return false
	case len(f.Prefixes) > 0 && !hasPrefix(f.Prefixes, r.Topic):
		return false
	case f.Event != "" && !holds(r, f.Event):
		return false
	case f.From != "" && !f.from(r):
		return false
	case f.Match != "" && !strings.Contains(r.Topic, f.Match) && !strings.Contains(r.text(), f.Match):
		return false
	}
	if f.Topic == "" {
		return true
	}
	ok, _ := path.Match(f.Topic, r.Topic)
	return ok
}

func hasPrefix(prefixes []string, topic string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(topic, p) {
			return true
		}
	}
	return false
}

func holds(r *Record, name string) bool {
	found := false
	events(r.Value, func(e zeek.Event) bool {
		found = e.Name == name
		return !found
	})
	return found
}

func (f Filter) from(r *Record) bool {
	if strings.HasPrefix(r.Source, f.From) {
		return true
	}
	for _, id := range [...]interface {
		IsZero() bool
		String() string
	}{r.Origin, r.From} {
		if !id.IsZero() && strings.HasPrefix(id.String(), strings.ToLower(f.From)) {
			return true
		}
	}
	return false
}
