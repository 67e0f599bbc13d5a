// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// fakeNode is a Source whose generation the test advances. The mutex owns everything below it.
type fakeNode struct {
	mu      sync.Mutex
	status  Status
	changed chan struct{}
	apply   error // what Apply says to documents that are sound
	granted []Grant
}

func newFakeNode() *fakeNode {
	return &fakeNode{status: Status{Instance: "one", Generation: 1, Node: "manager"}, changed: make(chan struct{})}
}

func (f *fakeNode) set(change func(*Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeNode) get() (Status, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status, f.changed
}

func (f *fakeNode) Wait(ctx context.Context, instance string, generation uint64) Status {
	for {
		s, changed := f.get()
		if s.Instance != instance || s.Generation != generation {
			return s
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s
		}
	}
}

func (f *fakeNode) Apply(_ context.Context, doc []byte) error {
	c, err := nodeconfig.Parse(doc)
	if err = errors.Join(err, f.apply); err != nil {
		return err
	}
	f.set(func(s *Status) { s.Generation++; s.ConfigHash = c.Hash() })
	return nil
}

func (f *fakeNode) LeaseToken() LeaseToken { return LeaseToken{"now"} }

func (f *fakeNode) Grant(g Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g.Epoch != 3 {
		return errors.New("epoch 3 here")
	}
	f.granted = append(f.granted, g)
	return nil
}

var errBusy = fmt.Errorf("%w: draining", ErrUnavailable)
