// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

const (
	// warmAtOnce is for how many writes a backend fetches what they need together. More make no difference.
	warmAtOnce = 16
	// warmFrom is from how many on that is worth the trouble.
	warmFrom = 4
)

// handleAll carries out what a group asks for. A backend that waits for memory learns of the keys some writes ahead.
func (m *Master) handleAll(items []item) {
	warmer, _ := m.be.(backend.Warmer)
	if len(items) < warmFrom {
		warmer = nil
	}
	for i := range items {
		if warmer != nil && i%warmAtOnce == 0 {
			warmWrites(warmer, items[i:min(len(items), i+warmAtOnce)])
		}
		m.handle(&items[i])
	}
}

func warmWrites(to backend.Warmer, items []item) {
	var keys [warmAtOnce]data.Value
	n := 0
	for i := range items {
		if items[i].kind == writeRequest {
			keys[n] = items[i].write.key
			n++
		}
	}
	to.Warm(keys[:n])
}
