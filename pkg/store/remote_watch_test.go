// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// TestRemoteWatch: a remote sees what the master sees, also what happened while answers were lost.
func TestRemoteWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		must(t, m.Put(ctx, str("before"), data.Count(1), 0))
		var seen, prefixed []string
		done := make(chan error, 2)
		watch := func(o WatchOptions, list *[]string) {
			for c, err := range r.Watch(ctx, o) {
				if err != nil {
					done <- err
					return
				}
				*list = append(*list, fmt.Sprint(c.Number, " ", c.Kind, " ", c.Key, " ", c.Old, " ", c.New, " ", c.Expiry.After, " ", c.Publisher == m.ID()))
			}
		}
		go watch(WatchOptions{}, &seen)
		go watch(WatchOptions{Prefix: "ab"}, &prefixed)
		synctest.Wait()
		must(t, m.Put(ctx, str("abc"), data.Count(1), time.Hour))
		must(t, m.Increment(ctx, str("abc"), data.Count(1), 0))
		must(t, m.Put(ctx, str("x"), data.Count(1), 0))
		pass(5 * time.Second)
		f.setLoss(func(_, _ *fakeBus, payload []byte) bool { return kindOf(payload) == command.KindAnswer })
		must(t, m.Erase(ctx, str("abc")))
		pass(30 * time.Second)
		f.setLoss(nil)
		must(t, m.Clear(ctx))
		pass(5 * time.Second)
		cancel()
		for range 2 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
		}
		want := "3 insert abc nil 1 1h0m0s true; 4 update abc 1 2 0s true; 5 insert x nil 1 0s true; 6 erase abc 2 nil 0s true; " +
			"7 erase before 1 nil 0s true; 7 erase x 1 nil 0s true"
		if got := strings.Join(seen, "; "); got != want {
			t.Errorf("seen\n%s\nwant\n%s", got, want)
		}
		want = "3 insert abc nil 1 1h0m0s true; 4 update abc 1 2 0s true; 6 erase abc 2 nil 0s true"
		if got := strings.Join(prefixed, "; "); got != want {
			t.Errorf("with a prefix seen\n%s\nwant\n%s", got, want)
		}
	})
}

func TestRemoteWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		ctx := t.Context()
		for range 10 {
			must(t, m.Put(ctx, str("k"), data.Count(1), 0))
		}
		for _, err := range r.Watch(ctx, WatchOptions{After: 2}) {
			if !errors.Is(err, ErrHistoryGone) {
				t.Errorf("after a number of which nothing is kept: %v", err)
			}
		}
		for _, err := range startRemote(t, f.join(), "other", RemoteOptions{}).Watch(ctx, WatchOptions{}) {
			if !errors.Is(err, code.NoSuchMaster) {
				t.Errorf("without a master: %v", err)
			}
		}
		ended := make(chan error)
		go func() {
			for _, err := range r.Watch(ctx, WatchOptions{}) {
				ended <- err
			}
		}()
		pass(3 * watchWait) // it has had an answer
		must(t, m.Close())
		startMaster(t, f.join(), "s") // of a new history
		if err := <-ended; !errors.Is(err, ErrHistoryGone) {
			t.Errorf("the history is another one: %v", err)
		}
	})
}
