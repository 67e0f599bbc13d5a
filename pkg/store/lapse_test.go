// SPDX-License-Identifier: Apache-2.0

package store

import (
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// slowBackend takes its time to commit.
type slowBackend struct {
	backend.Backend
	pause atomic.Int64
}

func (b *slowBackend) Commit() error {
	time.Sleep(time.Duration(b.pause.Load()))
	return b.Backend.Commit()
}
