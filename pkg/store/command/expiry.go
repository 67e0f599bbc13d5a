// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Expiry is how long an entry lives after the master has executed the command; the zero Expiry means for ever.
type Expiry struct {
	// Set tells whether there is an expiry at all; on the wire zero and negative times are expiries too.
	Set bool
	// After is the time from now.
	After time.Duration
}

// After is the expiry of d from now, and none if d is 0.
func After(d time.Duration) Expiry {
	if d == 0 {
		return Expiry{}
	}
	return Expiry{Set: true, After: d}
}

// Value is the expiry as store events show it: a timespan or none.
func (e Expiry) Value() data.Value {
	if !e.Set {
		return data.None()
	}
	return data.Timespan(e.After)
}

func (e Expiry) size() int {
	if e.Set {
		return 9
	}
	return 1
}

func (e Expiry) append(dst []byte) []byte {
	if !e.Set {
		return append(dst, 0)
	}
	return binary.BigEndian.AppendUint64(append(dst, 1), uint64(e.After))
}
