// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestProxy: numbers from 1, and responses in the order of the requests, on every kind of frontend.
func TestProxy(t *testing.T) {
	f := new(fabric)
	m := startMaster(t, f.join(), "s")
	c := startClone(t, f.join(), "s", CloneOptions{})
	r := startRemote(t, f.join(), "s", RemoteOptions{})
	must(t, c.AwaitIdle(t.Context()))
	for name, frontend := range map[string]ProxyFrontend{"master": m, "clone": c, "remote": r} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			p := NewProxy(frontend)
			defer p.Close()
			key := str(name)
			must(t, m.Erase(ctx, key))
			must(t, c.AwaitIdle(ctx))
			ids := []uint64{
				p.PutUnique(key, data.Vector(data.Count(5)), 0), p.PutUnique(key, data.None(), 0), p.Exists(key), p.Get(key),
				p.GetIndex(key, data.Count(0)), p.Get(str("missing")),
			}
			responses, err := p.ReceiveN(ctx, len(ids))
			must(t, err)
			var got string
			for i, r := range responses {
				if r.ID != ids[i] || r.ID != uint64(i+1) {
					t.Errorf("response %d has the number %d", i, r.ID)
				}
				got += fmt.Sprint(r.Value, " ", r.Err, "; ")
			}
			if want := "T <nil>; F <nil>; T <nil>; (5) <nil>; 5 <nil>; nil no_such_key; "; got != want {
				t.Errorf("responses %s\nwant %s", got, want)
			}
			id := p.Keys()
			<-p.Ready()
			if p.Len() != 1 {
				t.Errorf("%d responses wait", p.Len())
			}
			if r, err := p.Receive(ctx); err != nil || r.ID != id || !r.Value.Contains(key) {
				t.Errorf("keys: %+v, %v", r, err)
			}
			select {
			case <-p.Ready():
				t.Error("ready, but nothing waits")
			default:
			}
		})
	}
}

func TestProxyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startClone(t, new(fabric).join(), "s", CloneOptions{})
		p := NewProxy(c)
		p.Get(str("k"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before the clone gave up: %v", err)
		}
		if r, err := p.Receive(t.Context()); err != nil || r.ID != 1 || !errors.Is(r.Err, code.StaleData) {
			t.Errorf("without a master: %+v, %v", r, err)
		}
		got := make(chan error)
		go func() {
			_, err := p.Receive(t.Context())
			got <- err
		}()
		synctest.Wait()
		p.Get(str("k"))
		p.Close()
		if err := <-got; !errors.Is(err, code.ShuttingDown) {
			t.Errorf("closed while somebody waits: %v", err)
		}
		if id := p.Get(str("k")); id != 0 {
			t.Errorf("a request after Close got the number %d", id)
		}
		p.Close()
	})
}
