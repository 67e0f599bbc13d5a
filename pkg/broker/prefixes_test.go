// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestPrefixes follows a subscriber that changes its mind, and what its peer is asked for.
func TestPrefixes(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	connect(t, a, b)
	s := subscribe(t, b, "/a", "/a/b", "/a")
	long := strings.Repeat("x", maxTopic+1)
	for _, c := range []struct {
		name   string
		change func() error
		want   error
		asks   []string
		filter []string
	}{
		{"at first", func() error { return nil }, nil, []string{"/a", "/a/b"}, []string{"/a"}},
		{"add", func() error { return s.AddPrefixes("/c", "/a") }, nil, []string{"/a", "/a/b", "/c"}, []string{"/a", "/c"}},
		{"add too long", func() error { return s.AddPrefixes("/d", long) }, ErrTopic, []string{"/a", "/a/b", "/c"}, []string{"/a", "/c"}},
		{"remove", func() error { s.RemovePrefixes("/a", "/none"); return nil }, nil, []string{"/a/b", "/c"}, []string{"/a/b", "/c"}},
		{"everything", func() error { return s.AddPrefixes("") }, nil, []string{"", "/a/b", "/c"}, []string{""}},
		{"set too long", func() error { return s.SetPrefixes([]string{long}) }, ErrTopic, []string{"", "/a/b", "/c"}, []string{""}},
		{"set", func() error { return s.SetPrefixes([]string{"/z", "/y", "<$>/local/"}) }, nil, []string{"/y", "/z", "<$>/local/"}, []string{"/y", "/z"}},
		{"set none", func() error { return s.SetPrefixes(nil) }, nil, nil, nil},
		{"set and wait", func() error { return s.SetPrefixesSync(within(t), []string{"/w"}) }, nil, []string{"/w"}, []string{"/w"}},
	} {
		if err := c.change(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if got := s.Prefixes(); !slices.Equal(got, c.asks) {
			t.Errorf("%s: asks for %q, want %q", c.name, got, c.asks)
		}
		if err := b.syncPeers(within(t)); err != nil {
			t.Fatal(err)
		}
		if got := a.Peers()[0].Filter; !slices.Equal(got, c.filter) {
			t.Errorf("%s: the peer is asked for %q, want %q", c.name, got, c.filter)
		}
	}
	publish(t, a, "/w/1", data.Count(1))
	if m := get(t, s); m.Topic != "/w/1" {
		t.Errorf("got %+v", m)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.SetPrefixesSync(ended, []string{"/v"}); !errors.Is(err, context.Canceled) || s.Prefixes()[0] != "/v" {
		t.Errorf("%v, asks for %q", err, s.Prefixes())
	}
	if err := s.SetPrefixesSync(t.Context(), []string{long}); !errors.Is(err, ErrTopic) {
		t.Error(err)
	}
}
